"""`/readiness`: what the command of that name says, as a page."""

import json
from pathlib import Path

import pytest

from gateway.admin.readiness_views import SignView
from gateway.cli.main import main
from gateway.console.readiness import mark, trend
from tests.rooms.console_house import house, read, visitor

SIGN = SignView(name="spend", reason="", value=1.0, limit=2.0, before=4.0, after=5.0, holds=True, unit="usd_per_month")


async def test_the_page_says_what_the_command_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each route's verdict, its signs with their reasons and the next command are the command's own."""
    monkeypatch.chdir(tmp_path)
    with house(Path("crossfade-data")) as home:
        async with visitor(home.data) as client:
            assert (await client.get("/readiness")).status_code == 200
            home.furnish()
            page = read((await client.get("/readiness")).text)
            rows = (await client.get("/readiness.csv")).text
        assert main(["readiness", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
    assert {each["route"] for each in told} >= {"triage"}
    for each in told:
        assert each["route"] in page.words
        assert each["verdict"] in page.words
        assert " ".join(each["next"].split()) in page.words
        for sign in (*each["signals"], *each["checks"]):
            assert " ".join(sign["reason"].removeprefix("unknown: ").split()) in page.words
    assert rows.count("\n") == sum(len(each["signals"]) + len(each["checks"]) for each in told) + 1


def test_a_sign_in_a_word() -> None:
    """Signals are on or off, checks hold or do not, what is unknown says so; a trend has both halves or is not told."""
    assert mark("signal", SIGN)[0] == "on"
    assert mark("check", SIGN.model_copy(update={"holds": False}))[0] == "no"
    assert mark("check", SIGN.model_copy(update={"holds": None}))[0] == "unknown"
    assert trend(SIGN) == "$4.00 a month in the earlier half, $5.00 a month in the later, +25%"
    assert trend(SIGN.model_copy(update={"before": 0.0})).endswith("in the later")
    assert trend(SIGN.model_copy(update={"after": None})) == ""
