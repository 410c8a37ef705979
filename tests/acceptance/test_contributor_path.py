"""What the docs tell a contributor is done as it stands there; `make contributor-path` does it in a fresh clone."""

import shutil
import sys
from pathlib import Path

import pytest

from tests.acceptance.contributor_path import play
from tests.acceptance.first_hour import ROOT, SET_UP

EXAMPLE = ROOT / "shadow/compare/first_line.py"
LEFT = shutil.ignore_patterns(".*", "build", "bench", "__pycache__", "*.so", "crossfade-data")


@pytest.mark.slow
def test_the_docs_lead_to_a_comparator_that_is_tested(tmp_path: Path):
    """The howto's files and its patch fit the code, and the tests it names pass with them."""
    if EXAMPLE.exists():
        pytest.skip("the howto's example is in this tree: who follows it runs the tests with it")
    folder = tmp_path / "crossfade"
    shutil.copytree(ROOT, folder, ignore=LEFT)
    (folder / ".venv").symlink_to(sys.prefix)
    left_out = SET_UP | dict.fromkeys(("make lint", "make check"), "`make contributor-path` runs it")
    done = [shown for shown, _ in play(folder, left_out).took]
    assert done[-1].startswith(".venv/bin/python -m pytest -q tests/unit/policies/test_schema.py")
    assert (folder / "shadow/compare/first_line.py").exists()
    assert not EXAMPLE.exists()
