"""The registry of evaluation sets."""

from pathlib import Path

import msgspec
import pytest

from records.evaluation import sets
from records.evaluation.sets import EvalRow, EvalRun, EvalScore, EvalSet, EvalSetError
from tests.rooms.stored_records import PEPPER, record

ABOUT = EvalSet("golden", "support", 0, 0, "", 7.0, "golden.jsonl", ())


def row(text: str, expected: str | None = "yes") -> EvalRow:
    messages = [{"role": "system", "content": "You triage."}, {"role": "user", "content": text}]
    return EvalRow({"messages": messages}, expected)


def test_registered_once(tmp_path: Path) -> None:
    """A set is read back as it was registered, equal rows once; the same again changes nothing."""
    made = sets.register(tmp_path, [row("a"), row("b", None), row("a")], ABOUT, PEPPER)
    assert (made.rows, made.labelled) == (2, 1)
    assert sets.register(tmp_path, [row("a"), row("b", None)], ABOUT, PEPPER) == made
    assert sets.registered(tmp_path) == [made]
    assert [each.expected for each in sets.rows_of(tmp_path, made)] == ["yes", None]


def test_hashes_of_the_records(tmp_path: Path) -> None:
    """A prompt's hash is the one that its exchange has in the records: a dataset finds what it must not hold."""
    made = sets.register(tmp_path, [row("question 3")], ABOUT, PEPPER)
    assert made.prompt_hashes == (record(3).prompt_hash,)
    known = msgspec.structs.replace(row("redacted"), prompt_hash="00ff")
    assert sets.register(tmp_path, [known], msgspec.structs.replace(ABOUT, name="other"), PEPPER).prompt_hashes == (
        "00ff",
    )


@pytest.mark.parametrize(
    ("rows", "name", "what"),
    [([row("c")], "golden", "is taken"), ([], "empty", "no row"), ([row("c")], "../x", "is no name")],
)
def test_refused(tmp_path: Path, rows: list[EvalRow], name: str, what: str) -> None:
    """Another content under a name that is taken, nothing at all, and a name that is none are refused."""
    sets.register(tmp_path, [row("a")], ABOUT, PEPPER)
    with pytest.raises(EvalSetError, match=what):
        sets.register(tmp_path, rows, msgspec.structs.replace(ABOUT, name=name), PEPPER)
    assert [each.rows for each in sets.registered(tmp_path)] == [1]


def test_unknown_or_changed(tmp_path: Path) -> None:
    """A name that is not registered names those that are; rows that were edited since are refused."""
    made = sets.register(tmp_path, [row("a")], ABOUT, PEPPER)
    with pytest.raises(EvalSetError, match="there are golden"):
        sets.read(tmp_path, "silver")
    path = tmp_path / "evals" / "golden" / "rows.jsonl"
    path.write_bytes(path.read_bytes().replace(b"yes", b"no"))
    with pytest.raises(EvalSetError, match="not what was registered"):
        list(sets.rows_of(tmp_path, made))


def test_runs(tmp_path: Path) -> None:
    """Runs are kept in order; a line that a crash cut off is no run."""
    sets.register(tmp_path, [row("a")], ABOUT, PEPPER)
    runs = [EvalRun(at, "support", "", "exact", (EvalScore("baseline", 1, 0, 1.0, None, 0.1),)) for at in (1.0, 2.0)]
    for run in runs:
        sets.add_run(tmp_path, "golden", run)
    with (tmp_path / "evals" / "golden" / "runs.jsonl").open("ab") as file:
        file.write(b'{"at": 3')
    assert sets.runs_of(tmp_path, "golden") == runs
    assert sets.runs_of(tmp_path, "unknown") == []


def test_the_same_questions_under_another_prompt(tmp_path: Path) -> None:
    """Sets have their questions in common whatever their order, model and system prompt; not with other labels."""

    def questions(name: str, *rows: EvalRow) -> str:
        return sets.register(tmp_path, rows, msgspec.structs.replace(ABOUT, name=name), PEPPER).questions

    def other(text: str, expected: str = "yes") -> EvalRow:
        turns = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": text}]
        return EvalRow({"model": "gpt-4o", "messages": turns}, expected)

    first = questions("first", row("a"), row("b"))
    assert first == questions("second", other("b"), other("a"))
    assert first != questions("third", other("b"), other("a", "no"))
    asked = EvalRow({"instructions": "Triage.", "input": "a"}, "yes", path="/v1/responses")
    told = EvalRow({"instructions": "Be brief.", "input": "a"}, "yes", path="/v1/responses")
    assert questions("fourth", asked) == questions("fifth", told) != first
