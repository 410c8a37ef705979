"""The report as a page, as Markdown and as one HTML file: the same numbers, and nobody's words as markup."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.console.report import told
from tests.fakes.exchanges import chat_answer
from tests.rooms.console_house import GATES, ConsoleHouse, house, read, stand, visitor
from tests.rooms.payloads import PAYLOADS


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ConsoleHouse]:
    monkeypatch.chdir(tmp_path)
    with house(Path("crossfade-data")) as found:
        found.furnish()
        stand(found.data)
        yield found


async def test_the_page_and_the_command_say_the_same(home: ConsoleHouse, capsys: pytest.CaptureFixture[str]) -> None:
    """The page, its twins, Markdown and the HTML file have the same gates and the same money."""
    async with visitor(home.data) as client:
        page = read((await client.get("/routes/triage/report?since=all")).text)
        twin = (await client.get("/routes/triage/report.json?since=all")).json()
        rows = list(csv.DictReader(io.StringIO((await client.get("/routes/triage/report.csv")).text)))
    said: dict[str, str] = {}
    for shape in ("--md", "--html", "--json"):
        assert main(["report", "triage", "--since", "all", shape]) == 0
        said[shape] = capsys.readouterr().out
    told_again = json.loads(said["--json"])
    for each in (twin, told_again):
        each.pop("made_at")
    assert told_again == twin
    assert [row["gate"] for row in rows] == [gate["gate"] for gate in twin["gates"]] == ["quality", "errors"]
    file = read(said["--html"])
    for text in (page.words, file.words, said["--md"].replace("\u202f", " ")):
        assert "−0.0100" in text
        assert "certified" in text
        assert "gpt-4o" in text or "as asked" in text
        assert home.ids[0][-6:] in text
    assert not [tag for tag, _ in file.tags if tag in ("script", "link", "img")]
    assert "/pairs?" not in said["--md"]


async def test_what_models_wrote_is_no_markup(home: ConsoleHouse, capsys: pytest.CaptureFixture[str]) -> None:
    """Answers that are scripts, links or code marks stay text in the page, in the file and in Markdown."""
    evil = "`](javascript:alert(1)) <img src=x onerror=alert(1)>\n# big\n| a | b |" + PAYLOADS[0]
    home.compare(home.ask(evil, told=evil), chat_answer(f"{evil} too"), q=-1.0)
    home.record()
    async with visitor(home.data) as client:
        page = read((await client.get("/routes/triage/report")).text)
    assert main(["report", "triage", "--html"]) == 0
    file = read(capsys.readouterr().out)
    assert main(["report", "triage", "--md"]) == 0
    markdown = capsys.readouterr().out
    for found in (page, file):
        assert not [tag for tag, attrs in found.tags if tag == "img" or "onerror" in attrs]
        assert "onerror=alert(1)" in found.plain
    (line,) = [line for line in markdown.splitlines() if "candidate `" in line and "too`" in line]
    outside = "".join(line.split("`")[0::2])
    assert "javascript" not in outside
    assert "<img" not in outside
    assert "\n# big" not in markdown


async def test_what_is_not_there(home: ConsoleHouse, capsys: pytest.CaptureFixture[str]) -> None:
    """A route that is not there and a time that is none are refused with a hint."""
    async with visitor(home.data) as client:
        assert (await client.get("/routes/nope/report")).status_code == 404
        assert (await client.get("/routes/triage/report?since=soon")).status_code == 400
    assert main(["report", "nope"]) == 1
    assert "hint" in capsys.readouterr().err
    with pytest.raises(SystemExit) as refused:
        main(["report", "triage", "--since", "soon"])
    assert refused.value.code == 2
    assert "hint" in capsys.readouterr().err


def test_gates_in_their_own_units() -> None:
    """A difference, a share of the time and a ratio are told as what they are; what is missing is unknown."""
    assert [told(gate)[0] for gate in GATES] == ["−0.0100", "−0.0040", "80.0\u202f%", "0.20×"]
    assert told(replace(GATES[0], estimate=None, lower=None))[:2] == ("unknown", "")
