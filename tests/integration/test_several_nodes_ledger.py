"""Two gateways on one server of the shared state: what they count is what their upstreams were asked, exactly (G23)."""

import os
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import duckdb
import openai
import pytest
from msgspec import structs
from prometheus_client.parser import text_string_to_metric_families

from gateway.control.state.open import open_state
from gateway.control.state.port import StateDownError
from gateway.node.state_location import StatePlace
from policies.routing import decode
from tests.fakes.openai_answers import WORDS, fake_usage
from tests.fakes.redis_server import RedisServer, running
from tests.fakes.thread import in_thread
from tests.fakes.upstream import Entry, FakeUpstream
from tests.rooms.nodes import ROUTE, STATE_KEY, leader, order, two_nodes, weight_ppm
from tests.rooms.serving import Serving
from tests.rooms.waiting import NO_TLS, PATIENCE_S, await_true

pytestmark = pytest.mark.slow

USERS = [f"user-{number}" for number in range(40)]
POLICY = f"""\
route: {ROUTE}
match: {{model: gpt-4o}}
baseline: {{upstream: openai, deterministic: true}}
candidate: {{upstream: vllm, model: tuned, revision: "1"}}
assign: {{by: [user]}}
compare: [exact]
stages: [shadow, 50%, 100%]
"""


def asked(upstream: FakeUpstream) -> list[Entry]:
    """What the ledger has of chats."""
    return [entry for entry in upstream.ledger if entry.request.target.endswith(b"/chat/completions")]


def counted(nodes: Sequence[Serving], name: str, **labels: str) -> int:
    """What a metric of these labels comes to on all these nodes."""
    return int(
        sum(
            sample.value
            for node in nodes
            for family in text_string_to_metric_families(node.admin("/metrics").text)
            for sample in family.samples
            if sample.name == f"crossfade_{name}" and labels.items() <= sample.labels.items()
        )
    )


class Row(NamedTuple):
    """What the records say of an exchange."""

    id: str
    unit: str
    variant: str
    why: str
    weight_ppm: int


class Town:
    """Both nodes, their two upstreams, and what apps asked and got."""

    def __init__(self, nodes: list[Serving], frontier: FakeUpstream, student: FakeUpstream) -> None:
        self.nodes = nodes
        self.frontier = frontier
        self.student = student
        self.answers = 0

    def ask_all(self) -> None:
        """Every user asks both nodes, once a node has seen its key accepted."""
        for node in self.nodes:
            self._ask(node, "first")
            for user in USERS:
                self._ask(node, user)

    def _ask(self, node: Serving, user: str) -> None:
        url = f"http://127.0.0.1:{node.port}/v1"
        with openai.OpenAI(
            api_key="sk-test",
            base_url=url,
            max_retries=0,
            timeout=PATIENCE_S,
            http_client=openai.DefaultHttpxClient(verify=NO_TLS),
        ) as client:
            answer = client.chat.completions.create(
                model="gpt-4o", user=user, messages=[{"role": "user", "content": f"I am {user}"}]
            )
        self.answers += bool(answer.choices[0].message.content)

    def counted(self, name: str, **labels: str) -> int:
        """A counter of both nodes together."""
        return counted(self.nodes, name, **labels)

    def recorded(self) -> list[Row]:
        """Each exchange in both nodes' records."""
        found: list[Row] = []
        for node in self.nodes:
            files = str(node.data / "records" / "exchanges" / "**" / "*.parquet")
            with duckdb.connect() as database:
                query = "SELECT id::VARCHAR, unit, variant, why, weight_ppm FROM read_parquet(?)"
                found += [Row(*row) for row in database.execute(query, [files]).fetchall()]
        return found


@pytest.fixture
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running("redis", tmp_path_factory.mktemp("r")) as found:
        yield found


@pytest.fixture
def place(tmp_path: Path, redis: RedisServer) -> StatePlace:
    return StatePlace(str(tmp_path / "unused.db"), redis.url, key=STATE_KEY)


@pytest.fixture
def town(tmp_path: Path, redis: RedisServer) -> Iterator[Town]:
    with (
        in_thread(FakeUpstream(require_key=False)) as frontier,
        in_thread(FakeUpstream(require_key=False)) as student,
        two_nodes(tmp_path, redis, POLICY, frontier=frontier, student=student) as nodes,
    ):
        yield Town(nodes, frontier, student)


def observed(place: StatePlace) -> int:
    """How many exchanges the kept evidence has taken in, and how many stages it has left. Who looks remembers nothing,
    and so puts nothing back. -1: the server is away, or slower than a second on a machine that is busy.
    """
    with (
        TemporaryDirectory() as folder,
        closing(open_state(structs.replace(place, database=f"{folder}/state.db"))) as state,
    ):
        try:
            snapshot = state.snapshot(ROUTE)
        except StateDownError:
            return -1
    return snapshot.seq if snapshot is not None else 0


def serves_the_newest(node: Serving) -> bool:
    """Whether every worker has taken up the table that stands in the file."""
    version = decode((node.data / "routing.json").read_bytes()).version
    return counted([node], "routing_table_version") == version


def kill(node: Serving, *slots: str) -> None:
    """Kill processes of a node, and wait until others are in their place."""
    pids = [node.pid_of(slot) for slot in slots]
    for pid in pids:
        assert pid is not None, node.status()
        os.kill(pid, signal.SIGKILL)
    for slot, pid in zip(slots, pids, strict=True):
        await_true(lambda slot=slot, pid=pid: node.pid_of(slot) not in (pid, None), f"another {slot}")
    await_true(node.is_ready, "the node is back")


def test_counts_add_up_to_the_upstreams_ledgers(town: Town, redis: RedisServer, place: StatePlace) -> None:
    """Answers, tokens, mirrored calls and evidence of both nodes are what was asked, through a weight that moves, a
    shared state that dies with all it knew, and processes that are killed; each user gets the same side on both.
    """
    one, two = town.nodes
    await_true(lambda: one.admin(f"/api/v1/rollouts/{ROUTE}").status_code == 200, "the rollout begins")
    town.ask_all()
    await_true(lambda: observed(place) == town.answers, "all of it is evidence")
    assert order(two, f"/rollouts/{ROUTE}/promote") == "taken"
    one_stage = 1
    await_true(lambda: [weight_ppm(node) for node in town.nodes] == [500_000, 500_000], "both tables follow")
    await_true(lambda: all(map(serves_the_newest, town.nodes)), "all workers serve from them")
    town.ask_all()
    await_true(lambda: observed(place) == town.answers + one_stage, "what is served at 50 % is evidence too")
    kill(one, "recorder", "controller", "shadow", "worker-0")
    town.ask_all()
    await_true(lambda: observed(place) == town.answers + one_stage, "what was seen around the kills is evidence, once")

    redis.stop()
    town.ask_all()
    redis.start()
    await_true(lambda: leader(two) is not None, "somebody leads again")
    await_true(lambda: observed(place) == town.answers + one_stage, "what was seen while it was away is evidence too")
    answers = 4 * 2 * (len(USERS) + 1)
    assert town.answers == answers
    await_true(lambda: len(town.recorded()) == answers, "everything is recorded")

    rows = town.recorded()
    assert len({row.id for row in rows}) == answers
    assert {row.why for row in rows} <= {"assigned", "unverified"}  # a new worker has not yet seen the key accepted
    sides: dict[str, set[str]] = {}
    for row in rows:
        if row.weight_ppm and row.why == "assigned":
            sides.setdefault(row.unit, set()).add(row.variant)
    assert len(USERS) <= len(sides) <= len(USERS) + 1
    assert all(len(found) == 1 for found in sides.values())
    assert set.union(*sides.values()) == {"baseline", "candidate"}

    # Whatever the lot gave to the baseline was mirrored, and nothing else was asked of anybody.
    served = Counter(row.variant for row in rows)
    mirrored = sum(row.variant == "baseline" and row.why == "assigned" for row in rows)
    await_true(lambda: town.counted("shadow_total", outcome="answered") == mirrored, "the shadow is done")
    assert town.counted("shadow_total") == mirrored
    assert {side: town.counted("requests_total", variant=side) for side in served} == served
    assert len(asked(town.frontier)) == served["baseline"]
    assert len(asked(town.student)) == served["candidate"] + mirrored
    tokens = sum(fake_usage(entry.json["messages"], WORDS)["prompt_tokens"] for entry in asked(town.frontier))
    assert town.counted("tokens_total", variant="baseline", kind="prompt") == tokens
