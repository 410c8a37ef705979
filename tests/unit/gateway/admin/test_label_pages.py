"""Labels over the admin API: the queue, blind, and votes."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.admin.auth import Door, digest
from gateway.admin.labels import QueuedPair, is_swapped
from gateway.node import labels
from gateway.node.database import opened, read_audit
from tests.fakes.exchanges import chat_answer
from tests.rooms.admin_pages import connected
from tests.rooms.console_house import ConsoleHouse, house

QUEUE = {"route": "triage", "by": "ada"}
TOKEN, VIEWER = "a-token-of-some-length", "another-token-that-looks"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[ConsoleHouse]:
    """Six pairs; the candidate's answers are known by their words."""
    with house(tmp_path) as found:
        for number in range(6):
            name = found.ask(told=f"BASELINE says {number}")
            found.compare(name, chat_answer(f"CANDIDATE says {number}"), q=-0.5 if number % 2 else 0.5)
        found.record()
        yield found


@pytest.fixture
async def client(home: ConsoleHouse) -> AsyncIterator[httpx.AsyncClient]:
    async with connected(home.data, Door()) as found:
        yield found


async def next_pair(client: httpx.AsyncClient, **more: str) -> dict[str, Any]:
    return (await client.get("/labels/queue", params=QUEUE | more)).json()


async def cast(client: httpx.AsyncClient, pair: dict[str, Any], choice: str, **more: Any) -> httpx.Response:
    body = QUEUE | {"exchange_id": pair["exchange_id"], "asked": pair["asked"], "choice": choice} | more
    return await client.post("/labels", json=body)


async def test_a_queue_is_blind_and_its_votes_are_told(home: ConsoleHouse, client: httpx.AsyncClient) -> None:
    """Left and right are drawn by lot; the vote says whose answer was chosen, and the human metric is of all votes."""
    for done in range(6):
        told = await next_pair(client)
        assert (told["done"], told["total"]) == (done, 6)
        pair = told["pair"]
        swapped = is_swapped(QueuedPair(pair["exchange_id"], pair["asked"]), "ada")
        assert pair["left"].startswith("CANDIDATE") == swapped
        assert pair["right"].startswith("CANDIDATE") != swapped
        assert any("Where is my order?" in turn for turn in pair["prompt"])
        voted = await cast(client, pair, "left" if swapped else "right", tags=["too long", "no tag"])
        assert voted.json()["label"]["vote"] == "candidate"
        assert voted.json()["label"]["tags"] == ["too long"]
    assert (await next_pair(client))["pair"] is None
    listed = (await client.get("/labels")).json()
    assert len(listed["labels"]) == 6
    assert listed["human"]["mean"] == 1.0
    assert (listed["agreement"]["n"], listed["agreement"]["agreed"]) == (6, 3)
    with opened(home.data.state) as state:
        assert [entry.action for entry in read_audit(state)] == ["labels.vote"] * 6


async def test_each_of_several_candidates_has_its_queue(home: ConsoleHouse, client: httpx.AsyncClient) -> None:
    """One exchange put beside two candidates is two pairs: each has a vote of its own, and its own score beside it."""
    exchange = home.ask(told="BASELINE")
    for name, q in (("small", -1.0), ("large", 1.0)):
        home.compare(exchange, chat_answer(f"CANDIDATE {name}"), route=f"triage@{name}", q=q)
    home.record()
    swapped = is_swapped(QueuedPair(exchange, "candidate"), "ada")
    for name, choice in (("small", "right" if swapped else "left"), ("large", "left" if swapped else "right")):
        told = await next_pair(client, route=f"triage@{name}")
        assert (told["total"], told["done"]) == (1, 0)
        assert f"CANDIDATE {name}" in (told["pair"]["left"], told["pair"]["right"])
        assert (await cast(client, told["pair"], choice, route=f"triage@{name}")).status_code == 200
        assert (await next_pair(client, route=f"triage@{name}"))["pair"] is None
    listed = (await client.get("/labels")).json()
    assert {each["route"]: each["vote"] for each in listed["labels"]} == {
        "triage@small": "baseline", "triage@large": "candidate",
    }  # fmt: skip
    assert (listed["agreement"]["n"], listed["agreement"]["agreed"], listed["human"]["n"]) == (2, 2, 2)


async def test_a_pair_that_was_not_drawn_is_of_no_pool(client: httpx.AsyncClient) -> None:
    """A vote that says it is of a pool whose draw its pair is not in counts as chosen, and in no metric of all."""
    drawn = await next_pair(client, pool="disagreements")
    other = next(
        each for each in (await client.get("/comparisons", params={"q": "q:>0"})).json()["comparisons"]
    )  # fmt: skip
    assert drawn["total"] == 3
    said = await cast(client, other, "left", pool="disagreements")
    assert said.json()["label"]["pool"] == "chosen"
    assert (await client.get("/labels")).json()["human"]["n"] == 0


async def test_a_vote_is_taken_back(client: httpx.AsyncClient) -> None:
    """Undo says whether there was a vote, and the pair comes again."""
    pair = (await next_pair(client))["pair"]
    await cast(client, pair, "equal")
    assert (await cast(client, pair, "undo")).json() == {"label": None, "undone": True}
    assert (await cast(client, pair, "undo")).json() == {"label": None, "undone": False}
    assert (await next_pair(client))["pair"] == pair


@pytest.mark.parametrize(
    ("changed", "status"),
    [({"exchange_id": "01890000-0000-7000-8000-000000000000"}, 404), ({"route": "other"}, 404),
     ({"choice": "best"}, 400), ({"by": "a b"}, 400), ({"exchange_id": "x"}, 400), ({"pool": "all"}, 400),
     ({"tags": ["t"] * 10}, 400), ({"seed": "s" * 21}, 400), ({"note": "x"}, 400)],
)  # fmt: skip
async def test_votes_that_are_none(
    home: ConsoleHouse, client: httpx.AsyncClient, changed: dict[str, Any], status: int
) -> None:
    """What is no vote on a pair of the route, or says more than a vote does, is refused and not kept."""
    pair = (await next_pair(client))["pair"]
    assert (await cast(client, pair, **{"choice": "left"} | changed)).status_code == status
    with labels.opened(home.data.state) as state:
        assert labels.stored(state) == []


async def test_who_may_vote(home: ConsoleHouse, client: httpx.AsyncClient) -> None:
    """A token that only looks, another site's page and a body that is no JSON are refused."""
    pair = (await next_pair(client))["pair"]
    body = QUEUE | {"exchange_id": pair["exchange_id"], "asked": pair["asked"], "choice": "left"}
    elsewhere = await client.post("/labels", json=body, headers={"origin": "https://evil.example"})
    assert elsewhere.status_code == 403
    assert (await client.post("/labels", data=body)).status_code == 415
    async with connected(home.data, Door(digest(TOKEN), digest(VIEWER))) as guarded:
        for token, status in ((VIEWER, 403), (TOKEN, 200)):
            said = await guarded.post("/labels", json=body, headers={"authorization": f"Bearer {token}"})
            assert said.status_code == status
    with labels.opened(home.data.state) as state:
        assert len(labels.stored(state)) == 1


async def test_judged_pairs_are_those_with_a_verdict(home: ConsoleHouse, client: httpx.AsyncClient) -> None:
    """Drawn by lot among the candidate's of now that whoever scores spoke of; the vote keeps what that said."""
    judged: list[str] = []
    for told, more in (
        ('{"drawn":true}', {"q": 1.0}),
        ('{"drawn":false}', {"q": 0.0}),
        ("", {"q": 0.0}),
        ('{"drawn":true}', {"q": None, "abstained": True}),
    ):
        name = home.ask()
        home.compare(name, chat_answer("CANDIDATE"), metric="judge", candidate_key="k2", judge_json=told, **more)
        judged.append(name)
    home.record()
    found = await next_pair(client, pool="judged")
    assert (found["total"], found["pair"]["exchange_id"]) == (1, judged[0])
    await cast(client, found["pair"], "equal", pool="judged")
    with labels.opened(home.data.state) as state:
        (kept,) = labels.stored(state)
    assert (kept.pool, kept.candidate_key, kept.q) == ("judged", "k2", 1.0)
    assert (await client.get("/labels")).json()["human"]["n"] == 0
