"""Two nodes on one shared state."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from policies.routing import decode
from tests.fakes.redis_server import RedisServer
from tests.fakes.upstream import FakeUpstream
from tests.rooms.serving import REAL, Serving
from tests.rooms.waiting import NO_TLS, PATIENCE_S, await_true

ROUTE = "support-triage"
STATE_KEY = "ab" * 32


@contextmanager
def two_nodes(
    folder: Path, server: RedisServer, policy: str, *, frontier: FakeUpstream, student: FakeUpstream
) -> Iterator[list[Serving]]:
    """Two nodes that share the state and its key, and nothing else."""
    (folder / "state.key").write_text(STATE_KEY)
    settings = (
        f"upstreams: {{openai: {{base_url: '{frontier.base_url}'}}, "
        f"vllm: {{kind: vllm, base_url: '{student.base_url}'}}}}\n"
        f"state: {server.url}\nstate_key_file: {folder / 'state.key'}\n"
    )
    found: list[Serving] = []
    for name in ("one", "two"):
        (folder / name / "crossfade-policies").mkdir(parents=True)
        (folder / name / "crossfade-policies" / "a.yaml").write_text(policy)
        found.append(Serving(folder / name, settings, worker=REAL))
    with found[0], found[1]:
        for node in found:
            node.await_ready()
            node.await_control()
        yield found


def weight_ppm(node: Serving) -> int:
    table = decode((node.data / "routing.json").read_bytes())
    return next(route.weight_ppm for route in table.routes if route.name == ROUTE)


def post(node: Serving, path: str, **fields: object) -> httpx.Response:
    url = f"http://127.0.0.1:{node.admin_port}/api/v1{path}"
    return httpx.post(url, json={"reason": "a test"} | fields, timeout=PATIENCE_S, trust_env=False, verify=NO_TLS)


def order(node: Serving, path: str) -> str:
    """What became of an operator's word. It is said again while the shared state is slower than a second: no word is
    taken then, and a machine that is busy with something else makes it so.
    """
    answers: list[httpx.Response] = []

    def is_answered() -> bool:
        answers.append(post(node, path))
        return answers[-1].status_code != httpx.codes.SERVICE_UNAVAILABLE

    await_true(is_answered, f"an answer to {path}")
    assert answers[-1].status_code == httpx.codes.OK, answers[-1].text
    return answers[-1].json()["outcome"]


def leader(node: Serving) -> str | None:
    return node.admin("/api/v1/rollouts").json()["leader"]
