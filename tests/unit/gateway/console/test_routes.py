"""The list of routes: what wants a person, and when each rollout could be done."""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.console.routes import forecast_of
from policies.results import Results
from policies.rollout import step
from policies.terms import Phase
from tests.rooms.console_house import GATES, RESULTS, ConsoleHouse, house, read, stand, visitor
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
        assert "waits for your word" in page.words
        assert "unknown key gate" in page.words
        assert "/routes/triage" in page.links()
        (wants, *_) = (await client.get("/routes.json")).json()["wants"]
        assert (wants["route"], wants["kind"]) == ("triage", "approving")


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
    """Units to go at the pace so far; or that there is no evidence, no number that would do, nothing to wait for."""
    look = step(CANARY, RESULTS, now=NOW)
    assert forecast_of(None, None, None) == "nobody has looked yet"
    assert "600 units to go, 10" in forecast_of(look, 300, 600)  # 300 came in 5 s
    slow = replace(GATES[1], gate="latency", n=10, units_to_go=90)
    slower = step(CANARY, Results((GATES[1], slow), units=300), now=NOW)
    assert "45" in forecast_of(slower, 300, 600)  # 10 came in 5 s: the slowest gate's pace is the stage's
    assert "no number of units would do" in forecast_of(look, 300, None)
    missing = step(CANARY, Results((replace(GATES[0], estimate=None),)), now=NOW)
    assert "no evidence yet" in forecast_of(missing, 0, None)
    assert "enough" in forecast_of(step(replace(CANARY, lived_s=1e6), RESULTS, now=NOW), 300, 0)
