"""The list of routes: what wants a person, and when each rollout could be done."""

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway import clock
from gateway.console.routes import DAY_S, forecast_of
from gateway.console.words import day
from gateway.telemetry.metrics import Sample, render
from policies.forecast import forecast
from policies.rollout import step
from policies.rules import Held
from policies.terms import Phase
from tests.rooms.console_house import RESULTS, ConsoleHouse, house, read, stand, visitor
from tests.rooms.looks import CANARY, NOW


@pytest.fixture
def home(tmp_path: Path) -> Iterator[ConsoleHouse]:
    with house(tmp_path) as found:
        found.furnish()
        yield found


async def test_what_wants_a_person_comes_first(home: ConsoleHouse) -> None:
    """A rollout that waits for approval, and a policy file that does not load, stand above the list, with a link."""
    stand(home.data, rollout=replace(CANARY, phase=Phase.APPROVING))
    async with visitor(home.data) as client:
        page = read((await client.get("/")).text)
        assert "waits for your approval" in page.words
        assert "unknown key gate" in page.words
        assert "/routes/triage" in page.links()
        (wants, *_) = (await client.get("/routes.json")).json()["wants"]
        assert (wants["route"], wants["kind"]) == ("triage", "approving")


async def test_a_suspended_rollout_wants_a_person(home: ConsoleHouse) -> None:
    """With its sentence and its own mark above the list, and on its own page no word that would raise its weight."""
    settings = replace(CANARY.settings, trial=200)
    away = replace(CANARY, phase=Phase.SUSPENDED, suspended_ago_s=(70.0,), held=Held(watch=1), settings=settings)
    stand(home.data, rollout=away)
    async with visitor(home.data) as client:
        (wants, *_) = (await client.get("/routes.json")).json()["wants"]
        assert (wants["route"], wants["kind"]) == ("triage", "suspended")
        assert "Suspended at 5 %" in read((await client.get("/")).text).words
        links = read((await client.get("/routes/triage")).text).links()
        assert "/routes/triage/rollback" in links
        assert not {"/routes/triage/promote", "/routes/triage/hold"} & set(links)


@pytest.mark.parametrize(
    ("off_d", "finish_d", "said"),
    [
        (40, 80, "; at today's pace the candidate has all traffic on"),
        (300, math.inf, "; at today's pace the candidate has all traffic never"),
        (40, None, "."),
        (300, 200, ""),
        (300, None, ""),
    ],
)
async def test_a_model_that_is_turned_off_wants_a_person(
    home: ConsoleHouse, off_d: float, finish_d: float | None, said: str
) -> None:
    """Within sixty days, or before its candidate can answer everything: with the day, and the next command."""
    stand(home.data)
    now = clock.wall()
    off = Sample("crossfade_model_retires_timestamp_seconds", now + off_d * DAY_S, ("triage", "gpt-4o"))
    left = Sample("crossfade_model_retires_timestamp_seconds", now + off_d * DAY_S, ("triage", "left-behind"))
    home.data.exposition("recorder").write_text(render([off, left]))
    if finish_d is not None:
        finish = Sample("crossfade_finish_timestamp_seconds", now + finish_d * DAY_S, ("triage",))
        home.data.exposition("controller").write_text(render([finish]))
    async with visitor(home.data) as client:
        wants = (await client.get("/routes.json")).json()["wants"]
        found = [want["text"] for want in wants if want["kind"] == "retires"]
        assert len(found) == bool(said)
        if said:
            assert found[0].startswith(f"Its provider turns gpt-4o off on {day(now + off_d * DAY_S)}{said}")
            assert found[0].endswith("`crossfade readiness triage` says what next.")
            page = read((await client.get("/")).text)
            assert "/readiness?route=triage" in page.links()
            assert "crossfade readiness triage says what next." in page.words


async def test_the_list_in_numbers(home: ConsoleHouse) -> None:
    """Each route with its weight, its eligible share, its gates worst first; the CSV has the same numbers."""
    stand(home.data)
    async with visitor(home.data) as client:
        page = read((await client.get("/")).text)
        assert "canary" in page.words
        assert "5 %" in page.words
        assert page.words.index("errors") < page.words.index("quality")
        (row,) = csv.DictReader(io.StringIO((await client.get("/routes.csv")).text))
        assert (row["route"], row["weight"], row["phase"], row["eligible"]) == ("triage", "0.05", "canary", "6")


@pytest.mark.parametrize(
    ("query", "found"),
    [("", True), ("q=tri", True), ("q=!tri", False), ('q="tri"', False), ('q="triage"', True), ("q=m-7b", True),
     ("phase=canary", True), ("phase=promoted", False), ("sort=saving", True)],
)  # fmt: skip
async def test_the_list_is_narrowed(home: ConsoleHouse, query: str, *, found: bool) -> None:
    """By a part of a name or a model, by what it is not, by the whole name, by phase."""
    stand(home.data)
    async with visitor(home.data) as client:
        page = read((await client.get(f"/?{query}")).text)
        assert ("/routes/triage" in [link for link in page.links() if "triage" in link]) == found


def test_a_forecast_says_when_or_why_not() -> None:
    """How many units there are, and the forecast that `status` and `explain` show; or that there is none."""
    look = step(CANARY, RESULTS, now=NOW)
    assert forecast_of(None, None) == "not evaluated yet"
    assert forecast_of(look, 300) == f"300 units; {forecast(look.rollout, RESULTS)}"
    assert "600 units to go for errors" in forecast_of(look, 300)
    rolled = step(replace(CANARY, phase=Phase.ROLLED_BACK), RESULTS, now=NOW)
    assert forecast_of(rolled, 300) == rolled.reason
