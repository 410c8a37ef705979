"""What each alert warns of, made on a running gateway: a candidate that refuses, a full journal, a recorder that hangs.

    with alarmed(folder) as room:
        with CONDITIONS["breaker"].made(room) as go_on: ...    # its alerts begin to fire

One gateway is enough for all of them, in the order in which they stand here: the last ones end it. Policies are added
as they are needed, so that none disturbs another; each has a header of its own in `match`.
"""

import contextlib
import itertools
import os
import signal
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import httpx
import msgspec
import yaml

from gateway import clock
from gateway.cli import slo_rules
from gateway.demo.models import ModelServer, ScriptedAnswer
from policies.objectives import Objective
from policies.routing import PPM, decode, encode
from tests.acceptance.prometheus_server import RULES, Prometheus, scraping
from tests.fakes import judges
from tests.fakes.faults import HEADER, Fault
from tests.fakes.openai_answers import Speaker
from tests.fakes.redis_server import RedisServer, running
from tests.fakes.thread import in_thread
from tests.fakes.upstream import FakeUpstream
from tests.rooms.serving import REAL, Serving
from tests.rooms.waiting import NO_TLS, PATIENCE_S, await_true

GoOn = Callable[[], object]
"""Called again and again until the alerts fire: what has to happen more than once."""
QUIET = "quiet"
"""A route that is there from the start, whose candidate is well."""
FAILING = "failing"
"""A route with objectives, which its answers miss."""
POLICY = """\
route: {route}
match: {{model: gpt-4o, header: {{x-route: {route}}}}}
mode: {mode}
baseline: {{upstream: openai, deterministic: true}}
candidate: {{upstream: {candidate}, model: tuned, revision: "1"}}
assign: {{by: [request]}}
{more}
stages: {stages}
"""
SETTINGS = """\
upstreams:
  openai: {{base_url: '{frontier}', background_key_file: {key}}}
  own: {{kind: vllm, base_url: '{own}'}}
  slow: {{kind: vllm, base_url: '{slow}'}}
  hanging: {{kind: vllm, base_url: '{hanging}'}}
  mute: {{kind: vllm, base_url: '{mute}'}}
  gone: {{kind: vllm, base_url: 'http://127.0.0.1:9/v1'}}
  judge: {{base_url: 'http://127.0.0.1:{judge}/v1', background_key_file: {key}}}
prices:
  models:
    openai: {{gpt-4o: {{prompt: 1.0, completion: 2.0}}}}
    own: {{"*": {{prompt: 0.1, completion: 0.2}}}}
    slow: {{"*": {{prompt: 0.1, completion: 0.2}}}}
    mute: {{"*": {{prompt: 0.1, completion: 0.2}}}}
limits: {{in_flight: 24}}
archive: {archive}
state: {state}
"""
LESS_DISK = "capture: {disk_budget: 1KiB}"
APPS = 20
"""That ask at once: more than a candidate may have in flight, fewer than the gateway may."""


@dataclass(slots=True)
class AlarmRoom:
    """A gateway, the servers that it asks, and the Prometheus that watches it."""

    serving: Serving
    prometheus: Prometheus
    state: RedisServer
    frontier: FakeUpstream
    asked: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def ask(self, route: str = "", model: str = "gpt-4o") -> httpx.Response:
        """One request of an app."""
        turns = [{"role": "user", "content": f"question {next(self.asked)}"}]
        return self.post("/chat/completions", {"model": model, "messages": turns}, {"x-route": route})

    def ask_at_once(self, route: str) -> None:
        """Many requests, some at the same time."""
        with ThreadPoolExecutor(APPS) as apps:
            list(apps.map(self.ask, [route] * APPS))

    def post(self, path: str, body: object, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """To the data port."""
        url = f"http://127.0.0.1:{self.serving.port}/v1{path}"
        return httpx.post(url, json=body, headers=headers, timeout=PATIENCE_S, trust_env=False, verify=NO_TLS)

    def add_policy(
        self, route: str, candidate: str, *, more: str = "compare: [exact]", stages: str = "[shadow, 100%]",
        mode: str = "apply",
    ) -> None:  # fmt: skip
        """A policy, in force: Prometheus has its counters from before their first rise."""
        text = POLICY.format(route=route, candidate=candidate, more=more, stages=stages, mode=mode)
        (self.serving.directory / "crossfade-policies" / f"{route}.yaml").write_text(text)
        wanted = 1 if mode == "split" else 0
        await_true(lambda: self._is_weighed(route, at_least=wanted), f"the route {route}")
        self.prometheus.await_scrapes(2, f'crossfade_feedback_total{{route="{route}"}}')

    def _is_weighed(self, route: str, *, at_least: int) -> bool:
        """Whether the workers' table has it, and the controller says so: it may be stopped next."""
        table = decode((self.serving.data / "routing.json").read_bytes())
        is_served = any(each.name == route and each.weight_ppm >= at_least for each in table.routes)
        series = f'crossfade_weight_ratio{{route="{route}"}} '
        told = [line for line in self.serving.admin("/metrics").text.splitlines() if line.startswith(series)]
        return is_served and any(float(line.removeprefix(series)) * PPM >= at_least for line in told)

    def kill(self, slot: str, number: signal.Signals) -> None:
        """A signal to a process of the gateway, as soon as there is one."""

        def is_sent() -> bool:
            pid = self.serving.pid_of(slot)
            if pid is None:
                return False
            try:
                os.kill(pid, number)
            except ProcessLookupError:  # it has ended since, and that is not told yet
                return False
            return True

        await_true(is_sent, f"a signal to {slot}")

    @contextlib.contextmanager
    def stopped(self, slot: str) -> Generator[None]:
        """A process of the gateway that hangs while this lasts, however it ends."""
        self.kill(slot, signal.SIGSTOP)
        try:
            yield
        finally:
            self.kill(slot, signal.SIGCONT)

    def reload(self, more: str) -> None:
        """Other settings, on top of those that there are."""
        before = len(self.serving.events("reload.done"))
        plain, self.serving.settings = self.serving.settings, f"{self.serving.settings}\n{more}"
        self.serving.write_settings()
        self.serving.settings = plain
        self.serving.process.send_signal(signal.SIGHUP)
        await_true(lambda: len(self.serving.events("reload.done")) > before, "a reload")


def scaled_rules(folder: Path) -> Path:
    """The shipped rules with nothing to wait for behind an expression: what they look at is as it is shipped."""
    told = yaml.safe_load(RULES.read_text("utf-8"))
    for rule in (rule for group in told["groups"] for rule in group["rules"] if "for" in rule):
        rule["for"] = "1s"
    promised = [Objective(FAILING, "errors", 0.02), Objective(FAILING, "total", 0.05, 0.5)]
    told["groups"] += [asdict(group) for group in slo_rules.groups(promised, "crossfade")]
    path = folder / "rules.yml"
    path.write_text(yaml.safe_dump(told), "utf-8")
    return path


def alerts() -> list[str]:
    """The names of the shipped alerts, and of those that `crossfade policy slo` makes."""
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    shipped = [rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule]
    return [*shipped, *sorted(set(slo_rules.ALERTS.values()))]


def first_is_better(text: str) -> ScriptedAnswer:
    """A judge that always likes what it reads first."""
    seen = judges.read(msgspec.json.encode({"messages": [{"content": text}]}))
    return ScriptedAnswer(seen.verdicts[0], 0.001)


@dataclass(slots=True)
class JudgeServer:
    """Such a judge behind a port, while entered."""

    server: ModelServer = field(default_factory=lambda: ModelServer(first_is_better))

    async def __aenter__(self) -> "JudgeServer":
        await self.server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.stop()


@contextlib.contextmanager
def alarmed(folder: Path, state_folder: Path) -> Generator[AlarmRoom]:
    """All of it, while this lasts. `state_folder`: with a short path, for a socket."""
    (folder / "crossfade-policies").mkdir()
    (folder / "key").write_text("sk-background")
    with (
        running("valkey", state_folder) as state,
        in_thread(FakeUpstream(require_key=False)) as frontier,
        in_thread(FakeUpstream(Speaker("tuned", vllm=True), require_key=False)) as own,
        in_thread(FakeUpstream(Speaker("tuned", vllm=True), require_key=False, fault=Fault(delay_s=1.0))) as slow,
        in_thread(FakeUpstream(Speaker("tuned", vllm=True), require_key=False, fault=Fault(before="hang"))) as hanging,
        in_thread(FakeUpstream(Speaker("mute"), require_key=False)) as mute,
        in_thread(JudgeServer()) as judge,
    ):
        settings = SETTINGS.format(
            frontier=frontier.base_url, own=own.base_url, slow=slow.base_url, mute=mute.base_url,
            hanging=hanging.base_url,
            judge=judge.server.port, key=folder / "key", state=state.url, archive=f"file://{folder}/key",
        )  # fmt: skip
        with Serving(folder, settings, worker=REAL) as serving:
            serving.await_ready()
            serving.await_control()
            with scraping(folder, serving.admin_port, scaled_rules(folder)) as prometheus:
                room = AlarmRoom(serving, prometheus, state, frontier)
                room.add_policy(QUIET, "own")
                yield room


# The conditions, in the order in which they are made -----------------------------------------------------------------


@contextlib.contextmanager
def _rolled_back(room: AlarmRoom) -> Generator[GoOn]:
    told = room.serving.crossfade("rollback", QUIET, "--reason", "a test of alerts")
    assert told.returncode == 0, told.stderr
    yield _nothing


@contextlib.contextmanager
def _breaker(room: AlarmRoom) -> Generator[GoOn]:
    """While the controller hangs: else its alarm takes the traffic first, where a slow machine asks seldom."""
    room.add_policy("refusing", "gone", more="", stages="[50%]", mode="split")
    with room.stopped("controller"):
        yield partial(room.ask, "refusing")


@contextlib.contextmanager
def _suspended(room: AlarmRoom) -> Generator[GoOn]:
    """An operator's word gave it traffic, and it answers nothing: an alarm takes that, and a trial is to follow."""
    room.add_policy("ailing", "gone", stages="[shadow, 50%, 100%]")
    told = room.serving.crossfade("promote", "ailing", "--reason", "a test of alerts")
    assert told.returncode == 0, told.stderr
    yield partial(room.ask, "ailing")


@contextlib.contextmanager
def _burning(room: AlarmRoom) -> Generator[GoOn]:
    """The frontier's answers are errors, and late."""
    room.add_policy(FAILING, "own")
    turns = [{"role": "user", "content": "of an app whose frontier fails"}]
    headers = {"x-route": FAILING, HEADER: '{"status": 500, "delay_s": 0.6}'}
    yield partial(room.post, "/chat/completions", {"model": "gpt-4o", "messages": turns}, headers)


@contextlib.contextmanager
def _busy(room: AlarmRoom) -> Generator[GoOn]:
    room.add_policy("busy", "slow", more="", stages="[100%]", mode="split")
    yield partial(room.ask_at_once, "busy")


@contextlib.contextmanager
def _shadow(room: AlarmRoom) -> Generator[GoOn]:
    """A queue that is full and moves is waited for; one behind a candidate that hangs is not."""
    room.add_policy("mirrored", "hanging", more="compare: [exact]\nshadow: {max_in_flight: 1, queue: 1}")
    yield partial(room.ask_at_once, "mirrored")


@contextlib.contextmanager
def _judge(room: AlarmRoom) -> Generator[GoOn]:
    judge = "compare: [judge: {upstream: judge, model: j, sample: 100%}]\nshadow: {budget: $100000/day}"
    room.add_policy("judged", "own", more=judge)
    yield partial(room.ask_at_once, "judged")


@contextlib.contextmanager
def _disliked(room: AlarmRoom) -> Generator[GoOn]:
    room.add_policy("disliked", "own", more="", stages="[50%]", mode="split")

    def vote() -> None:
        answer = room.ask("disliked")
        is_candidate = answer.headers["x-crossfade-variant"] == "candidate"
        said = {"request_id": answer.headers["x-crossfade-request-id"], "score": -1 if is_candidate else 1}
        assert room.post("/feedback", said).status_code == 202

    yield vote


@contextlib.contextmanager
def _unpriced(room: AlarmRoom) -> Generator[GoOn]:
    room.ask(model="gpt-of-tomorrow")
    yield _nothing


@contextlib.contextmanager
def _retiring(room: AlarmRoom) -> Generator[GoOn]:
    """The provider's own list says so; the candidate has seen next to nothing yet."""
    room.add_policy("retiring", "own")
    room.frontier.plan(Fault(body='{"data": [{"id": "gpt-4o", "shutdown_date": "2026-01-01"}]}'))
    url = f"http://127.0.0.1:{room.serving.port}/v1/models"
    assert "shutdown_date" in httpx.get(url, timeout=PATIENCE_S, trust_env=False, verify=NO_TLS).text
    yield partial(room.ask, "retiring")


@contextlib.contextmanager
def _mute(room: AlarmRoom) -> Generator[GoOn]:
    room.add_policy("mute", "mute")
    yield _nothing


@contextlib.contextmanager
def _policy(room: AlarmRoom) -> Generator[GoOn]:
    path = room.serving.directory / "crossfade-policies" / "broken.yaml"
    path.write_text("route: broken\nmach: {model: gpt-4o}\n")
    yield _nothing
    path.unlink()


@contextlib.contextmanager
def _damaged(room: AlarmRoom) -> Generator[GoOn]:
    room.ask()
    files = room.serving.data / "records" / "exchanges"
    await_true(lambda: list(files.glob("*/*.parquet")), "a file of records")
    next(files.glob("*/*.parquet")).write_bytes(b"no parquet at all")
    yield lambda: room.serving.admin("/api/v1/exchanges")


@contextlib.contextmanager
def _unarchived(room: AlarmRoom) -> Generator[GoOn]:
    """The archive refuses everything from the start on, and a file of the records is an hour old by now."""
    room.ask()
    files = room.serving.data / "records" / "exchanges"
    await_true(lambda: list(files.glob("*/*.parquet")), "a file of records")
    hour_ago = clock.wall() - 3600.0
    yield lambda: [os.utime(path, (hour_ago, hour_ago)) for path in files.glob("*/*.parquet")]


@contextlib.contextmanager
def _losing(room: AlarmRoom) -> Generator[GoOn]:
    room.reload(LESS_DISK)
    yield room.ask
    room.reload("")


@contextlib.contextmanager
def _restarting(room: AlarmRoom) -> Generator[GoOn]:
    yield partial(room.kill, "admin", signal.SIGKILL)


@contextlib.contextmanager
def _hanging(room: AlarmRoom) -> Generator[GoOn]:
    with room.stopped("recorder"):
        yield _nothing


@contextlib.contextmanager
def _killed(room: AlarmRoom) -> Generator[GoOn]:
    assert room.serving.crossfade("kill").returncode == 0
    yield _nothing


@contextlib.contextmanager
def _stateless(room: AlarmRoom) -> Generator[GoOn]:
    room.state.stop()
    yield _nothing


@contextlib.contextmanager
def _unrenewed(room: AlarmRoom) -> Generator[GoOn]:
    """The control plane has been away for ten minutes, and a worker starts: nobody has renewed its table."""
    room.kill("controller", signal.SIGSTOP)
    path = room.serving.data / "routing.json"
    table = decode(path.read_bytes())
    lease = msgspec.structs.replace(table.lease, renewed_at=clock.wall() - 600.0)
    path.write_bytes(encode(msgspec.structs.replace(table, lease=lease)))
    slot = next(each["slot"] for each in room.serving.status()["processes"] if each["slot"].startswith("worker"))
    room.kill(slot, signal.SIGKILL)
    yield _nothing


@contextlib.contextmanager
def _down(room: AlarmRoom) -> Generator[GoOn]:
    room.serving.process.kill()
    yield _nothing


def _nothing() -> None:
    """It goes on by itself."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that goes wrong, and the alerts that must fire of it."""

    made: Callable[[AlarmRoom], contextlib.AbstractContextManager[GoOn]]
    alerts: tuple[str, ...]


CONDITIONS = {
    # First: engines that hang or are gone, as later conditions have them, are silent as well.
    "mute": Condition(_mute, ("CrossfadeEngineSilent",)),
    "rolled back": Condition(_rolled_back, ("CrossfadeRolledBack",)),
    "burning": Condition(_burning, ("CrossfadeErrorBudgetBurns", "CrossfadeLatencyBudgetBurns")),
    "busy": Condition(_busy, ("CrossfadeCandidateNotServing",)),
    "breaker": Condition(_breaker, ("CrossfadeBreakerOpen",)),
    "suspended": Condition(_suspended, ("CrossfadeSuspended",)),
    "disliked": Condition(_disliked, ("CrossfadeCandidateDisliked",)),
    "unpriced": Condition(_unpriced, ("CrossfadePriceUnknown",)),
    "retiring": Condition(_retiring, ("CrossfadeModelRetires",)),
    "policy": Condition(_policy, ("CrossfadePolicyNotLoaded",)),
    "shadow": Condition(_shadow, ("CrossfadeShadowDropping",)),
    "judge": Condition(_judge, ("CrossfadeJudgeSuspended",)),
    "damaged": Condition(_damaged, ("CrossfadeRecordsDamaged",)),
    "unarchived": Condition(_unarchived, ("CrossfadeArchiveBehind",)),
    "losing": Condition(_losing, ("CrossfadeJournalLosing",)),
    "restarting": Condition(_restarting, ("CrossfadeRestarting",)),
    "hanging": Condition(_hanging, ("CrossfadeJournalLagging", "CrossfadeProcessSilent")),
    "killed": Condition(_killed, ("CrossfadeKilled",)),
    "stateless": Condition(_stateless, ("CrossfadeNobodyLeads",)),
    "unrenewed": Condition(_unrenewed, ("CrossfadeLeaseExpired",)),
    "down": Condition(_down, ("CrossfadeDown",)),
}
NOT_MADE = {
    "CrossfadeGatesStuck": "200 conversations have to be mirrored without a score first, for minutes: the verdict is "
    "tests/unit/policies/test_gates.py's, the rule deploy/prometheus/rules.test.yml's",
}
"""Alerts whose condition is not made here, and why."""
