import asyncio
import io
import sys
from pathlib import Path

import pytest

from gateway import clock
from gateway.control.state.port import Decided
from gateway.control.state.sqlite import SqliteState
from gateway.demo.app import DemoApp
from gateway.demo.models import ModelServer, model_of
from gateway.demo.sandbox import House
from gateway.demo.screen import Paint, Terminal
from gateway.demo.story import Story, StuckError, cause
from gateway.demo.tickets import GOOD
from gateway.demo.watch import DecisionWatch
from gateway.transport.client import Client
from gateway.transport.outgoing import Target
from policies import explain
from policies.evidence import Evidence, EvidenceKey
from policies.review import Conditions
from policies.rollout import command, start
from policies.rules import CandidateKey, Rules
from policies.terms import Verb
from tests.rooms.waiting import PATIENCE_S

RULES = Rules("tickets", CandidateKey("own/m", revision="r1"))


def test_the_cause_is_taken_out_of_its_groups():
    """However deep tasks bury it, the demo's own error comes first, else the first there is."""
    stuck, other = StuckError("stuck"), OSError("other")
    assert cause(stuck) is stuck
    assert cause(ExceptionGroup("a", [ExceptionGroup("b", [other]), ExceptionGroup("c", [other, stuck])])) is stuck
    assert cause(ExceptionGroup("a", [ExceptionGroup("b", [other])])) is other


async def test_a_rollout_that_comes_to_another_end_is_not_waited_for(tmp_path: Path):
    """A candidate that is rejected on its way to 100 % ends the demo at once, with the decision and its reason."""
    state = SqliteState(tmp_path / "state.db")
    decision = command(start(RULES), Verb.ROLLBACK, now=1.0, by="anna", reason="too slow here")
    record = explain.record(
        decision, Evidence(EvidenceKey("tickets", RULES.key.digest, 1, 0), RULES), Conditions(), version="test"
    )
    state.add_decision(
        Decided("d", 1.0, "tickets", decision.move, decision.outcome, explain.text(decision), explain.encode(record))
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE)
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as connections:
        app = DemoApp(Target("127.0.0.1", 9), Client(now=clock.monotonic, tasks=connections), clock.monotonic, pace=1.0)
        story = Story(
            House(tmp_path, 9, 9, process),
            app,
            ModelServer(model_of(GOOD)),
            Terminal(io.StringIO(), live=False),
            Paint(on=False),
            clock.monotonic,
            DecisionWatch(state, "tickets"),
            clock.monotonic(),
            pace=1.0,
        )
        drawing = connections.create_task(story.draw())
        with pytest.raises(StuckError) as error:
            await story.play()
        drawing.cancel()
        process.kill()
        await process.wait()
        app.client.close()
    text = str(error.value)
    assert text.startswith(" gave up: the rollout came to another end. Waited for r1 at 100 %.")
    assert "REJECTED: anna: too slow here" in text
    state.close()
