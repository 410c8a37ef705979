"""Plays one case: models behind ports, a whole gateway, an app's traffic, and what was decided."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from gateway import clock
from gateway.control.state.sqlite import SqliteState
from gateway.demo.watch import DecisionWatch
from policies.first_sentence import decided_sentence
from policies.rollout import Decision
from policies.terms import Move, Phase
from tests.acceptance.field.cases import FieldCase
from tests.acceptance.migration.traffic import Traffic
from tests.rooms.serving import REAL, ROOT, Serving

SETTINGS = """\
upstreams:
  openai: {{base_url: "http://127.0.0.1:{0}/v1", background_key_env: FIELD_KEY}}
  vllm: {{kind: vllm, base_url: "http://127.0.0.1:{1}/v1"}}
  third: {{base_url: "http://127.0.0.1:{2}/v1", background_key_env: FIELD_KEY}}
prices: {{models: {{openai: {{"*": {{prompt: 1, completion: 1}}}}, third: {{"*": {{prompt: 1, completion: 1}}}}}}}}
policies: ./policies"""
LOOK_S = 0.5
TEXTS = [f"question {number}" for number in range(2000)]
_ENDED = {Phase.PROMOTED: "promoted", Phase.PAUSED: "undecided"}
_TAKEN_BACK = (Phase.REJECTED, Phase.ROLLED_BACK, Phase.QUARANTINED)


@dataclass(frozen=True, slots=True)
class FieldOutcome:
    """What came of a case."""

    ending: str
    """`open`: nothing within the time."""
    top_ppm: int
    """The most weight the candidate had."""
    seconds: float
    requests: int
    text: str
    """The last decision's, as an operator reads it, and its numbers."""

    def fault(self, case: FieldCase) -> str:
        """Why it is not what had to come of it; empty: it is."""
        if self.ending != case.ending:
            return f"{self.ending} instead of {case.ending}: {self.text}"
        if self.top_ppm > case.top_ppm:
            return f"the candidate had {self.top_ppm / 10_000:g}% of the traffic"
        return "" if case.says in self.text else f"it does not say {case.says!r}: {self.text}"


async def play(case: FieldCase, directory: Path, *, patience_s: float, in_flight: int = 16) -> FieldOutcome:
    """Play it until it has ended, or for `patience_s`."""
    began_s = clock.monotonic()
    with _site(case, directory) as serving:
        traffic = Traffic(f"http://127.0.0.1:{serving.port}/v1", TEXTS, in_flight)
        watch = DecisionWatch(SqliteState(serving.data / "state.db"), "field")
        top_ppm, last, ending = 0, None, "open"
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(traffic.run())
            while clock.monotonic() - began_s < patience_s and ending == "open":
                await asyncio.sleep(LOOK_S)
                for _, decision in watch.news():
                    top_ppm = max(top_ppm, decision.rollout.weight_ppm)
                    last, ending = _later(last, ending, decision)
            running.cancel()
        decided = last or watch.look
        text = "" if decided is None else f"{decided_sentence(decided)} {decided.reason}"
        assert not traffic.errors, traffic.errors
        return FieldOutcome(ending, top_ppm, clock.monotonic() - began_s, traffic.requests, text)


def _later(last: Decision | None, ending: str, decision: Decision) -> tuple[Decision | None, str]:
    """What was last decided, and what that ends."""
    if decision.move is Move.HOLD:
        return last, ending
    phase = decision.rollout.phase
    return decision, "taken back" if phase in _TAKEN_BACK else _ENDED.get(phase, ending)


@contextlib.contextmanager
def _site(case: FieldCase, directory: Path) -> Generator[Serving]:
    """All processes: two models, a judge, and a gateway that serves the case's policy."""
    (directory / "policies").mkdir(parents=True)
    (directory / "policies" / "field.yaml").write_text(case.policy, "utf-8")
    os.environ["FIELD_KEY"] = "sk-ours"
    with contextlib.ExitStack() as stack:
        ports = [_started(stack, *given) for given in (case.baseline.arguments, case.candidate.arguments, ())]
        serving = stack.enter_context(Serving(directory, SETTINGS.format(*ports), worker=REAL))
        serving.await_ready()
        serving.await_control()
        yield serving


def _started(stack: contextlib.ExitStack, *arguments: str) -> int:
    """A stand-in's port; it ends with the stack."""
    command = [sys.executable, "-m", "tests.acceptance.field.stand_ins", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    stack.enter_context(process)
    stack.callback(process.terminate)
    assert process.stdout is not None
    return int(process.stdout.readline())
