"""`crossfade label`: the queue in a terminal."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.node import labels
from gateway.node.labels import PairLabel
from tests.fakes.exchanges import chat_answer
from tests.rooms.console_house import ConsoleHouse, house, stand

COMMAND = ["label", "triage", "--by", "ada"]


@pytest.fixture
def home() -> Iterator[ConsoleHouse]:
    """Four pairs; the candidate's answers are known by their words, one of them with a terminal's own orders."""
    with house(Path("crossfade-data")) as found:
        for number in range(4):
            name = found.ask(told=f"BASELINE says {number}")
            found.compare(name, chat_answer(f"CANDIDATE says \x1b[2J{number}"), q=-0.5)
        found.record()
        stand(found.data)
        yield found


def kept(home: ConsoleHouse) -> list[PairLabel]:
    with labels.opened(home.data.state) as state:
        return labels.stored(state)


def type_in(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_votes_in_a_terminal(
    home: ConsoleHouse, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Keys vote on what stands first and second; a word that is none asks again; the sum is the human metric."""
    type_in(monkeypatch, "x\n1\nu\n2\n3\n0\ns\n")
    assert main([*COMMAND, "--json"]) == 0
    said = capsys.readouterr()
    votes = sorted(vote.vote for vote in kept(home))
    assert len(votes) == 4
    assert {"equal", "both_bad", "skipped"} < set(votes)
    told = json.loads(said.out)
    assert (told["total"], told["voted"], told["human"]["n"]) == (4, 4, 3)
    assert "is none of them" in said.err
    blocks = said.err.split("FIRST")
    assert ("candidate" in votes) == (blocks[1].index("CANDIDATE") > blocks[1].index("SECOND"))
    assert "\x1b" not in said.err
    assert "⟨U+001B⟩" in said.err


def test_an_end_of_input_ends_it(
    home: ConsoleHouse, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nobody answers any more the command ends, with what was said; another day it goes on from there."""
    type_in(monkeypatch, "1\n")
    assert main(COMMAND) == 0
    type_in(monkeypatch, "q\n")
    assert main(COMMAND) == 0
    told = capsys.readouterr()
    assert "1 vote;" in told.out
    assert "2 of 4" in told.err
    assert len(kept(home)) == 1


@pytest.mark.parametrize("words", [["label", "nope", "--by", "ada"], ["label", "triage", "--by", "a b"]])
def test_nothing_to_label(home: ConsoleHouse, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    """A route without pairs, and a name that is none, are refused with a hint."""
    assert main(words) == 1
    assert "hint" in capsys.readouterr().err
    assert kept(home) == []
