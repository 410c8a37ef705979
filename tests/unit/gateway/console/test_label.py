"""Labelling pairs, as a browser without a script does it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gateway.admin.labels import QueuedPair, is_swapped
from gateway.node import labels
from gateway.node.labels import PairLabel
from tests.fakes.exchanges import chat_answer
from tests.rooms.console_house import ORIGIN, ConsoleHouse, PageText, house, read, visitor

QUEUE = "/label?route=triage&by=ada"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[ConsoleHouse]:
    """Four pairs; the candidate's answers are known by their words."""
    with house(tmp_path) as found:
        for number in range(4):
            name = found.ask(told=f"BASELINE says {number}")
            found.compare(name, chat_answer(f"CANDIDATE says {number}"), q=-0.5 if number % 2 else 0.5)
        found.record()
        yield found


def kept(home: ConsoleHouse) -> list[PairLabel]:
    with labels.opened(home.data.state) as state:
        return labels.stored(state)


async def cast(client: httpx.AsyncClient, page: PageText, vote: str, **more: str) -> httpx.Response:
    return await client.post("/label", data=page.forms() | {"vote": vote} | more, headers={"origin": ORIGIN})


async def test_votes_are_blind_and_kept(home: ConsoleHouse) -> None:
    """Before the vote nothing says whose answer is whose; after all votes each stands for who really stood there."""
    async with visitor(home.data) as client:
        for _ in range(4):
            page = read((await client.get(QUEUE)).text)
            body = page.plain.partition("Which answer is better?")[2].partition("The one before")[0]
            for tell in ("gpt-4o", "m-7b", "baseline", "candidate", "json_fields", " ms"):
                assert tell not in body
            form = page.forms()
            first = body.index("CANDIDATE") < body.index("BASELINE")
            assert first == is_swapped(QueuedPair(form["exchange_id"], form["asked"]), "ada")
            answer = await cast(client, page, "left", tag="too long")
            assert answer.status_code == 303
        done = read((await client.get(QUEUE)).text)
        assert "All 4 are done" in done.words
        assert "People on the candidate" in done.words
        assert "The one before" in done.words
        told = (await client.get("/api/v1/labels", params={"route": "triage"})).json()["labels"]
    votes = kept(home)
    assert [each["vote"] for each in told] == [vote.vote for vote in votes]
    assert len(votes) == 4
    assert all(
        (vote.vote == "candidate") == is_swapped(QueuedPair(vote.exchange_id, vote.asked), "ada") for vote in votes
    )
    assert {vote.tags for vote in votes} == {("too long",)}


async def test_a_vote_is_taken_back(home: ConsoleHouse) -> None:
    """Undo takes the last vote back, and its pair comes again."""
    async with visitor(home.data) as client:
        page = read((await client.get(QUEUE)).text)
        await cast(client, page, "skip")
        assert [vote.vote for vote in kept(home)] == ["skipped"]
        await cast(client, page, "undo")
        assert kept(home) == []
        assert read((await client.get(QUEUE)).text).forms()["exchange_id"] == page.forms()["exchange_id"]


async def test_pools_and_people(home: ConsoleHouse) -> None:
    """Disagreements are those alone; two people have two queues; without a name the page asks for one."""
    async with visitor(home.data) as client:
        assert "0 of 2" in read((await client.get(f"{QUEUE}&pool=disagreements")).text).words
        await cast(client, read((await client.get(QUEUE)).text), "equal")
        assert "1 of 4" in read((await client.get(QUEUE)).text).words
        assert "0 of 4" in read((await client.get(QUEUE.replace("ada", "bob"))).text).words
        assert "Your name" in read((await client.get("/label")).text).words


@pytest.mark.parametrize("path", ["/label?route=triage&by=a%20b", f"{QUEUE}&pool=x", f"{QUEUE}&since=1h"])
async def test_words_that_are_none(home: ConsoleHouse, path: str) -> None:
    """A name or a pool that cannot be is refused with what can."""
    async with visitor(home.data) as client:
        answer = await client.get(path)
        assert answer.status_code == 400
        assert "hint" not in read(answer.text).words


async def test_no_vote_on_what_is_not_there(home: ConsoleHouse) -> None:
    """A choice that is none, and a pair that is not there, are refused and not kept."""
    async with visitor(home.data) as client:
        page = read((await client.get(QUEUE)).text)
        assert (await cast(client, page, "best")).status_code == 400
        assert (await cast(client, page, "left", exchange_id="nope")).status_code == 400
    assert kept(home) == []
