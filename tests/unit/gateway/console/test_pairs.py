"""Pairs: the list, one pair in its five ways, and its neighbours."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.exchanges import chat_answer
from tests.rooms.console_house import ConsoleHouse, house, read, visitor


@pytest.fixture
def home(tmp_path: Path) -> Iterator[ConsoleHouse]:
    with house(tmp_path) as found:
        found.furnish()
        yield found


async def test_both_answers_side_by_side(home: ConsoleHouse) -> None:
    """What differs is marked on each side and in the table of fields; each side says who it is and what it took."""
    async with visitor(home.data) as client:
        page = read((await client.get(f"/pairs/{home.ids[0]}")).text)
        assert "1 of 2 fields differ" in page.words
        assert [tag for tag, _ in page.tags].count("del") == 2
        assert "/urgency" in page.words
        assert "/team" not in page.words
        assert "/team" in read((await client.get(f"/pairs/{home.ids[0]}?all=yes")).text).words
        assert f"/traffic/{home.ids[0]}" in page.links()
        assert "the app got the baseline's answer" in page.words
        reverse = read((await client.get(f"/pairs/{home.ids[2]}")).text).words
        assert "the app got the candidate's answer" in reverse
        assert "the app's answer · exchange" in reverse
        assert reverse.index("from theirs") < reverse.index("from ours")


async def test_one_exchange_asked_twice(home: ConsoleHouse) -> None:
    """The mirror and the noise floor of one exchange are two pairs on one page, chosen by its address."""
    async with visitor(home.data) as client:
        first = read((await client.get(f"/pairs/{home.ids[1]}")).text)
        assert f"/pairs/{home.ids[1]}?asked=baseline_again" in first.links()
        again = read((await client.get(f"/pairs/{home.ids[1]}?asked=baseline_again")).text).words
        assert "the noise floor" in again
        assert "Baseline, again" in again


async def test_one_exchange_beside_several_candidates(home: ConsoleHouse) -> None:
    """Each candidate's answer is a pair of its own, named and chosen by its rollout; the list leads to it."""
    exchange = home.ask(told="from the baseline")
    for name in ("small", "large"):
        home.compare(exchange, chat_answer(f"from {name}"), route=f"triage@{name}")
    home.record()
    async with visitor(home.data) as client:
        for name, other in (("small", "large"), ("large", "small")):
            page = read((await client.get(f"/pairs/{exchange}?asked=candidate&of=triage%40{name}")).text)
            assert f"from {name}" in page.words
            assert f"from {other}" not in page.words
            assert f"/pairs/{exchange}?asked=candidate&of=triage%40{other}" in page.links()
            assert f"candidate @{other}" in page.words
        listed = read((await client.get("/pairs?route=triage%40large")).text)
        (link,) = [each for each in listed.links() if each.startswith(f"/pairs/{exchange}")]
        assert "from large" in read((await client.get(link)).text).words


async def test_a_candidate_that_failed(home: ConsoleHouse) -> None:
    """A background call that brought no answer says what it brought, and counts as that."""
    async with visitor(home.data) as client:
        page = read((await client.get(f"/pairs/{home.ids[3]}")).text).words
        assert "failed: server_error" in page
        assert "Counts as failed" in page


async def test_neighbours_are_those_of_the_list(home: ConsoleHouse) -> None:
    """A pair that was opened from a list leads to the next of that list, in its order."""
    async with visitor(home.data) as client:
        listed = (await client.get("/pairs.json?view=disagreements")).json()
        assert [each["exchange_id"] for each in listed["pairs"]] == [home.ids[0]]
        rows = (await client.get("/pairs.json?sort=q&route=triage")).json()["pairs"]
        ids = list(dict.fromkeys(each["exchange_id"] for each in rows))
        page = read((await client.get(f"/pairs/{ids[0]}?sort=q&route=triage")).text)
        assert f"/pairs/{ids[1]}?route=triage&sort=q" in page.links() or (
            f"/pairs/{ids[1]}?sort=q&route=triage" in page.links()
        )


async def test_tool_calls_stand_beside_each_other(home: ConsoleHouse) -> None:
    """Calls are aligned by name, their arguments leaf by leaf; raw shows the JSON as it was kept."""
    call = {"id": "c", "type": "function", "function": {"name": "refund", "arguments": '{"sum": 10, "to": "card"}'}}
    other = {"id": "d", "type": "function", "function": {"name": "refund", "arguments": '{"sum": 12, "to": "card"}'}}
    name = home.ask(response=chat_answer("", "tool_calls", tool_calls=[call]))
    home.compare(name, chat_answer("", "tool_calls", tool_calls=[other]), q=-1.0)
    home.record()
    async with visitor(home.data) as client:
        page = read((await client.get(f"/pairs/{name}?mode=calls")).text).words
        assert "/sum" in page
        assert "10" in page
        raw = read((await client.get(f"/pairs/{name}?mode=raw")).text).plain
        assert json.dumps("tool_calls") in raw


async def test_very_long_answers(home: ConsoleHouse) -> None:
    """Beyond a mebibyte an answer is not drawn, but is in the JSON; below it there is no limit."""
    long, longer = "word " * 60_000, "x" * 1_100_000
    first, second = home.ask(told=long), home.ask(told=longer)
    home.compare(first, chat_answer(long + "more"))
    home.compare(second, chat_answer("short"))
    home.record()
    async with visitor(home.data) as client:
        page = read((await client.get(f"/pairs/{first}")).text)
        assert page.plain.count("word ") >= 120_000
        assert "longer than a page shows" in read((await client.get(f"/pairs/{second}")).text).words
        shown = (await client.get(f"/pairs/{second}.json")).json()["pairs"][0]
        assert longer in shown["exchange"]["response_json"]


async def test_a_pair_that_was_shed_has_its_served_price(home: ConsoleHouse) -> None:
    """What the app got has a price and a time on every page; who was never asked has none, and that is said so."""
    exchange = home.ask(told="from the baseline")
    home.compare(
        exchange, None, came="dropped", reason="queue_full", status=0, q=None, metric="", agree=None,
        first_byte_ms=None, total_ms=None, completion_tokens=None, cost_usd=None, cost_served_usd=None,
    )  # fmt: skip
    home.record()
    async with visitor(home.data) as client:
        (row,) = (await client.get("/pairs.json?came=dropped")).json()["pairs"]
        assert row["cost_served_usd"] == dict(home.place.rows("id, cost_usd"))[exchange]
        page = read((await client.get("/pairs?came=dropped")).text).words
        assert page.count("not asked") == 2
        assert "not compared" in page
        assert "unknown" not in page
