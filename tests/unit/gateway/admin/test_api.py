import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute

from gateway import clock
from gateway.admin.api import create_app
from gateway.admin.auth import Door, digest
from gateway.admin.guard import Guard
from gateway.node import keys
from gateway.node.database import opened
from gateway.node.datadir import DataDir, prepare
from gateway.node.keys import Actor
from policies.routing import Lease, Route, Table, Upstream, Variant, encode
from records.store import Store
from tests.fakes.exchanges import exchange_id
from tests.rooms.admin_pages import connected, pages
from tests.rooms.stored_records import keep, record

TOKEN = "a-token-of-some-length"
READ = [
    "/rollouts", "/rollouts/{route}", "/rollouts/{route}/gates", "/decisions", "/decisions/{decision_id}",
    "/comparisons", "/comparisons/{exchange_id}", "/feedback", "/judges", "/labels", "/labels/queue",
    "/readiness", "/exchanges", "/exchanges/{exchange_id}",
    "/figures/{route}", "/policies", "/weights", "/cost", "/unrouted", "/data", "/keys", "/audit", "/system", "/views",
    "/openapi.json",
]  # fmt: skip
WRITE = ["/rollouts/{route}/{verb}", "/keys/{key}/revoke", "/kill", "POST /labels", "POST /views",
         "/views/{name}/remove"]  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    return prepare(tmp_path)


@pytest.fixture
async def client(data: DataDir) -> AsyncIterator[httpx.AsyncClient]:
    async with connected(data, Door()) as found:
        yield found


def test_every_page_says_who_may_see_it(data: DataDir) -> None:
    """The inventory: no page but these, none without a declared access; what changes anything is an operator's POST."""
    routes = create_app(pages(data), Door(), version="1").routes
    found: dict[str, tuple[str, set[str]]] = {}
    for route in routes:
        assert isinstance(route, APIRoute)
        (guard,) = [each.dependency for each in route.dependencies if isinstance(each.dependency, Guard)]
        name = route.path.removeprefix("/api/v1")
        found[f"POST {name}" if name in found else name] = (guard.access, route.methods)
    assert len(found) == len(routes)
    assert found == {path: ("viewer", {"GET"}) for path in READ} | {path: ("operator", {"POST"}) for path in WRITE}


def filled(path: str) -> str:
    return path.removeprefix("POST ").format(
        exchange_id=exchange_id(1), route="triage", decision_id="d1", verb="hold", key="k", name="n"
    )


@pytest.mark.parametrize("path", [*READ, *WRITE])
async def test_no_page_without_the_token(data: DataDir, path: str) -> None:
    """With a token configured, each page answers 401 in the shape of OpenAI's errors to who does not send it."""
    method, body = ("POST", {"reason": "x"}) if path in WRITE else ("GET", None)
    async with connected(data, Door(digest(TOKEN))) as client:
        refused = await client.request(method, filled(path), json=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "admin_refused")
        passed = await client.request(method, filled(path), json=body, headers={"authorization": f"Bearer {TOKEN}"})
        assert passed.status_code in (200, 400, 404, 409, 503)


async def test_a_name_from_elsewhere_is_refused(client: httpx.AsyncClient) -> None:
    """Without a token, a web page's own name for this port reads nothing."""
    refused = await client.get("/keys", headers={"host": "evil.example"})
    assert (refused.status_code, refused.json()["error"]["type"]) == (403, "crossfade_error")


async def test_rollouts_come_from_the_table(client: httpx.AsyncClient, data: DataDir) -> None:
    """Rollouts are what the routing table says, with the kill file beside it; without a table there is a 503."""
    assert (await client.get("/rollouts")).status_code == 503
    route = Route("r", Variant("openai"), candidate=Variant("vllm", "m", "1"), weight_ppm=250_000)
    upstreams = (Upstream("openai", "http://h"), Upstream("vllm", "http://h"))
    data.routing.write_bytes(encode(Table(7, Lease(1.0), upstreams, "openai", routes=(route,))))
    data.kill.touch()
    assert (await client.get("/rollouts")).json() == {
        "table_version": 7,
        "lease_renewed_at": 1.0,
        "killed": True,
        "leader": None,
        "nodes": [],
        "killed_nodes": [],
        "state_problem": None,
        "rollouts": [
            {
                "route": "r",
                "mode": "apply",
                "baseline": {"upstream": "openai", "model": None, "revision": None},
                "candidate": {"upstream": "vllm", "model": "m", "revision": "1"},
                "weight": 0.25,
                "standing": None,
            }
        ],
    }


async def test_keys_and_audit_show_no_key(client: httpx.AsyncClient, data: DataDir) -> None:
    """Keys are listed without the key and without its HMAC; the audit log says who made it."""
    key = keys.new_secret()
    fingerprint = keys.fingerprint(b"p" * 32, key)
    with opened(data.state) as state:
        keys.create(state, "team-a", fingerprint=fingerprint, scopes=("pin",), actor=Actor("ada", 1.0))
    listed, log = await client.get("/keys"), await client.get("/audit")
    assert [(each["name"], each["scopes"], each["revoked_at"]) for each in listed.json()] == [("team-a", ["pin"], None)]
    assert [(each["actor"], each["action"]) for each in log.json()] == [("ada", "keys.create")]
    assert key not in listed.text + log.text
    assert fingerprint not in listed.text + log.text


async def test_exchanges_are_paged_newest_first(client: httpx.AsyncClient, data: DataDir) -> None:
    """Pages of exchanges follow each other without a gap; the last one says so."""
    assert (await client.get("/exchanges")).json() == {"exchanges": [], "next_before": None}
    keep(Store(data.records), "a", *(record(number) for number in range(5)))
    first = (await client.get("/exchanges", params={"limit": 3})).json()
    second = (await client.get("/exchanges", params={"limit": 3, "before": first["next_before"]})).json()
    ids = [each["id"] for page in (first, second) for each in page["exchanges"]]
    assert ids == [exchange_id(number) for number in (4, 3, 2, 1, 0)]
    assert second["next_before"] is None
    assert (await client.get("/exchanges", params={"route": "nope"})).json()["exchanges"] == []


async def test_one_exchange_is_shown_whole(client: httpx.AsyncClient, data: DataDir) -> None:
    """An exchange is shown as it was recorded; one that is not there is a 404 that says why that may be."""
    keep(Store(data.records), "a", record(1))
    shown = (await client.get(f"/exchanges/{exchange_id(1)}")).json()["record"]
    assert (shown["id"], shown["status"]) == (exchange_id(1), 200)
    assert "question 1" in shown["request_json"]
    missing = await client.get(f"/exchanges/{exchange_id(2)}")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "path",
    [
        "/exchanges?limit=0",
        "/exchanges?limit=201",
        "/exchanges?before=x'--",
        "/exchanges?rout=support",
        "/comparisons?q=metric:x%20variant:candidate",
        "/cost?since=soon",
        "/exchanges/x",
        "/decisions?limit=0",
        "/comparisons?before=1",
        "/feedback?limit=x",
    ],
)
async def test_bad_questions(client: httpx.AsyncClient, path: str) -> None:
    """A parameter out of its bounds is refused in the shape of OpenAI's errors."""
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")


async def test_state_and_records_that_cannot_be_read(client: httpx.AsyncClient, data: DataDir) -> None:
    """A broken file is a 503 that names it, and no crash."""
    data.state.write_bytes(b"no database" * 100)
    folder = data.records / "exchanges" / "date=2026-11-18"
    folder.mkdir(parents=True)
    (folder / "0-a.parquet").mkdir()
    (data.records / "comparisons" / folder.name / "0-a.parquet").mkdir(parents=True)
    for path in ("/keys", "/exchanges", "/decisions", "/comparisons", "/readiness"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable"), path


async def test_readiness_of_every_route(client: httpx.AsyncClient, data: DataDir) -> None:
    """Each route has its verdict with every signal and check; one can be asked for alone."""
    keep(Store(data.records), "a", record(1, at=clock.wall() - 60), record(2, at=clock.wall() - 60, route="other"))
    found = (await client.get("/readiness")).json()["routes"]
    assert sorted((each["route"], each["verdict"]) for each in found) == [("other", "not yet"), ("support", "not yet")]
    assert [sign["name"] for sign in found[0]["signals"]] == ["spend", "speed", "plateau"]
    (alone,) = (await client.get("/readiness", params={"route": "other"})).json()["routes"]
    assert (alone["requests"], alone["retirement"]["shutdown_at"]) == (1, None)


async def test_unknown_pages(client: httpx.AsyncClient) -> None:
    """What is not there is a 404, and no page of documentation loads scripts from elsewhere."""
    for path in ("/nope", "/docs", "/redoc"):
        assert (await client.get(path)).json()["error"]["code"] == "not_found"
    assert set((await client.get("/openapi.json")).json()["paths"]) == {
        f"/api/v1{path.removeprefix('POST ')}" for path in READ + WRITE
    }


async def test_the_document_says_how_each_page_refuses(client: httpx.AsyncClient) -> None:
    """Each page names its refusals, all of the shape that errors have; every reference in the document leads there."""
    document = (await client.get("/openapi.json")).json()
    named = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert named - document["components"]["schemas"].keys() == set()
    for path in document["paths"].values():
        for method, operation in path.items():
            refusals = {status: json.dumps(told) for status, told in operation["responses"].items() if status > "4"}
            usual = {"400", "401", "403", "404", "503"}
            assert set(refusals) == (usual if method == "get" else usual | {"409", "415"})
            assert [status for status, told in refusals.items() if "schemas/ProblemView" not in told] == []
