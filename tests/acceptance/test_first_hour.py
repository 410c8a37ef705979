"""The README's first steps are run as they stand there; `make first-hour` does it in a fresh clone, with its setup."""

import sys
from pathlib import Path

import pytest

from tests.acceptance.first_hour import ROOT, play


@pytest.mark.slow
def test_the_readme_leads_to_a_captured_exchange_and_a_candidate_that_is_asked(tmp_path: Path):
    """Every command of the first three sections does what the page says of it, in order, with the official SDK."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    person = play(tmp_path, (ROOT / "README.md").read_text("utf-8"), is_set_up=True)
    assert [step for step, _ in person.took][:3] == ["crossfade init", "crossfade doctor", "crossfade serve"]
