"""The docs' whole way, in short: all but the minutes of evidence, which `make first-migration` waits for."""

import sys
from pathlib import Path

import pytest

from tests.acceptance import first_migration
from tests.acceptance.first_hour import ROOT, SET_UP, START, STARTS
from tests.acceptance.first_migration import IN_FORCE, PAGE, RECORDED, SAVED, TRAINED, TRAINING, play
from tests.acceptance.walk import Heading, parts

LONG = ("8. At 100 %", "9. Break it", "10. Mend it")


@pytest.mark.slow
def test_the_docs_lead_from_a_clone_to_a_candidate_in_the_shadow_and_a_report(tmp_path: Path):
    """Every command and file of the two pages does what they say, but for the training and the wait for 100 %."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "README.md").symlink_to(ROOT / "README.md")
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    page = (ROOT / PAGE).read_text("utf-8")
    sections = [part.text for part in parts(page) if isinstance(part, Heading)]
    short = [name for name in sections if name not in LONG]
    assert len(sections) - len(short) == len(LONG)
    untrained = dict.fromkeys(TRAINING, "`make first-migration` trains")
    person = play(
        tmp_path, [("README.md", START), (PAGE, short)], [*STARTS, *RECORDED, *TRAINED, *IN_FORCE, *SAVED],
        SET_UP | untrained,
    )  # fmt: skip
    assert person.took[-1][0] == "crossfade report support-triage"


def test_a_ticket_gets_one_answer():
    """Both played models say the same of a ticket, and not of every ticket the same."""
    tickets = [{"messages": [{"role": "user", "content": f"Ticket T-{number}"}]} for number in range(50)]
    said = [str(first_migration.sorted_ticket(ticket)) for ticket in tickets]
    assert said == [str(first_migration.sorted_ticket(ticket)) for ticket in tickets]
    assert len(set(said)) > 40
