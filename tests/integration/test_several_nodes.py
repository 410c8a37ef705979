"""Two whole gateways on one real server of the shared state: one history, and no app that feels the server's end."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.redis_server import RedisServer, running
from tests.fakes.thread import in_thread
from tests.fakes.upstream import FakeUpstream
from tests.rooms.nodes import ROUTE, leader, order, post, two_nodes, weight_ppm
from tests.rooms.served_route import POLICY, ask
from tests.rooms.serving import Serving
from tests.rooms.waiting import await_true

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Valkey here, a Redis in the ledger's tests: the contract suite holds both to the same."""
    with running("valkey", tmp_path_factory.mktemp("r")) as found:
        yield found


@pytest.fixture
def nodes(tmp_path: Path, server: RedisServer) -> Iterator[list[Serving]]:
    with (
        in_thread(FakeUpstream(require_key=False)) as upstream,
        two_nodes(tmp_path, server, POLICY, frontier=upstream, student=upstream) as found,
    ):
        yield found


def test_two_nodes_are_one_gateway(nodes: list[Serving], server: RedisServer) -> None:
    """An operator's word on one node moves both; the server may die and forget everything, and nothing moves."""
    one, two = nodes
    await_true(lambda: leader(one) is not None, "somebody leads")
    await_true(lambda: len(one.admin("/api/v1/rollouts").json()["nodes"]) == 2, "both nodes are heard of")
    assert leader(one) == leader(two)
    await_true(lambda: one.admin(f"/api/v1/rollouts/{ROUTE}").status_code == 200, "the rollout begins")

    # Whoever leads takes it, wherever it is said.
    assert order(two, f"/rollouts/{ROUTE}/promote") == "taken"
    await_true(lambda: [weight_ppm(node) for node in nodes] == [10_000, 10_000], "both tables follow")

    # The server dies with all it knew: it keeps nothing on its disk.
    server.stop()
    for _ in range(10):
        assert ask(one)
        assert ask(two)
    await_true(lambda: bool(one.events("state.away") and two.events("state.away")), "it is noticed")
    assert one.admin("/api/v1/rollouts").json()["state_problem"] is not None
    assert [weight_ppm(node) for node in nodes] == [10_000, 10_000]
    assert post(one, "/rollouts/" + ROUTE + "/promote").status_code == 503

    server.start()
    await_true(lambda: leader(one) is not None, "somebody leads again")
    await_true(lambda: one.admin(f"/api/v1/rollouts/{ROUTE}").status_code == 200, "the rollout is put back")
    assert one.admin(f"/api/v1/rollouts/{ROUTE}").json()["standing"]["stage"] == "1%"
    assert [weight_ppm(node) for node in nodes] == [10_000, 10_000]
    for node in nodes:
        assert len(node.events("state.away")) <= 3, node.events("state.away")

    assert order(one, f"/rollouts/{ROUTE}/rollback") == "taken"
    await_true(lambda: [weight_ppm(node) for node in nodes] == [0, 0], "both tables follow")

    await_true(lambda: post(two, "/kill").json()["nodes_told"], "both nodes are told")
    await_true(lambda: all((node.data / "KILL").exists() for node in nodes), "every node is killed")
    await_true(lambda: post(one, "/kill", off=True).json()["nodes_told"], "both nodes are told again")
    await_true(lambda: not any((node.data / "KILL").exists() for node in nodes), "and none any more")


def test_another_node_leads_when_one_is_gone(nodes: list[Serving]) -> None:
    """When the leading controller is killed or stopped for good, the other node leads on, and takes orders."""
    one, two = nodes
    await_true(lambda: leader(one) is not None, "somebody leads")
    await_true(lambda: one.admin(f"/api/v1/rollouts/{ROUTE}").status_code == 200, "the rollout begins")
    first = leader(one)
    leading = next(node for node in nodes if _name(node) == first)
    other = two if leading is one else one
    pid = leading.pid_of("controller")
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        await_true(lambda: leader(other) not in (None, first), "the other leads")
        assert order(other, f"/rollouts/{ROUTE}/promote") == "taken"
        await_true(lambda: weight_ppm(other) == 10_000, "its table follows")
    finally:
        os.kill(pid, signal.SIGCONT)
    await_true(lambda: weight_ppm(leading) == 10_000, "the one that slept follows, too")
    assert leader(one) != first


def _name(node: Serving) -> str:
    """What the node calls itself."""
    return node.events("leader.leads")[-1]["node"] if node.events("leader.leads") else ""
