"""The console in a real Chromium: what is pressed is done, with a script and without, and what apps wrote is only text.

Debian's Chromium (`apt-get install chromium`), driven by Playwright; axe-core looks for what people cannot use.
"""

import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from gateway.admin.auth import Door
from gateway.console.app import add_console
from gateway.control.operations import orders
from gateway.control.state.sqlite import SqliteState
from gateway.node import labels
from gateway.node.database import opened, read_audit
from policies.rollout import command
from policies.terms import Verb
from tests.fakes.exchanges import chat_answer, chat_request
from tests.rooms.admin_pages import app_over, pages
from tests.rooms.console_house import RESULTS, ConsoleHouse, house, stand
from tests.rooms.looks import CANARY, NOW, told
from tests.rooms.payloads import PAYLOADS
from tests.rooms.waiting import await_true

CHROMIUM = shutil.which(os.environ.get("CHROMIUM", "chromium"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is here: apt-get install chromium"),
]
PATHS = (
    "/", "/routes/triage", "/routes/triage?view=history", "/routes/triage?view=policy", "/routes/triage/report",
    "/routes/triage/hold", "/pairs", "/label", "/label?route=triage&by=ada", "/traffic", "/unrouted", "/readiness",
    "/data", "/cost", "/judge", "/system", "/audit", "/keys", "/kill",
)  # fmt: skip
THEMES = ("light", "dark")


@dataclass(slots=True)
class Site:
    """A console that is served, and a browser to look at it."""

    home: ConsoleHouse
    address: str
    browser: Any
    """Playwright's."""

    @contextmanager
    def open(self, path: str = "/", *, script: bool = True, **options: Any) -> Iterator[Any]:
        """A page that is open; whatever it complains of fails the test."""
        context = self.browser.new_context(java_script_enabled=script, **options)
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        try:
            page.goto(self.address + path)
            yield page
        finally:
            context.close()
        assert complaints == []


@contextmanager
def served(home: ConsoleHouse, port: int = 0) -> Iterator[str]:
    """The console on a port; it has begun when its address is given, and is gone with the last of its streams."""
    found = pages(home.data, keeps=True)
    app = app_over(found, Door())
    add_console(app, found, Door())
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    await_true(lambda: server.started, "the console serves")
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright is here: make setup")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


@pytest.fixture
def site(tmp_path: Path, browser: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A little of everything, and nobody who leads."""
    monkeypatch.setattr(orders, "ROLLBACK_S", 0.0)
    monkeypatch.setattr(orders, "ANSWER_S", 0.0)
    with house(tmp_path) as home:
        home.furnish()
        stand(home.data)
        with served(home) as address:
            yield Site(home, address, browser)


def actions(home: ConsoleHouse) -> list[str]:
    """What the audit log has of what was done."""
    with opened(home.data.state) as state:
        return [entry.action for entry in read_audit(state)]


QUESTIONS = {
    "Why is it not promoted?": (("triage",), ("It waits for errors", "Inconclusive")),
    "What did it get wrong?": (("disagreements", "PAIR", "Inline"), ("urgency", "low", "high")),
    "What did it save?": (("details",), ("saved",)),
    "Who raised it?": (("triage", "History"), ("ada", "checked by hand")),
    "What is not eligible, and why?": (("triage", "REASON"), ("ineligible", "images")),
    "When will it move?": (("triage",), ("units to go",)),
    "Where do judge and comparator disagree?": (("judge against comparator", "PAIR"), ("judge", "json_fields")),
    "Is anything lost?": (("System",), ("lost",)),
}
"""Question -> what is clicked, from `/` on, and words of the answer; docs/console.md lists the same."""
PLACES = {"PAIR": "main [data-rows] th a", "REASON": "dt:has-text('images') + dd a"}
"""Links that are called after what they lead to."""
"""Links that are called after what they lead to."""


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_three_clicks_away(site: Site, question: str) -> None:
    """Each of the eight questions is answered by what at most three links lead to, without a script."""
    clicks, words = QUESTIONS[question]
    pair = site.home.ask(told=json.dumps({"team": "billing"}))
    scores = '{"json_fields":{"q":-0.5,"agree":0.5},"judge":{"q":1.0}}'
    site.home.compare(pair, chat_answer(json.dumps({"team": "sales"})), metric="judge", q=1.0, scores_json=scores)
    site.home.record()
    state = SqliteState(site.home.data.state)
    raised = command(CANARY, Verb.PROMOTE, now=NOW, by="cli:ada", reason="checked by hand", seen=RESULTS)
    state.add_decision(told(raised))
    state.close()
    with site.open("/", script=False) as page:
        assert len(clicks) <= 3
        for name in clicks:
            place = PLACES.get(name)
            links = page.get_by_role("link", name=name) if place is None else page.locator(place)
            links.first.click()
        text = page.inner_text("main").lower()
    assert [word for word in words if word.lower() not in text] == []


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_rollback_is_said_with_a_reason(site: Site, *, script: bool) -> None:
    """From the route's page two clicks and a reason take all traffic back; without a reason nothing happens."""
    with site.open("/routes/triage", script=script) as page:
        page.get_by_role("link", name="Roll back").click()
        page.get_by_role("button", name="Roll back").click()  # the browser asks for the reason
        assert page.url.endswith("/rollback")
        assert "rollout.rollback" not in actions(site.home)
        page.get_by_label("Why?").fill("answers are wrong since noon")
        page.get_by_role("button", name="Roll back").click()
        page.wait_for_url("**view=history")
        assert "answers are wrong since noon" in page.inner_text("main")
    assert actions(site.home).count("rollout.rollback") == 1


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_kill_and_back(site: Site, *, script: bool) -> None:
    """The kill switch is on with a reason and says so on every page, and off again."""
    with site.open("/kill", script=script) as page:
        page.locator("textarea").fill("the engine burns")
        page.locator("main form button").first.click()
        page.wait_for_url(f"{site.address}/")
        assert site.home.data.kill.exists()
        assert "the engine burns" in page.inner_text(".killed")
        page.goto(f"{site.address}/kill")
        page.locator("textarea").fill("the engine is cold")
        page.locator("main form button").first.click()
        page.wait_for_url(f"{site.address}/")
        assert page.locator(".killed").count() == 0
    assert not site.home.data.kill.exists()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_pairs_are_labelled(site: Site, *, script: bool) -> None:
    """A vote by key, or by its button where no script runs, brings the next pair; undo takes it back."""

    def votes() -> int:
        with labels.opened(site.home.data.state) as state:
            return len(labels.stored(state))

    with site.open("/label?route=triage&by=ada", script=script) as page:
        if script:
            with page.expect_navigation():
                page.keyboard.press("ArrowLeft")
        else:
            page.get_by_role("button", name="Left is better").click()
        assert votes() == 1
        if script:
            with page.expect_navigation():
                page.keyboard.press("u")
        else:
            page.get_by_role("button", name="Undo").click()
        assert votes() == 0


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_view_is_kept(site: Site, *, script: bool) -> None:
    """A list with its filter is kept by name, stands in the side bar, and is forgotten there."""
    with site.open("/pairs?view=broken", script=script) as page:
        page.get_by_text("keep this view").click()
        page.get_by_label("Its name").fill("mine")
        page.get_by_role("button", name="Keep").click()
        page.get_by_role("link", name="mine").click()
        assert page.url.endswith("/pairs?view=broken")
        page.get_by_role("button", name="forget this view").click()
        assert page.get_by_role("link", name="mine").count() == 0


def test_the_theme_is_kept(site: Site) -> None:
    """Dark, light, as the system has it: chosen once, it holds for the next page."""
    with site.open("/", script=False) as page:
        page.get_by_role("button", name="dark").click()
        page.goto(f"{site.address}/cost")
        assert page.locator("html").get_attribute("data-theme") == "dark"


def test_keys_lead_about(site: Site) -> None:
    """`g c` goes to the money, `?` says the keys, `/` searches, and none of them while somebody types."""
    with site.open("/traffic") as page:
        page.keyboard.press("?")
        assert page.locator("dialog[open]").count() == 1
        page.keyboard.press("Escape")
        page.keyboard.press("/")
        page.keyboard.type("gc")
        assert page.url.endswith("/traffic")
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("g")
        page.keyboard.press("c")
        page.wait_for_url("**/cost")


def test_a_console_that_is_gone_says_so_and_comes_back(site: Site) -> None:
    """A page whose admin process is gone says within ten seconds since when; once there is one again, it is live."""
    with site.browser.new_context() as context:
        page = context.new_page()
        with served(site.home) as address:
            page.goto(address)
            page.locator("#live").wait_for(state="visible")
        page.locator("#stale").wait_for(state="visible", timeout=20_000)
        assert "Not live since" in page.inner_text("#stale")
        with served(site.home, int(address.rpartition(":")[2])):
            page.locator("#stale").wait_for(state="hidden", timeout=20_000)


def test_every_page_without_a_script(site: Site) -> None:
    """Each page is whole with JavaScript off: a heading, its text, and no word that only a script would fill."""
    with site.open("/", script=False) as page:
        for path in (*PATHS, f"/pairs/{site.home.ids[0]}", f"/traffic/{site.home.ids[0]}"):
            answer = page.goto(site.address + path)
            assert answer.status == 200, path
            assert page.locator("h1").count() == 1, path
            assert len(page.inner_text("main")) > 20, path


@pytest.mark.parametrize("width", [360, 800, 1024, 1200])
def test_no_page_is_wider_than_its_window(site: Site, width: int) -> None:
    """On a phone, a tablet and a small screen nothing has to be pushed aside to be read."""
    with site.open("/", viewport={"width": width, "height": 800}) as page:
        for path in (*PATHS, f"/pairs/{site.home.ids[0]}", f"/traffic/{site.home.ids[0]}"):
            page.goto(site.address + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious(site: Site, theme: str) -> None:
    """On no page does axe-core find what keeps people from using it; dark differs from light in its colours alone."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    rules = {} if theme == "light" else {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
    found: list[str] = []
    # axe is a script of elsewhere, which the console's own policy keeps out: for it alone the policy is set aside.
    with site.browser.new_context(color_scheme=theme, bypass_csp=True) as context:
        page = context.new_page()
        for path in (*PATHS, f"/pairs/{site.home.ids[0]}", f"/traffic/{site.home.ids[0]}"):
            page.goto(site.address + path)
            told = axe.run(page, options=rules).response["violations"]
            found += [
                f"{path}: {each['id']}: {each['nodes'][0]['html'][:160]}"
                for each in told if each["impact"] in ("serious", "critical")
            ]  # fmt: skip
    assert found == []


def test_what_apps_wrote_is_only_text(site: Site) -> None:
    """Six hundred payloads in prompts, answers, models, agents and names run nothing, and stand there as they are."""
    evil = PAYLOADS
    for start in range(0, len(evil), 60):
        text = "\n".join(evil[start : start + 60])
        tools = [{"type": "function", "function": {"name": evil[start + 1], "parameters": {}}}]
        name = site.home.ask(
            text, told=text, request=chat_request(text, model=evil[start], user=evil[start], tools=tools)
        )
        site.home.compare(name, chat_answer(f"{text}\nagain"), q=-1.0, reason=evil[start][:40])
    site.home.record()
    with site.open("/") as page:
        for name in site.home.ids[-len(range(0, len(evil), 60)) :]:
            for path in (f"/pairs/{name}", f"/pairs/{name}?mode=inline", f"/traffic/{name}"):
                page.goto(site.address + path)
                assert page.locator("main img, main script, main iframe, main object, main [onerror]").count() == 0
        page.goto(f"{site.address}/pairs/{name}?mode=side")
        said = page.inner_text("main")
        assert all(" ".join(each.split())[:30] in " ".join(said.split()) for each in evil[-6:])
        for path in ("/", "/traffic", "/pairs", "/routes/triage/report", "/label?route=triage&by=ada", "/unrouted"):
            page.goto(site.address + path)
            assert page.locator("main img, main script, main iframe").count() == 0


def test_another_sites_page_changes_nothing(site: Site, tmp_path: Path) -> None:
    """A form and a request of another origin, from the same browser, are refused; nothing is done."""
    page_of_theirs = (
        f"<form method=post action='{site.address}/kill'><input name=reason value='long enough a reason'>"
        f"<button>go</button></form>"
    )
    with site.browser.new_context() as context:
        page = context.new_page()
        page.route("http://evil.example/**", lambda route: route.fulfill(body=page_of_theirs, content_type="text/html"))
        page.goto("http://evil.example/")
        page.locator("button").click()
        page.wait_for_load_state()
        assert "another site" in page.inner_text("body")
        page.goto("http://evil.example/")
        status = page.evaluate(
            "url => fetch(url, {method: 'POST', body: '{\"reason\": \"x\"}',"
            " headers: {'content-type': 'text/plain'}, mode: 'no-cors'}).then(() => 'sent', () => 'not sent')",
            f"{site.address}/api/v1/kill",
        )
        assert status in ("sent", "not sent")
    assert not site.home.data.kill.exists()
    assert actions(site.home) == []
