"""The pages over the shared state, asked as over the wire."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from gateway.admin.auth import Door
from gateway.control.operations import orders as operating
from gateway.control.operations import rollback_check
from gateway.control.state.port import Node
from gateway.control.state.sqlite import SqliteState
from gateway.node.database import opened, read_audit
from gateway.node.datadir import DataDir, held, prepare
from policies.rollout import command
from policies.routing import PPM, Lease, Route, Table, Upstream, Variant, encode
from policies.terms import Verb
from records.store import Store
from tests.rooms.admin_pages import connected
from tests.rooms.kept_rollouts import CANARY, keep, served
from tests.rooms.looks import NOW, look, told
from tests.rooms.rollouts import UNSURE
from tests.rooms.voting import ask_for_votes, cast


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataDir:
    monkeypatch.setattr(operating, "ROLLBACK_S", 0.0)
    monkeypatch.setattr(operating, "ANSWER_S", 0.0)
    monkeypatch.setattr(rollback_check, "FOLLOWS_S", 0.0)
    return prepare(tmp_path)


@pytest.fixture
def state(data: DataDir) -> Iterator[SqliteState]:
    found = SqliteState(data.state)
    keep(found, CANARY)
    yield found
    found.close()


@pytest.fixture
async def client(data: DataDir) -> AsyncIterator[httpx.AsyncClient]:
    async with connected(data, Door()) as found:
        yield found


def audited(data: DataDir) -> list[tuple[str, str, str, str]]:
    with opened(data.state) as local:
        return [(each.actor, each.action, each.subject, each.reason) for each in read_audit(local)]


async def test_where_a_rollout_stands(client: httpx.AsyncClient, data: DataDir, state: SqliteState) -> None:
    """The list has each rollout's stage beside the weight that is served; its own page has every gate's numbers."""
    route = Route("triage", Variant("openai"), candidate=Variant("vllm", "m", "1"), weight_ppm=50_000)
    upstreams = (Upstream("openai", "http://h"), Upstream("vllm", "http://h"))
    data.routing.write_bytes(encode(Table(7, Lease(1.0), upstreams, "openai", routes=(route,))))
    (listed,) = (await client.get("/rollouts")).json()["rollouts"]
    assert (listed["standing"]["phase"], listed["standing"]["stage"]) == ("canary", "5%")
    assert (await client.get("/rollouts/triage")).json()["decision"] is None
    look(state, replace(UNSURE, units=40))
    shown = (await client.get("/rollouts/triage")).json()
    assert shown["standing"]["units"] == 40
    assert "errors: not certified yet" in shown["text"]
    assert [gate["gate"] for gate in shown["decision"]["results"]["gates"]] == ["quality", "errors"]
    assert (await client.get("/rollouts/nope")).status_code == 404


async def test_votes_stand_beside_the_decision(client: httpx.AsyncClient, data: DataDir, state: SqliteState) -> None:
    """Where the policy has `feedback`: both variants' voters and whether they alarm; records in ruins harm no more."""
    look(state, UNSURE)
    cast(data, bad=20, of=60, baseline_bad=2, baseline_of=60)
    plain = (await client.get("/rollouts/triage")).json()
    assert (plain["votes"], plain["votes_problem"]) == (None, None)
    ask_for_votes(data)
    shown = (await client.get("/rollouts/triage")).json()
    assert (shown["votes"]["raised"], shown["votes"]["candidate"]["n"]) == (True, 60)
    assert shown["decision"] == plain["decision"]
    for path in Store(data.records).files("exchanges"):
        path.unlink()
        path.mkdir()
    answer = await client.get("/rollouts/triage")
    assert (answer.status_code, answer.json()["votes"]) == (200, None)
    assert "cannot be read now" in answer.json()["votes_problem"]


async def test_decisions(client: httpx.AsyncClient, state: SqliteState) -> None:
    """Decisions come newest first, of all routes or one, and each has its numbers under its id."""
    for number, verb in enumerate((Verb.HOLD, Verb.ROLLBACK)):
        state.add_decision(told(command(CANARY, verb, now=NOW + number, by="ada", reason=verb), f"d{number}"))
    listed = (await client.get("/decisions")).json()["decisions"]
    assert [(each["id"], each["outcome"]) for each in listed] == [("d1", "ROLLBACK"), ("d0", "HOLD")]
    assert (await client.get("/decisions", params={"route": "other"})).json() == {"decisions": []}
    assert len((await client.get("/decisions", params={"limit": 1})).json()["decisions"]) == 1
    shown = (await client.get("/decisions/d1")).json()
    assert (shown["move"], shown["decision"]["rule"]) == ("roll_back", "operator")
    assert (await client.get("/decisions/d9")).status_code == 404


async def test_an_order(client: httpx.AsyncClient, data: DataDir, state: SqliteState) -> None:
    """An order that is taken is a 200; one that is not is a 409 that says why. Both are audited."""
    withdrawn = await client.post("/rollouts/triage/promote", json={"reason": "good"})
    assert (withdrawn.status_code, withdrawn.json()["outcome"]) == (409, "withdrawn")
    assert state.rollouts()["triage"].weight_ppm == CANARY.weight_ppm
    taken = await client.post("/rollouts/triage/rollback", json={"reason": "smells"})
    assert (taken.status_code, taken.json()["outcome"], taken.json()["alone"]) == (200, "taken", True)
    assert state.rollouts()["triage"].weight_ppm == 0
    assert audited(data) == [
        ("admin-api", "rollout.promote", "triage", "good"),
        ("admin-api", "rollout.rollback", "triage", "smells"),
    ]


async def test_the_kill_switch(client: httpx.AsyncClient, data: DataDir, state: SqliteState) -> None:
    """This node's file is made and taken away, the other nodes are told, and both are audited."""
    state.heard(Node("n1", NOW))
    killed = (await client.post("/kill", json={"reason": "it burns"})).json()
    assert killed == {"killed": True, "changed": True, "nodes_told": True, "problem": None}
    assert data.kill.exists()
    assert (word := state.killed()) is not None and word.killed
    assert (await client.post("/kill", json={"reason": "over", "off": True})).json()["changed"] is True
    assert not data.kill.exists()
    assert (word := state.killed()) is not None and not word.killed
    assert [action for _, action, _, _ in audited(data)] == ["kill", "kill.off"]


async def test_the_kill_switch_needs_no_state(client: httpx.AsyncClient, data: DataDir) -> None:
    """With the state broken, this node's file is made all the same, and the answer says who was not told."""
    data.state.write_bytes(b"no database" * 100)
    killed = (await client.post("/kill", json={"reason": "it burns"})).json()
    assert (killed["changed"], killed["nodes_told"]) == (True, False)
    assert "hint" in killed["problem"]
    assert data.kill.exists()
    assert (await client.post("/rollouts/triage/rollback", json={"reason": "x"})).status_code == 503


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"origin": "https://evil.example", "content-type": "application/json"}, b'{"reason":"x"}', 403),
        ({"origin": "null", "content-type": "application/json"}, b'{"reason":"x"}', 403),
        ({"content-type": "text/plain"}, b'{"reason":"x"}', 415),
        ({}, b'{"reason":"x"}', 415),
        ({"content-type": "application/json"}, b"{}", 400),
        ({"content-type": "application/json"}, b'{"reason":""}', 400),
        ({"content-type": "application/json"}, b'{"reason":"x","more":1}', 400),
        ({"content-type": "application/json"}, b"{", 400),
    ],
)
async def test_what_another_sites_page_could_send(
    client: httpx.AsyncClient, data: DataDir, headers: dict[str, str], content: bytes, status: int
) -> None:
    """A page of another site, a form, and an order without a reason change nothing."""
    answer = await client.post("/kill", headers=headers, content=content)
    assert answer.status_code == status, answer.text
    assert not data.kill.exists()


async def test_there_are_four_verbs(client: httpx.AsyncClient) -> None:
    """Any other word is refused."""
    assert (await client.post("/rollouts/triage/destroy", json={"reason": "x"})).status_code == 400


async def test_a_rollback_that_the_table_does_not_show(
    client: httpx.AsyncClient, data: DataDir, state: SqliteState
) -> None:
    """It is decided, and a 409 says that this node goes on serving the candidate, and names `kill`."""
    data.routing.write_bytes(served(PPM // 20))
    with held(data):
        answer = await client.post("/rollouts/triage/rollback", json={"reason": "smells"})
        data.routing.write_bytes(served(0))
        again = await client.post("/rollouts/triage/rollback", json={"reason": "smells"})
    assert (answer.status_code, answer.json()["outcome"]) == (409, "taken")
    assert "still gives triage's candidate 5 %" in answer.json()["problem"]
    assert "`crossfade kill`" in answer.json()["problem"]
    assert state.rollouts()["triage"].weight_ppm == 0
    assert (again.status_code, again.json()["problem"]) == (200, "")
