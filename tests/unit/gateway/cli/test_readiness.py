"""`crossfade readiness`: which routes are due, and why."""

import json
from pathlib import Path

import pytest

from gateway import clock
from gateway.cli.main import main
from gateway.node.datadir import DataDir
from records.store import Store
from tests.rooms.stored_records import DAY_S, keep, record

SETTINGS = "readiness: {budget_usd_per_month: 0.0001, training_usd: 10, shutdown: {gpt-4o: 2199-01-01}}\n"


def test_text_and_json(data: DataDir, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Both say the verdict, every signal and check with its number, and the next step."""
    monkeypatch.setenv("COLUMNS", "400")
    assert main(["readiness"]) == 0
    assert "Nothing is recorded" in capsys.readouterr().err
    Path("crossfade.yaml").write_text(SETTINGS + "prices: {candidate: {openai: {gpu_usd_per_hour: 2}}}\n")
    keep(Store(data.records), "a", *(record(n, at=clock.wall() - 20 * DAY_S + n) for n in range(5)))
    assert main(["readiness", "support"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("support: PREPARE   5 requests in 20")
    for part in (
        "a month is above the budget, $0.0001",
        "signal   plateau    unknown",
        "check    volume     no       5 different prompts",
        "busy or idle (how many replicas there are is unknown: state prices.candidate replicas); break-even at",
        "gpt-4o on 2199-01-01",
        "next     crossfade eval sample --route support",
    ):
        assert part in text
    assert main(["readiness", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["route"], found["verdict"], found["signals"][0]["holds"]) == ("support", "prepare", True)


def test_reasons_fit_the_terminal(
    data: DataDir, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each goes on below itself; the next command stays whole, to be copied."""
    monkeypatch.setenv("COLUMNS", "80")
    keep(Store(data.records), "a", *(record(n, at=clock.wall() - 20 * DAY_S + n) for n in range(5)))
    assert main(["readiness", "support"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if len(line) > 80 and not line.startswith("  next ")] == []
    assert any(line.startswith(" " * 31) for line in lines)


def test_a_model_that_was_turned_off(data: DataDir, capsys: pytest.CaptureFixture[str]) -> None:
    """It says when, and how long ago; servers that cost more than they save are money lost."""
    settings = "readiness: {shutdown: {gpt-4o: 2001-01-01}}\nprices: {candidate: {openai: {gpu_usd_per_hour: 2}}}\n"
    Path("crossfade.yaml").write_text(settings)
    keep(Store(data.records), "a", *(record(n, at=clock.wall() - 20 * DAY_S + n) for n in range(5)))
    assert main(["readiness", "support"]) == 0
    text = capsys.readouterr().out
    assert "gpt-4o on 2001-01-01, " in text and " days ago\n" in text
    assert "saving   -$1,4" in text


def test_a_group_without_a_route_says_its_model(data: DataDir, capsys: pytest.CaptureFixture[str]) -> None:
    """Its name is a hash, which nobody could tell from another by."""
    keep(Store(data.records), "a", *(record(n, at=clock.wall() - DAY_S + n, route="") for n in range(2)))
    assert main(["readiness"]) == 0
    head = capsys.readouterr().out.splitlines()[0]
    assert head.startswith("unrouted/")
    assert " (gpt-4o): NOT YET   2 requests" in head


def test_unknown_route(data: DataDir, capsys: pytest.CaptureFixture[str]) -> None:
    """A route of which nothing is known is refused."""
    assert main(["readiness", "nobody"]) == 1
    assert "Nothing is recorded of nobody" in capsys.readouterr().err
