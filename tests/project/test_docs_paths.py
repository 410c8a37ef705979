"""The pages for readers of the code: whatever file they name is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs").glob("howto/*.md")),
    *sorted((ROOT / "docs").glob("adr/*.md")),
]
_FOLDERS = "gateway|policies|records|shadow|tests|tools|docs|deploy|bench"
_PATH = re.compile(rf"`((?:{_FOLDERS})/[\w./-]*|pyproject\.toml|Makefile)`")
_MADE = re.compile(r"\bSave as `([^`]+)`")
_MODULE = re.compile(r"`((?:gateway|policies|records)(?:\.[a-z_]+)+)(?:\.[A-Z]\w*)?`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_and_module_that_a_page_names_is_there(page: Path) -> None:
    """A path, and a module written with dots, lead to something; the last name of the dots may stand in a module."""
    text = page.read_text("utf-8")
    made = set(_MADE.findall(text))  # what a reader of the page writes: tests/acceptance does it
    missing = [path for path in _PATH.findall(text) if not (ROOT / path).exists() and path not in made]
    for dotted in _MODULE.findall(text):
        parts = dotted.split(".")
        wholes = [ROOT.joinpath(*parts), ROOT.joinpath(*parts).with_suffix(".py")]
        within = ROOT.joinpath(*parts[:-1]).with_suffix(".py")
        if not any(path.exists() for path in wholes) and not (
            within.exists() and parts[-1] in within.read_text("utf-8")
        ):
            missing.append(dotted)
    assert [name for name in missing if "NAME" not in name] == []


def test_the_reading_page_answers_ten_questions() -> None:
    """Each question has a file to open."""
    rows = [line for line in (ROOT / "docs" / "reading.md").read_text("utf-8").splitlines() if line.startswith("| ")]
    assert len(rows) == 11
    assert all("`" in row for row in rows[1:])
