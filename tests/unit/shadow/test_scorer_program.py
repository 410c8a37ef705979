"""The program around a user's scorer; `tests/integration/test_scorer.py` runs its process."""

from pathlib import Path
from typing import Any

import pytest

from shadow import scorer_program

ASKED: dict[str, Any] = {"number": 1, "request": {}, "baseline": {"text": "a"}, "candidate": {"text": "secret"}}


def says(found: Any) -> dict[str, Any]:
    return scorer_program.answer(lambda *_: found, ASKED)


@pytest.mark.parametrize(("found", "q"), [(1, 1.0), (-0.5, -0.5), (0, 0.0)])
def test_a_number_is_told(found: Any, q: float) -> None:
    """From -1 to 1."""
    assert says(found) == {"q": q}


@pytest.mark.parametrize("found", [True, None, "1", float("nan"), 1.5, -2, [1]])
def test_anything_else_is_no_score(found: Any) -> None:
    """None goes over the pipe."""
    assert says(found) == {"q": None}


def test_what_is_raised_is_told_without_its_words() -> None:
    """They may be of an answer."""

    def score(request: Any, baseline: Any, candidate: Any) -> float:
        raise KeyError(candidate["text"])

    (error,) = scorer_program.answer(score, ASKED).values()
    assert error.startswith("KeyError, test_scorer_program.py:")
    assert "secret" not in error


def test_a_function_of_the_policys_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loaded from its file; one that lies elsewhere is not."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["."])
    (tmp_path / "evals").mkdir()
    (tmp_path / "evals" / "mine.py").write_text("def score(r, b, c): return 0.5\nx = 1")
    assert scorer_program.answer(scorer_program.load({"ref": "evals/mine.py:score"}), ASKED) == {"q": 0.5}
    for ref, why in (
        ("../mine.py:score", "outside"),
        ("evals/mine.py:x", "no such"),
        ("evals/mine.txt:x", "no Python"),
    ):
        with pytest.raises(ValueError, match=why):
            scorer_program.load({"ref": ref})
