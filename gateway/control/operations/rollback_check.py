"""Whether what a rollback said is so on this node: its routing table gives the candidate nothing any more.

The decision stands in the shared state as soon as it was made; traffic follows the table, which this node's controller
writes. Where that is stopped, or cannot write, the candidate goes on answering until the table's lease is over.
"""

from gateway.control.controller.status import by_candidate, read_status
from gateway.control.operations.orders import OrderClock
from gateway.node.datadir import DataDir, is_held
from policies.routing import PPM, RoutingError, decode

FOLLOWS_S = 3.0
"""A controller that runs has written the table long before."""
POLL_S = 0.05
_HINT = "hint: `crossfade kill` takes all traffic back at once; `crossfade status` says what its controller does"


def still_served(data: DataDir, rollout: str, clock: OrderClock) -> str:
    """What is wrong with this node's table, once a rollback had time to reach it; empty: nothing, or nobody serves."""
    until_s = clock.monotonic() + FOLLOWS_S
    while (problem := _problem(data, rollout)) and clock.monotonic() < until_s:
        clock.pause(POLL_S)
    return problem


def _problem(data: DataDir, rollout: str) -> str:
    if not is_held(data) or not data.routing.exists():
        return ""
    try:
        table = decode(data.routing.read_bytes())
    except (OSError, RoutingError):
        return (
            f"it is decided, and not done on this node: {data.routing} cannot be read, and its workers go by the last "
            f"one that could\n{_HINT}"
        )
    routes = by_candidate(table.routes, read_status(data.controller_status))  # of several, another one may serve
    found = next((each for each in routes if each.name == rollout), None)
    if found is None or not found.weight_ppm:
        return ""
    share = f"{found.weight_ppm * 100 / PPM:g} %"
    return (
        f"it is decided, and not done on this node: its routing table still gives {rollout}'s candidate {share}, and "
        f"its controller has not written another\n{_HINT}"
    )
