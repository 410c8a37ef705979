"""The candidate stopped with everything else dead: a worker, its table and its kill file are all there is (G5)."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx

from gateway import clock
from policies.routing import PPM, Breaker, Match, Route, Upstream, Variant
from tests.fakes.faults import Fault
from tests.fakes.openai_answers import Speaker
from tests.fakes.thread import in_thread
from tests.fakes.upstream import FakeUpstream
from tests.rooms.gateway_process import Gateway, table_for
from tests.rooms.waiting import PATIENCE_S

BAR_S = 1.0
KEY = {"authorization": "Bearer sk-stopping"}
CONSECUTIVE = 5
AFTER = 20
"""Requests that are made once the breaker must be open."""


@dataclass(slots=True)
class Stopped:
    """How long the candidate went on answering."""

    delays_s: list[float] = field(default_factory=list[float])
    """From a kill to the last request, sent after it, that the candidate was asked for."""
    asked_failing: list[int] = field(default_factory=list[int])
    """Of a candidate that fails: how often it was asked before its breaker let nobody through."""
    app_errors: int = 0

    def held(self) -> bool:
        fast = bool(self.delays_s) and max(self.delays_s) <= BAR_S
        return fast and set(self.asked_failing) == {CONSECUTIVE} and not self.app_errors

    def report(self) -> str:
        late = sorted(self.delays_s)
        named = {"median": len(late) // 2, "p99": min(len(late) - 1, len(late) * 99 // 100), "most": len(late) - 1}
        told = ", ".join(f"{late[place] * 1000:.0f} ms ({name})" for name, place in named.items())
        return (
            f"  {len(late)} kills by file and by signal: the candidate was asked for {told} longer;"
            f" bar {BAR_S * 1000:.0f} ms\n"
            f"  {len(self.asked_failing)} failing candidates: asked {max(self.asked_failing)} times at the most"
            f" (the breaker's limit is {CONSECUTIVE}), then not at all in {AFTER} requests\n"
            f"  app errors {self.app_errors}"
        )


@dataclass(slots=True)
class _App:
    client: httpx.Client
    found: Stopped
    _turn: "count[int]" = field(default_factory=count)

    def ask(self, route: str) -> str:
        """One chat of its own; who answered."""
        said = {"role": "user", "content": f"question {next(self._turn)}"}
        answer = self.client.post("/chat/completions", json={"model": route, "messages": [said]}, headers=KEY)
        self.found.app_errors += answer.status_code != 200
        return answer.headers["x-crossfade-variant"]

    def until(self, route: str, variant: str) -> None:
        """Ask until `variant` answers.

        Raises:
            TimeoutError: it did not.
        """
        until_s = clock.monotonic() + PATIENCE_S
        while self.ask(route) != variant:
            if clock.monotonic() > until_s:
                raise TimeoutError(f"{variant} does not answer {route}")


def _route(name: str, breaker: Breaker) -> Route:
    candidate = Variant("vllm", model="student", revision=name, first_byte_s=2.0)  # a breaker is its candidate's
    return Route(
        name, Variant("openai"), Match(model=(name,)), candidate=candidate, weight_ppm=PPM - 1, breaker=breaker
    )


def stopping(trials: int, directory: Path) -> Stopped:
    """Stop it `trials` times by its file and as often by SIGUSR2, and let it fail `trials // 10` times."""
    found = Stopped()
    failing = [f"failing-{number}" for number in range(max(1, trials // 10))]
    routes = [_route("killed", Breaker(consecutive=9999, min_requests=9999))]
    routes += [_route(name, Breaker(consecutive=CONSECUTIVE, open_s=60.0)) for name in failing]
    with (
        in_thread(FakeUpstream(Speaker("frontier"))) as frontier,
        in_thread(FakeUpstream(Speaker("student", vllm=True), require_key=False)) as student,
    ):
        upstreams = (Upstream("vllm", student.base_url, "vllm"),)
        table = table_for(frontier.base_url, *routes, upstreams=upstreams)
        with Gateway(directory, table) as gateway, gateway.client() as client:
            app = _App(client, found)
            app.until("killed", "candidate")
            for _ in range(trials):
                found.delays_s.append(_last_after(app, gateway, gateway.kill_path.touch))
                found.delays_s.append(_last_after(app, gateway, lambda: os.kill(gateway.worker.pid, signal.SIGUSR2)))
            student.fault = Fault(status=500)
            for name in failing:
                found.asked_failing.append(_asked(app, student, name))
    return found


def _last_after(app: _App, gateway: Gateway, kill: Callable[[], None]) -> float:
    """Kill, and see how long the candidate answers on; then take it back."""
    killed_s = last_s = clock.monotonic()
    kill()
    quiet = 0
    while quiet < AFTER:
        sent_s = clock.monotonic()
        if app.ask("killed") == "candidate":
            last_s, quiet = sent_s, 0
        else:
            quiet += 1
    gateway.kill_path.unlink(missing_ok=True)
    app.until("killed", "candidate")
    return last_s - killed_s


def _asked(app: _App, student: FakeUpstream, route: str) -> int:
    """How often a failing candidate is asked."""
    before = len(student.ledger)
    for _ in range(CONSECUTIVE + AFTER):
        app.ask(route)
    return len(student.ledger) - before
