"""The README's first steps are run as they stand there; `make first-hour` does it in a fresh clone, with its setup."""

import sys
from pathlib import Path

import pytest

from tests.acceptance.first_hour import ROOT, StepError, blocks, commands, play


@pytest.mark.slow
def test_the_readme_leads_to_a_captured_exchange_and_a_candidate_that_is_asked(tmp_path: Path):
    """Every command of the first two sections does what the page says of it, in order, with the official SDK."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    person = play(tmp_path, (ROOT / "README.md").read_text("utf-8"), is_set_up=True)
    assert [step for step, _ in person.steps][:3] == ["crossfade init", "crossfade doctor", "crossfade serve"]


def test_a_command_goes_on_where_a_quote_does():
    """Lines are commands, comments are none, and a quote that is open goes on in the next line."""
    text = "# what's this\nexport A=b   # it's a key\npython -c 'one\ntwo'\n"
    assert list(commands(text)) == ["export A=b   # it's a key", "python -c 'one\ntwo'"]


def test_a_page_without_its_sections_is_told():
    """A section that was renamed takes no step away unseen."""
    with pytest.raises(StepError, match="has no section"):
        list(blocks("# Crossfade\n\n## Something else\n"))
