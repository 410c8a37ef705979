"""A route's comparators, made ready."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from gateway.control.shadow.comparers import LICENCES, Comparers, Licence, Purse
from records.pricing import Override, PriceBook
from records.record_maker import RecordMaker
from records.redact import Redactor
from records.wire.usage import Usage
from shadow.judge import JudgeScorer, VerdictCost
from shadow.judging.controls import Trust
from shadow.lanes import DailySpend
from shadow.plan import ShadowRoute
from shadow.ports import ModelReply
from shadow.scorer import OwnScorer
from tests.rooms.drawing import route
from tests.rooms.pairs import pair
from tests.rooms.scripted_model import Scripted, good

JUDGED: tuple[dict[str, dict[str, object]], ...] = (
    {"judge": {"upstream": "openai", "model": "gpt-5", "sample": 250_000, "rubric": "triage.md", "version": "1"}},
    {"exact": {"normalize": True}},
)


def comparers(
    prices: PriceBook | None = None, budget: DailySpend | None = None, earlier: dict[str, Licence] | None = None
) -> Comparers:
    maker = RecordMaker(b"p", Redactor(frozenset()), prices or PriceBook({}), {})
    return Comparers(
        Scripted(good()), budget or DailySpend(), lambda: maker, lambda: 100.0, b"secret", earlier=earlier or {}
    )


def scorers_of(made: Comparers, of: ShadowRoute) -> dict[str, Any]:
    return made.of(of)._scorers


def judge_of(made: Comparers, of: ShadowRoute) -> JudgeScorer:
    judge = scorers_of(made, of)["judge"]
    assert isinstance(judge, JudgeScorer)
    return judge


def test_a_judge_stays_the_one_it_was(tmp_path: Path):
    """More or fewer mirrored requests change no judge: what it knows of its controls is its licence."""
    (tmp_path / "triage.md").write_text("Is the intent right?")
    made = comparers()
    told = route(compare=JUDGED, metric="judge", folder=str(tmp_path))
    first = made.of(told)

    assert made.of(route(compare=JUDGED, metric="judge", folder=str(tmp_path), sample_ppm=1)) is first
    assert made.of(route(compare=JUDGED, metric="exact", folder=str(tmp_path))) is not first


def test_a_restart_is_no_pardon(tmp_path: Path):
    """A suspended judge is so after a restart, and after its route was gone; one told otherwise begins anew."""
    (tmp_path / "triage.md").write_text("Is the intent right?")
    told = route(compare=JUDGED, metric="judge", folder=str(tmp_path))
    made = comparers()
    judge_of(made, told).trust = Trust(7, (False,) * 7, suspended=True)
    made.keep(())
    assert judge_of(made, told).trust.suspended

    again = comparers(earlier=made.licences())
    assert again.licences() == made.licences()
    assert judge_of(again, told).trust == Trust(7, (False,) * 7, suspended=True)
    (tmp_path / "triage.md").write_text("Is it polite?")
    assert judge_of(comparers(earlier=made.licences()), told).trust == Trust()


def test_licences_are_bounded(tmp_path: Path):
    """Of more routes than are remembered, those whose judges were at work last are kept."""
    (tmp_path / "triage.md").write_text("")
    made = comparers(earlier={f"r{number}": Licence("x", Trust()) for number in range(LICENCES)})
    judge_of(made, route(compare=JUDGED, metric="judge", folder=str(tmp_path)))
    found = made.licences()
    assert len(found) == LICENCES
    assert list(found)[-1] == "support"
    assert "r0" not in found


def test_a_judge_is_told_its_rubric(tmp_path: Path):
    """Upstream, model, share and rubric are the policy's; the secret differs by route."""
    (tmp_path / "triage.md").write_text("Is the intent right?")
    told = route(compare=JUDGED, metric="judge", folder=str(tmp_path))
    judge = judge_of(comparers(), told)

    assert (judge.bench.upstream, judge.bench.style.model, judge.bench.sample_ppm) == ("openai", "gpt-5", 250_000)
    assert judge.bench.style.rubric == "Is the intent right?"
    assert judge.bench.salt == "support"
    other = judge_of(comparers(), route(route="other", compare=JUDGED, folder=str(tmp_path)))
    assert other.bench.key != judge.bench.key


def test_a_missing_rubric_is_no_judge(tmp_path: Path):
    """A file that is not there is an error, never a judge without a rubric."""
    with pytest.raises(OSError, match="triage"):
        comparers().of(route(compare=JUDGED, folder=str(tmp_path)))


@pytest.mark.parametrize("name", ["schema", "promptfoo", "judge"])
def test_a_file_that_became_a_pipe_holds_nobody(tmp_path: Path, name: str):
    """A policy's file may have been replaced since the policy was read: what would hold whoever opens it is refused."""
    os.mkfifo(tmp_path / "pipe")
    made, told = comparers(), list[str]()
    made.not_ready = told.append
    judge = {"upstream": "openai", "model": "gpt-5", "sample": 250_000, "rubric": "pipe", "version": "1"}
    options: dict[str, object] = judge if name == "judge" else {"file": "pipe", "version": "1"}
    try:
        made.of(route(compare=({name: options},), metric=name, folder=str(tmp_path)))
    except OSError as error:
        told.append(str(error))
    assert "it is no file" in told[0]


def test_judging_costs(tmp_path: Path):
    """A verdict is priced by its tokens, and comes off the route's budget; without a price it is taken for dear."""
    (tmp_path / "triage.md").write_text("")
    told = route(compare=JUDGED, metric="judge", folder=str(tmp_path))
    prices = PriceBook({}, (Override("openai", "gpt-5", 10.0, 20.0),))
    priced = judge_of(comparers(prices), told)

    usage = Usage(100, 10)
    assert priced.cost_usd(ModelReply(200, b"{}", usage=usage), 90) == VerdictCost(*[pytest.approx(0.0012)] * 2)
    assert priced.cost_usd(ModelReply(503, b""), 90) == VerdictCost()
    unpriced = judge_of(comparers(), told)
    assert unpriced.cost_usd(ModelReply(200, b"{}", usage=usage), 90) == VerdictCost(0.0, pytest.approx(0.00225))
    assert unpriced.cost_usd(ModelReply(200, b""), 90) == VerdictCost(0.0, pytest.approx(0.00045))


async def test_a_users_scorer_and_an_embedding_model_are_asked(tmp_path: Path):
    """Each with the policy's options; a program that does not start is told of, and its pair abstains."""
    (tmp_path / "checks.yaml").write_text("[{type: contains, value: a}]")
    made, told = comparers(), list[str]()
    made.not_ready = told.append
    every: tuple[dict[str, dict[str, object]], ...] = (
        {"python": {"ref": "gone.py:score", "version": "1"}},
        {"promptfoo": {"file": "checks.yaml", "version": "1"}},
        {"embedding": {"upstream": "local", "model": "bge", "sample": 100_000}},
    )
    found = scorers_of(made, route(compare=every, metric="python", folder=str(tmp_path)))

    assert [type(each).__name__ for each in found.values()] == ["OwnScorer", "OwnScorer", "Embedder"]
    assert (found["embedding"].upstream, found["embedding"].name, found["embedding"].sample_ppm) == (
        "local",
        "bge",
        100_000,
    )
    both = pair("one", "two")
    assert (await found["python"].score(both)).abstained
    assert told[0].startswith("gone.py:score: FileNotFoundError")
    assert (await found["promptfoo"].score(both)).q == 0.0
    await made_gone(made, found["promptfoo"])


async def made_gone(made: Comparers, program: OwnScorer) -> None:
    """Let go of its route, and see its process end."""
    process = program._process
    assert process is not None
    made.keep(())
    await process.wait()
    await program.aclose()


async def test_a_program_ends_with_what_it_was_told(tmp_path: Path):
    """Another version of a scorer is another process."""
    (tmp_path / "mine.py").write_text("def score(request, baseline, candidate): return 1")
    made = comparers()
    first, second = (
        route(
            compare=({"python": {"ref": "mine.py:score", "version": version}},), metric="python", folder=str(tmp_path)
        )
        for version in "12"
    )
    program = scorers_of(made, first)["python"]
    assert (await program.score(pair("one", "two"))).q == 1.0
    process = program._process
    made.keep(("support",))
    assert scorers_of(made, second)["python"] is not program
    assert await process.wait() != 0
    await program.aclose()


def test_what_cannot_be_used_is_told(tmp_path: Path):
    """A schema that is gone."""
    made, told = comparers(), list[str]()
    made.not_ready = told.append
    made.of(route(compare=({"schema": {"file": "gone.json"}},), metric="", folder=str(tmp_path)))

    assert len(told) == 1
    assert "gone.json" in told[0]


def test_a_purse_is_the_routes():
    """What a judge spends is gone for the mirror too."""
    budget = DailySpend()
    purse = Purse(budget, route(budget_usd_per_day=1.0), lambda: 100.0)
    assert purse.has_left()
    purse.spend(1.0)

    assert not purse.has_left()
    assert budget.spent_usd == {"support": 1.0}


async def test_whoever_closes_them_waits_for_their_processes(tmp_path: Path):
    """A scorer's process that has served is gone and reaped once they are closed: nothing is left to a dead loop."""
    (tmp_path / "own.py").write_text("def score(request, baseline, candidate):\n    return 0\n")
    made = comparers()
    told = route(compare=({"python": {"ref": "own.py:score"}},), metric="python", folder=str(tmp_path))
    assert (await made.of(told).compare(pair("yes", "no"))).q == 0.0
    process = scorers_of(made, told)["python"]._process

    await made.aclose()

    assert process.returncode == -signal.SIGKILL
