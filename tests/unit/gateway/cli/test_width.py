"""What commands print for people fits a terminal of eighty columns.

Rules:
1. Data and talk alike: each line has at most eighty letters.
2. What is quoted (a line of a policy with `^` below it) and what has no space (an address, a hash, a name) stays whole.
3. Documents are not for a terminal, and keep their own lines: `report`, JSON, YAML, and what models said.
"""

import io
import json
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.control.state.sqlite import SqliteState
from policies.results import Alarm, GateResult, GuardResult, Noise, Results
from policies.rollout import command
from policies.terms import Verb, Verdict
from tests.fakes.exchanges import chat_answer, chat_request
from tests.rooms.console_house import ConsoleHouse, house, stand
from tests.rooms.looks import CANARY, NOW, told
from tests.rooms.policy_files import written

WIDE = 80
LONG = "alpha-team-of-the-support-desk-in-production"
NUMBERS = "on 223 units (better/equal/worse 5/209/9), limit -0.0500, log10 e 2.94 of 1.30"
GUARDS = ("outputs", "length", "empty", "refusal", "loop", "truncated", "language", "echo", "unknown_tool", "leak")
FOUND = Results(
    (
        GateResult("quality", Verdict.PASS, f"quality: -0.0060 [-0.0312, +0.0190] {NUMBERS}: certified", 223,
                   required=False),
        GateResult("errors", Verdict.INCONCLUSIVE, f"errors: +0.0000 [-0.0217, +0.0217] {NUMBERS}: not certified yet",
                   223, units_to_go=317),
    ),
    tuple(GuardResult(name, Verdict.PASS, "") for name in GUARDS),
    (Alarm("quality", 2.4, 4.0, raised=False,
           reason="detector quality: log10 2.38 of 4.00 after 274 requests, tolerance 0.0116102: quiet"),),
    units=223, serving="answered 73 of the last 73 requests assigned to it", noise=Noise(274, 0.981, 10, 1.0, 0.0),
)  # fmt: skip
POLICY = written("stages: [shadow, {5%: {hold: 3s}}, {100%: {hold: 3s}}]").replace(
    "stages: [shadow, 1%, 5%, 25%, 50%, 100%]\n", ""
)


@pytest.fixture
def home(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ConsoleHouse]:
    """A route in the middle of its way, pairs to judge, keys of which one is revoked, sets to be asked."""
    monkeypatch.setenv("COLUMNS", str(WIDE))
    monkeypatch.setattr("sys.stdin", io.StringIO("1\n2\n"))
    Path("policies/triage.yaml").write_text(POLICY)
    Path("asked.jsonl").write_text(json.dumps({"messages": [{"role": "user", "content": "Hello"}]}))
    with house(Path("crossfade-data")) as found:
        found.furnish()
        found.ask("Nobody's", request=chat_request("Hello", model=LONG), route="", why="unrouted")
        found.compare(found.ask(told="one"), chat_answer("two"), q=-0.5)
        found.record()
        stand(found.data, FOUND)
        state = SqliteState(found.data.state)
        state.add_decision(told(command(CANARY, Verb.HOLD, now=NOW, by="ada", reason="we wait for the new prices")))
        state.close()
        yield found


COMMANDS = (
    "status", "top --times 1", "explain triage", "explain triage --history 2", "explain nobody",
    "policy lint", "policy plan", "policy explain", "policy plan missing.yaml",
    f"keys create {LONG}", f"keys revoke {LONG} --reason left", "keys list", "keys revoke nobody",
    "records tail", "records stats", "records stats --hours", "records forget --user ada", "records show none",
    "routes", "routes --all", "savings", "savings nobody", "readiness", "readiness nobody", "report nobody",
    f"eval add asked.jsonl --route support-triage --name {LONG}", "eval list", "eval run nothing",
    "dataset build --unrouted --out sets --format openai-sft",
    "dataset build --route nobody --out sets --format openai-sft",
    "doctor", "label triage --by ada", "label nobody --by ada", "rebuild", "hold triage --reason waiting",
    "kill --reason broken", "status", "kill --off --reason mended", "replay --route nobody", "train preflight missing",
)  # fmt: skip
"""In this order: later ones find what earlier ones left."""


class Screen(io.StringIO):
    """What a terminal shows of what a command says."""

    def isatty(self) -> bool:
        return True


def test_what_people_read_fits_eighty_columns(
    home: ConsoleHouse, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command that is read in a terminal, whether it is answered or refused."""
    wide: list[str] = []
    for words in COMMANDS:
        talk = Screen()
        monkeypatch.setattr("sys.stderr", talk)
        try:
            main(words.split())
        except SystemExit:
            wide.append(f"{words}: is no command")
        data = capsys.readouterr().out
        assert data or talk.getvalue(), words
        wide += [f"{words}: {line}" for text in (data, talk.getvalue()) for line in too_wide(text)]
    assert "\n".join(wide) == ""


def too_wide(text: str) -> list[str]:
    """Lines that could be narrower: none that is quoted, and none without a space to break at."""
    lines = text.splitlines()
    return [
        line
        for line, below in zip_longest(lines, lines[1:], fillvalue="")
        if len(line) > WIDE and below.strip() != "^" and " " in line.strip()
    ]
