"""The page of messages: none is missing, and each says what to do."""

import ast
import re
from pathlib import Path

from policies.guards import watch
from policies.readings import gates_of
from policies.rules import Cost, Gates, Validity
from tests.rooms.pair_events import evidence
from tests.rooms.rollouts import RULES
from tools import event_notes, message_notes, messages

ROOT = Path(__file__).parents[2]
SPOKEN = (
    "policies/first_sentence.py", "policies/finding_words.py", "policies/review.py", "policies/liveness.py",
    "gateway/cli/status.py", "gateway/control/leader/evaluation.py", "gateway/control/operations/standings.py",
)  # fmt: skip


def spoken() -> str:
    """All texts of the modules that make sentences; what is put in later is `…`."""
    found: list[str] = []
    for name in SPOKEN:
        for node in ast.walk(ast.parse((ROOT / name).read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                pieces = [part.value if isinstance(part, ast.Constant) else "…" for part in node.values]
                found.append("".join(map(str, pieces)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


def test_every_sentence_has_its_note() -> None:
    """Each cause and wait in the code says what to do; no note is of a sentence that is gone."""
    keys = {key for key, _ in messages.sentences()}
    assert keys == message_notes.SENTENCES.keys()
    said = spoken()
    for key in [*message_notes.SENTENCES, *message_notes.STATUS]:
        if re.match(r"(wait|unmeasured|overdue|harm|guard|detector) \w+$", key):
            assert key in {name for name, text in messages.sentences() if text != key}, key
            continue
        for piece in (part.strip(" .;:()") for part in re.split(r"…|\(…\)|; ", key)):
            assert len(piece) < 12 or piece in said, (key, piece)


def test_every_line_of_numbers_has_its_meaning() -> None:
    """All gates and guards are named on the page."""
    named = {name for key in message_notes.LINES for name in key.split(", ")}
    gates = gates_of(Gates(validity=Validity(), cost=Cost()))
    assert {type(gate).__name__.lower() for gate in gates} <= named
    assert {guard.guard for guard in watch(evidence(RULES))} <= named


def test_what_lint_and_doctor_find_says_what_to_do() -> None:
    """No refusal, warning or failure leaves its reader alone."""
    found = [*messages.lint(), *messages.doctor(), *messages.alerts()]
    assert len(found) > 60
    assert [each.text for each in found if not each.action] == []


def test_every_log_event_says_what_to_do() -> None:
    """Each event of the code has its note, and no note is of an event that is gone."""
    assert [each.text for each in messages.events()] == sorted(event_notes.EVENTS)


def test_every_alert_has_its_steps() -> None:
    """The runbook has a heading per alert, and none of an alert that is gone."""
    headings = re.findall(r"^## (\w+)$", (ROOT / "docs/runbook.md").read_text("utf-8"), re.MULTILINE)
    assert headings == [each.level for each in messages.alerts()]
