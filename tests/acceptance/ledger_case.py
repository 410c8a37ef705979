"""The policies, prices and kinds of traffic of the room in which dashboards are held against other books."""

import re
from dataclasses import dataclass

from tests.fakes.planned import Sent

M = 1_000_000
USD: dict[str, tuple[float, float]] = {"frontier": (2.5, 10.0), "own": (0.4, 0.8), "judge": (3.0, 15.0)}
"""Per million tokens, read and written."""
APPS = 4
WAITING = 4
CLOSED = {"candidate": {"status": 401}}
REPLICAS, RENT_USD_PER_S = 2, 0.1
"""Of both: a test is short."""
UNKNOWN = "gpt-of-tomorrow"
WATCHED, CLIMBING, HALVED, RENTED, HELD, REFUSED = "watched", "climbing", "halved", "rented", "held", "refused"
POLICY = """\
route: {route}
match: {{model: [gpt-4o, gpt-of-tomorrow], header: {{x-route: {route}}}}}
mode: {mode}
baseline: {{upstream: openai, deterministic: true}}
candidate: {{upstream: {upstream}, model: tuned, revision: "7"}}
assign: {{by: [request]}}
{more}
stages: {stages}
"""
JUDGED = "compare: [exact, judge: {upstream: judge, model: j, sample: 100%}]\nshadow: {budget: $100000/day}"
POLICIES: dict[str, dict[str, str]] = {
    WATCHED: {"mode": "apply", "upstream": "own", "more": JUDGED, "stages": "[shadow, 50%, 100%]"},
    CLIMBING: {"mode": "apply", "upstream": "own", "more": "compare: [exact]", "stages": "[shadow, 50%, 100%]"},
    HALVED: {"mode": "split", "upstream": "own", "more": "", "stages": "[50%]"},
    RENTED: {"mode": "split", "upstream": "rented", "more": "", "stages": "[50%]"},
    HELD: {
        "mode": "apply", "upstream": "own", "stages": "[shadow, 100%]",
        "more": "compare: [exact]\nshadow: {max_in_flight: 1, queue: 50, noise_floor: 100%}",
    },
    REFUSED: {"mode": "apply", "upstream": "closed", "more": "compare: [exact]", "stages": "[shadow, 100%]"},
}  # fmt: skip
SETTINGS = """\
upstreams:
  openai: {{base_url: '{frontier}', background_key_file: {key}}}
  own: {{kind: vllm, base_url: '{own}'}}
  rented: {{kind: vllm, base_url: '{rented}'}}
  closed: {{kind: vllm, base_url: '{closed}'}}
  judge: {{base_url: '{judge}', background_key_file: {key}}}
prices:
  models:
    openai: {{gpt-4o: {{prompt: 2.5, completion: 10.0}}}}
    own: {{"*": {{prompt: 0.4, completion: 0.8}}}}
    judge: {{"*": {{prompt: 3.0, completion: 15.0}}}}
  candidate: {{rented: {{gpu_usd_per_hour: 180.0, replicas: 2}}}}
"""


BORN_LATER: tuple[tuple[str, dict[str, str]], ...] = (
    ("unread_total", {"kind": "loose_json"}),
    ("fallbacks_total", {"route": HALVED, "reason": "server_error"}),
    ("unpriced_total", {"route": WATCHED, "variant": "baseline", "model": UNKNOWN}),
    ("worker_candidate_errors_total", {}),
)
"""What happens for the first time while somebody looks: before, the books say 0."""


QUIET: tuple[tuple[str, dict[str, str]], ...] = (
    ("lease_expired", {}),
    ("killed", {}),
    ("policy_errors", {}),
    ("records_damaged_files", {}),
    ("judge_suspended", {"route": WATCHED}),
    *(("engine_silent", {"upstream": name}) for name in ("own", "closed")),
    *(("suspended", {"route": route}) for route in POLICIES),
    *(("process_restarts_total", {"process": name}) for name in ("worker-0", "controller", "shadow", "admin")),
)
"""What does not happen here."""


@dataclass(frozen=True, slots=True)
class Got:
    """What an app received."""

    number: int
    route: str
    model: str
    status: int
    id: str
    """Of the answer, as its server gave it; empty: none."""
    own_id: str
    """As the gateway calls it."""
    variant: str
    """That answered, as the gateway says."""
    at_s: float
    """When it had come, on the wall's clock."""
    first_s: float
    total_s: float
    token_s: float | None
    """Of streams, between tokens."""
    is_stream: bool


def cost_of(sent: Sent, server: str) -> float:
    """What a server charges for as many tokens."""
    read, written = USD[server]
    return (sent.prompt_tokens * read + sent.completion_tokens * written) / M


def first_id(text: bytes) -> str:
    """The first id that stands in an answer, whoever wrote its JSON anew."""
    found = re.search(rb'"id": ?"([^"]+)"', text)
    return found[1].decode() if found else ""
