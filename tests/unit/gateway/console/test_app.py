"""The console as a browser without a script has it, over records that the real recorder wrote."""

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from gateway.admin.api import create_app
from gateway.admin.auth import SIGN_IN, Door, digest
from gateway.admin.guard import Guard
from gateway.cli.main import main
from gateway.console import pages as site
from gateway.console import words
from gateway.console.app import add_console, csv_lines
from gateway.node.database import opened, read_audit
from gateway.node.supervisor_status import SupervisorStatus
from tests.rooms.admin_pages import pages
from tests.rooms.console_house import ORIGIN, ConsoleHouse, house, read, send, stand, visitor

TOKEN = "a-token-of-some-length"
VIEWER = "another-token-that-looks"
LISTS = ["/", "/routes/triage", "/pairs", "/traffic", "/unrouted", "/data", "/cost", "/system", "/audit", "/keys",
         "/routes/triage/report", "/readiness", "/judge"]  # fmt: skip
FORMS = ["/routes/triage/hold", "/kill"]
CLICKS = 2


@pytest.fixture
def home(tmp_path: Path) -> Iterator[ConsoleHouse]:
    with house(tmp_path) as found:
        yield found


@pytest.fixture
def full(home: ConsoleHouse) -> ConsoleHouse:
    home.furnish()
    stand(home.data)
    return home


def every(home: ConsoleHouse) -> list[str]:
    return [*LISTS, *FORMS, f"/pairs/{home.ids[0]}", f"/traffic/{home.ids[0]}", "/routes/triage?view=history"]


async def test_every_page_answers_with_its_headers(full: ConsoleHouse) -> None:
    """Each page is whole HTML with one heading, under a policy that lets no script or style of elsewhere in."""
    async with visitor(full.data) as client:
        for path in every(full):
            answer = await client.get(path)
            assert answer.status_code == 200, (path, answer.text)
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["cache-control"] == "no-store"
            page = read(answer.text)
            assert [tag for tag, _ in page.tags].count("h1") == 1, path
            assert not [attrs for _, attrs in page.tags if "style" in attrs or any(n.startswith("on") for n in attrs)]
            sources = [attrs["src"] for tag, attrs in page.tags if tag == "script"]
            assert all(str(source).startswith("/console/static/") for source in sources)


async def test_every_link_leads_somewhere(full: ConsoleHouse) -> None:
    """No page, and none that it leads to, has a link of ours that ends in an error; links that differ in values alone
    are tried once.
    """

    def shape(link: str) -> tuple[str, ...]:
        path, _, query = link.partition("?")
        return (re.sub("[0-9a-f-]{36}", "ID", path), *sorted(word.partition("=")[0] for word in query.split("&")))

    async with visitor(full.data) as client:
        shapes: set[tuple[str, ...]] = set()
        ahead = [*every(full), f"/pairs/{full.ids[0]}?view=disagreements&asked=candidate&since=7d"]
        for _ in range(CLICKS):
            found: dict[tuple[str, ...], str] = {}
            for path in ahead:
                answer = await client.get(path)
                assert answer.status_code == 200, path
                if "html" in answer.headers["content-type"]:
                    found |= {shape(link): link for link in read(answer.text).links() if link.startswith("/")}
            ahead = [link for each, link in found.items() if each not in shapes]
            shapes |= found.keys()
        assert len(shapes) > 60


async def test_pages_of_an_empty_house_say_why(home: ConsoleHouse) -> None:
    """Without a record, a rollout or a leader every page is there, and says what to do."""
    async with visitor(home.data) as client:
        for path in [*LISTS, "/kill"]:
            answer = await client.get(path)
            assert answer.status_code == 200, path
        assert "OPENAI_BASE_URL=http://127.0.0.1:8080/v1" in (await client.get("/traffic")).text
        assert "unknown" in read((await client.get("/")).text).words
        home.data.supervisor_status.parent.mkdir(parents=True, exist_ok=True)
        status = SupervisorStatus(1, "1", 0.0, "0.0.0.0:9180", "", stopping=False, processes=(), reload=None)
        home.data.supervisor_status.write_bytes(msgspec.json.encode(status))
        assert "OPENAI_BASE_URL=http://127.0.0.1:9180/v1" in (await client.get("/traffic")).text


@pytest.mark.parametrize(
    "path", ["/?phaze=canary", "/pairs?rout=x", "/traffic?q=modelx:x", "/audit?since=1h", "/keys?x=1"]
)
async def test_unknown_words_are_refused_with_a_hint(full: ConsoleHouse, path: str) -> None:
    """A word that a page does not understand is a 400 that says what there is: it is never left out silently."""
    async with visitor(full.data) as client:
        answer = await client.get(path)
        assert answer.status_code == 400
        said = read(answer.text).words
        assert "did you mean" in said or "there are" in said or "takes none" in said


@pytest.mark.parametrize(
    "path",
    ["/pairs?since=soon", "/pairs?page=0", "/pairs?sort=x", "/traffic?status=9", "/traffic?q=ttft:fast",
     "/traffic?q=hello", "/routes/triage?view=x", "/pairs?view=x", "/traffic?text=x&since=30d",
     "/traffic?route=a&route=b"],
)  # fmt: skip
async def test_words_that_cannot_be_read(full: ConsoleHouse, path: str) -> None:
    """A value out of its bounds is a 400, for people and for programs."""
    async with visitor(full.data) as client:
        assert (await client.get(path)).status_code == 400
        twin = path.replace("?", ".json?", 1)
        answer = await client.get(twin)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")


async def test_what_is_not_there(full: ConsoleHouse) -> None:
    """A page, a route, a pair that are not there are a 404 with a way back; for programs it is JSON."""
    async with visitor(full.data) as client:
        for path in ("/nope", "/routes/nope", f"/pairs/{full.ids[-1]}", "/pairs/x", "/traffic/x", "/routes/triage/fly"):
            answer = await client.get(path)
            assert answer.status_code == 404, path
            assert "/" in read(answer.text).links()
        missing = await client.get("/nope", headers={"accept": "application/json"})
        assert missing.json()["error"]["code"] == "not_found"


async def test_twins_say_what_the_api_says(full: ConsoleHouse) -> None:
    """A page's JSON is the API's own answer, and its CSV has the same rows."""
    async with visitor(full.data) as client:
        pair, exchange = full.ids[0], full.ids[1]
        for page, api in {
            "/cost.json?since=24h": "/cost?since=24h", "/unrouted.json": "/unrouted?limit=100", "/data.json": "/data",
            f"/pairs/{pair}.json": f"/comparisons/{pair}", f"/traffic/{exchange}.json": f"/exchanges/{exchange}",
            "/system.json": "/system", "/judge.json": "/judges",
        }.items():  # fmt: skip
            ours, theirs = (await client.get(page)).json(), (await client.get(f"/api/v1{api}")).json()
            for each in (ours, theirs):
                each.pop("since", None)
            assert ours == theirs, page
        listed = (await client.get("/traffic.json")).json()
        rows = list(csv.DictReader(io.StringIO((await client.get("/traffic.csv")).text)))
        assert [row["id"] for row in rows] == [each["id"] for each in listed["exchanges"]]
        assert listed["n"] == len(rows) == len(full.ids)


async def test_money_adds_up_everywhere(full: ConsoleHouse) -> None:
    """The cost page, its CSV, the API and the records themselves agree to the cent."""
    async with visitor(full.data) as client:
        rows = list(csv.DictReader(io.StringIO((await client.get("/cost.csv")).text)))
        api = (await client.get("/api/v1/cost")).json()
        ledger = sum(float(row[0]) for row in full.place.rows("cost_usd") if row[0] is not None)
        assert ledger > 0
        assert sum(float(row["cost_usd"]) for row in rows if row["cost_usd"]) == pytest.approx(ledger)
        assert api["cost_usd"] == pytest.approx(ledger)
        assert api["saved_usd"] > 0
        assert f"Spent{words.money(ledger)}" in read((await client.get("/cost")).text).plain


async def test_the_command_line_says_the_same(full: ConsoleHouse, capsys: pytest.CaptureFixture[str]) -> None:
    """What `crossfade records stats` and `crossfade routes` count and price is what the pages count and price."""
    async with visitor(full.data) as client:
        cost = (await client.get("/cost.json?since=all")).json()
        unrouted = (await client.get("/unrouted.json?since=all")).json()["groups"]
    folder = str(full.data.root)
    assert main(["records", "stats", "--data", folder, "--json"]) == 0
    stats = json.loads(capsys.readouterr().out)
    assert sum(each["exchanges"] for each in stats) == sum(day["exchanges"] for day in cost["days"])
    assert sum(each["cost_usd"] or 0 for each in stats) == pytest.approx(cost["cost_usd"])
    assert main(["routes", "--data", folder, "--json"]) == 0
    kinds = json.loads(capsys.readouterr().out)
    assert [(each["model"], each["requests"], each["system"]) for each in kinds] == [
        (each["model"], each["requests"], each["system"]) for each in unrouted
    ]


def test_formulas_are_no_formulas() -> None:
    """A text that a spreadsheet would run begins with an apostrophe; numbers stay numbers."""
    rows = list(
        csv.reader(
            io.StringIO(
                "".join(csv_lines([{"a": "=1+1", "b": -0.5, "c": "+x", "d": "@y", "e": "-z", "f": 'fine, "yes"'}]))
            )
        )
    )
    assert rows == [["a", "b", "c", "d", "e", "f"], ["'=1+1", "-0.5", "'+x", "'@y", "'-z", 'fine, "yes"']]


# Changing something ------------------------------------------------------------------------------------------------


def audited(home: ConsoleHouse) -> list[tuple[str, str, str, str]]:
    with opened(home.data.state) as local:
        return [(each.actor, each.action, each.subject, each.reason) for each in read_audit(local)]


async def test_the_kill_switch(full: ConsoleHouse) -> None:
    """Killing wants a reason, is in the log, shows on every page, and is taken back the same way."""
    async with visitor(full.data) as client:
        refused = await send(client, "/kill", reason="short")
        assert (refused.status_code, full.data.kill.exists()) == (400, False)
        killed = await send(client, "/kill", reason="the frontier is on fire")
        assert (killed.status_code, killed.headers["location"]) == (303, "/")
        assert full.data.kill.exists()
        assert "the frontier is on fire" in (await client.get("/pairs")).text
        assert (await send(client, "/kill", reason="it is out again")).status_code == 303
        assert not full.data.kill.exists()
    assert [each[:2] for each in audited(full)] == [("console", "kill"), ("console", "kill.off")]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"origin": "https://evil.example"}, {}),
        ({"origin": "null"}, {}),
        ({}, {}),
        ({"origin": ORIGIN, "sec-fetch-site": "cross-site"}, {}),
        ({"origin": ORIGIN}, {"word": "0" * 64}),
        ({"origin": ORIGIN}, {"word": ""}),
        ({"origin": ORIGIN, "content-type": "application/json"}, {}),
    ],
)
async def test_pages_of_other_sites_change_nothing(
    full: ConsoleHouse, headers: dict[str, str], body: dict[str, str]
) -> None:
    """A form without our word, or from another page than ours, is refused, and nothing is changed."""
    async with visitor(full.data) as client:
        for path in ("/kill", "/routes/triage/rollback", "/theme", "/sign-out"):
            carried = read((await client.get("/kill")).text).forms()
            answer = await client.post(path, data=carried | {"reason": "a good reason"} | body, headers=headers)
            assert answer.status_code in (403, 415), path
    assert not full.data.kill.exists()
    assert audited(full) == []


def touched(root: Path) -> dict[Path, int]:
    files = [path for path in root.rglob("*") if path.is_file() and "state.db" not in path.name]
    return {path: path.stat().st_mtime_ns for path in files}


async def test_looking_changes_nothing(full: ConsoleHouse) -> None:
    """No GET of any page leaves a trace in state, log or files."""
    before = {
        path: path.stat().st_mtime_ns
        for path in full.data.root.rglob("*")
        if path.is_file() and "state.db" not in path.name
    }
    async with visitor(full.data) as client:
        for path in every(full):
            await client.get(path)
    after = {
        path: path.stat().st_mtime_ns
        for path in full.data.root.rglob("*")
        if path.is_file() and "state.db" not in path.name
    }
    assert after == before
    assert audited(full) == []


def test_every_page_says_who_may_see_it(full: ConsoleHouse) -> None:
    """The inventory: no page without a declared access; signing in alone is public, and forms are an operator's."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    add_console(app, pages(full.data), Door())
    found: dict[str, str] = {}
    for route in app.routes:
        assert isinstance(route, APIRoute)
        (guard,) = [each.dependency for each in route.dependencies if isinstance(each.dependency, Guard)]
        for method in route.methods:
            found[f"{method} {route.path}"] = guard.access
    public = {name for name, access in found.items() if access == "public"}
    assert public == {f"GET {SIGN_IN}", f"POST {SIGN_IN}", "GET /console/static/{name}"}
    forms = {page.path for page in site.PAGES if page.is_form}
    assert {name for name, access in found.items() if access == "operator"} == {f"POST {path}" for path in forms}
    assert {name for name in found if name.startswith("POST") and found[name] == "viewer"} == {
        "POST /theme",
        "POST /sign-out",
    }


# Signing in --------------------------------------------------------------------------------------------------------


async def sign_in(client: httpx.AsyncClient, token: str, target: str = "/") -> httpx.Response:
    return await client.post(SIGN_IN, data={"token": token, "next": target}, headers={"origin": ORIGIN})


async def test_a_token_becomes_a_session(full: ConsoleHouse) -> None:
    """The admin token is exchanged for a cookie that scripts cannot read; with it pages show and forms work."""
    async with visitor(full.data, Door(digest(TOKEN), digest(VIEWER))) as client:
        assert (await client.get("/")).status_code == 401
        assert (await client.get(SIGN_IN)).status_code == 200
        wrong = await sign_in(client, "no-token-at-all-really")
        assert (wrong.status_code, "set-cookie" in wrong.headers) == (401, False)
        good = await sign_in(client, TOKEN, "/pairs?since=all")
        assert (good.status_code, good.headers["location"]) == (303, "/pairs?since=all")
        cookie = good.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert TOKEN not in cookie
        assert (await client.get("/")).status_code == 200
        assert (await send(client, "/kill", reason="with a session")).status_code == 303
        carried = read((await client.get("/")).text).forms()
        ended = await client.post("/sign-out", data={"word": carried["word"]}, headers={"origin": ORIGIN})
        assert (ended.status_code, "Max-Age=0" in ended.headers["set-cookie"]) == (303, True)


async def test_a_viewer_only_looks(full: ConsoleHouse) -> None:
    """With the viewer's token every page shows, no verb is offered, and none is taken."""
    async with visitor(full.data, Door(digest(TOKEN), digest(VIEWER))) as client:
        assert (await sign_in(client, VIEWER)).status_code == 303
        shown = await client.get("/routes/triage")
        assert shown.status_code == 200
        assert "/routes/triage/rollback" not in read(shown.text).links()
        assert (await send(client, "/kill", reason="a viewer's wish")).status_code == 403
        assert (await client.post("/api/v1/kill", json={"reason": "x"})).status_code == 403
    assert not full.data.kill.exists()


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:x", "/a\nb"]
)
async def test_nobody_is_sent_elsewhere(full: ConsoleHouse, target: str) -> None:
    """Signing in leads to a page of ours, whatever the link says."""
    async with visitor(full.data, Door(digest(TOKEN))) as client:
        assert (await sign_in(client, TOKEN, target)).headers["location"] == "/"


async def test_the_theme_is_the_browsers_own(full: ConsoleHouse) -> None:
    """Light or dark is a cookie of the browser's; a form without a script chooses it."""
    async with visitor(full.data) as client:
        word = read((await client.get("/")).text).forms()["word"]
        chosen = await client.post(
            "/theme", data={"word": word, "theme": "dark", "next": "/cost"}, headers={"origin": ORIGIN}
        )
        assert (chosen.status_code, chosen.headers["location"]) == (303, "/cost")
        assert 'data-theme="dark"' in (await client.get("/cost")).text


async def test_live_words_are_those_of_the_page(full: ConsoleHouse) -> None:
    """What the script puts into a page is told by its name; a page is loaded again when its mark is no longer told."""
    async with visitor(full.data) as client:
        for path, query in (("/", {}), ("/routes/triage", {"route": "triage"})):
            page = read((await client.get(path)).text)
            (body,) = [attrs for tag, attrs in page.tags if tag == "body"]
            told = (await client.get("/console/live", params=query)).json()
            assert {str(attrs["data-live"]) for _, attrs in page.tags if "data-live" in attrs} <= set(told)
            assert body["data-mark"] == told["mark"]
        full.data.kill.touch()
        assert (await client.get("/console/live")).json()["mark"] != told["mark"]
        static = read((await client.get("/traffic")).text)
        assert [attrs["data-mark"] for tag, attrs in static.tags if tag == "body"] == [""]


async def test_a_state_in_ruins(full: ConsoleHouse) -> None:
    """With the state or the records in ruins pages say so, and those that need neither are there."""
    full.data.state.write_bytes(b"no database" * 100)
    for path in (full.data.records / "exchanges").glob("date=*/*.parquet"):
        path.unlink()
        path.mkdir()
    async with visitor(full.data) as client:
        assert (await client.get("/audit")).status_code == 503
        assert (await client.get("/traffic")).status_code == 503
        first = await client.get("/")
        assert first.status_code == 200
        assert "shared state cannot be used" in first.text
        assert (await client.get("/traffic.json")).json()["error"]["code"] == "unavailable"


def test_the_api_alone_is_documented(full: ConsoleHouse) -> None:
    """The API's document does not list the console's pages: those are for people."""
    served = pages(full.data)
    app = create_app(served, Door(), version="1")
    add_console(app, served, Door())
    assert all(path.startswith("/api/") for path in app.openapi()["paths"])
