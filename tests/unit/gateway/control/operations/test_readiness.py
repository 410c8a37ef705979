"""Readiness of every route: records, policies, evaluation sets and settings together."""

from pathlib import Path

import pytest

from gateway.config.readiness import ReadinessInputs
from gateway.control.operations.readiness import look
from gateway.node.datadir import DataDir, prepare
from records.evaluation import sets
from records.evaluation.sets import EvalRow, EvalRun, EvalScore, EvalSet
from records.gpu_hours import HourlyPrice
from records.readiness import DAY_S, ReadinessTerms
from records.store import Store
from tests.fakes.exchanges import AT
from tests.rooms.policy_files import SHORT
from tests.rooms.stored_records import PEPPER, asking, keep, record

NOW = AT + 10 * DAY_S


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    """Records of a route with a policy and of one without, and the policy."""
    found = prepare(tmp_path / "data")
    rows = [record(n, at=AT + n, route="support-triage") for n in range(5)]
    keep(Store(found.records), "a", *rows, record(9, route="other"))
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "triage.yaml").write_text(SHORT)
    (tmp_path / "policies" / "broken.yaml").write_text("route: [")
    (tmp_path / "policies" / "silent.yaml").write_text(SHORT.replace("support-triage", "silent"))
    return found


def test_all_that_is_known(data: DataDir, tmp_path: Path) -> None:
    """A route is assessed with its policy's comparators and servers, its sets' rows and scores, and its own terms."""
    about = EvalSet("golden", "support-triage", 0, 0, "", 1.0, "", ())
    for number, name in enumerate(("golden", "later")):
        told = {"role": "system", "content": f"Prompt {number}."}
        rows = [EvalRow({"messages": [told, {"role": "user", "content": f"{n}"}]}, "yes") for n in range(40)]
        made = sets.register(data.root, rows, EvalSet(name, about.route, 0, 0, "", float(number), "", ()), PEPPER)
        score = EvalScore("baseline", 4000, 0, 0.7, 0.1, None)
        sets.add_run(data.root, name, EvalRun(1.0 + number, about.route, made.sha256, "exact", (score,)))
        down = EvalScore("baseline", 4000, 400, 0.9, 0.1, None)  # of an upstream that was ill: no word on the prompt
        sets.add_run(data.root, name, EvalRun(9.0 + number, about.route, made.sha256, "exact", (down,)))
    inputs = ReadinessInputs(
        routes={"support-triage": ReadinessTerms(eval_rows=40, examples=5, window_s=60 * DAY_S)},
        hourly=(HourlyPrice("vllm", 4.0), HourlyPrice("other", 1.0)),
        shutdown={"gpt-4o": "2026-11-30"},
        policies=str(tmp_path / "policies"),
    )
    found = {each.route: each for each in look(asking(Store(data.records)), data, inputs, now=NOW)}
    assert list(found) == ["support-triage", "other", "silent"]
    triage = found["support-triage"]
    assert {sign.name: sign.holds for sign in triage.checks} == {
        "volume": True, "variety": False, "evaluator": True, "prompt": False, "evaluation": True
    }  # fmt: skip
    assert (triage.signals[2].holds, triage.signals[2].after) == (True, 0.7)
    assert triage.saving.candidate_usd_per_month == pytest.approx(4.0 * 730.5)
    assert triage.retirement.comes_first
    assert found["other"].saving.candidate_usd_per_month is None
    assert found["silent"].requests == 0
    assert [each.route for each in look(asking(Store(data.records)), data, inputs, now=NOW, route="other")] == ["other"]


SETS = (
    ("easy", 0, "exact"),
    ("hard", 40, "exact"),
    ("again", 40, "exact"),
    ("judged", 80, "exact"),
    ("by", 80, "judge"),
)
"""Name, first question and comparator; `again` and `by` are the rows of the one before under another name."""


def test_sets_that_ask_otherwise_are_no_plateau(data: DataDir, tmp_path: Path) -> None:
    """A harder sample is no worse prompt: scores of other questions, or by another comparator, are not compared."""
    for number, (name, first, metric) in enumerate(SETS):
        rows = [EvalRow({"messages": [{"role": "user", "content": f"{first + n}"}]}, "yes") for n in range(40)]
        made = sets.register(data.root, rows, EvalSet(name, "other", 0, 0, "", float(number), "", ()), PEPPER)
        score = EvalScore("baseline", 4000, 0, 0.9 - number / 5, 0.1, None)
        sets.add_run(data.root, name, EvalRun(1.0 + number, "other", made.sha256, metric, (score,)))
    (found,) = look(asking(Store(data.records)), data, ReadinessInputs(), now=NOW, route="other")
    assert found.signals[2].holds is None
    assert "no two of them ask the same questions" in found.signals[2].reason
