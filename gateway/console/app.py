"""The console on the admin port: pages rendered here, their twins for programs, and forms that change something.

Rules:
1. Nothing is shown that the admin API does not have: pages get `Pages` and no other source.
2. A GET changes nothing. What changes something is a form of ours: it carries our word, and comes from our own page.
3. Everything works without a script; the one script there is saves reloads and knows keys.
"""

import csv
import io
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import parse_qsl, quote

import duckdb
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import (
    HTMLResponse,
    JSONResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.exceptions import HTTPException as StarletteHTTPException

from gateway import clock
from gateway.admin import sessions
from gateway.admin.api import Pages
from gateway.admin.auth import SIGN_IN, STATIC, Access, Door, is_elsewhere
from gateway.admin.filters import FilterError
from gateway.admin.guard import Guard, credentials
from gateway.admin.problems import on_http_error
from gateway.admin.queries import TooSlowError, read_at
from gateway.console import pages as site
from gateway.console import views
from gateway.console.ask import EXPORTED, Ask, AskError, ConsolePage, Row, Shown, understood
from gateway.console.foot import foot_of
from gateway.console.live import LiveFeed
from gateway.console.render import Renderer
from gateway.control.state.port import StateDownError
from gateway.node.database import StateError
from gateway.node.saved_views import is_ours

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; "
        "trusted-types 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # `no-referrer` would make our own forms' Origin null
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
THEMES = ("light", "dark")
THEME = "crossfade_theme"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Console:
    """The pages over one admin API."""

    pages: Pages
    door: Door
    is_secure: bool
    renderer: Renderer = field(default_factory=Renderer)
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    """Of the words in forms: a page from before a restart is refused, and says to load it again."""

    # What a page is asked ------------------------------------------------------------------------------------------

    def ask(self, request: Request, page: ConsolePage, form: dict[str, str] | None = None) -> Ask:
        """The question in a request.

        Raises:
            FilterError: it has words that the page does not understand, or one twice.
        """
        items = [(name, value) for name, value in request.query_params.multi_items() if value]
        given = dict(items)
        if len(given) < len(items):
            raise FilterError("a word stands twice. hint: each once")
        understood(given, page.words)
        theme = request.cookies.get(THEME, "")
        path = request.url.path
        for suffix in (".json", ".csv"):
            path = path.removesuffix(suffix) if page.has_json or page.rows else path
        return Ask(
            self.pages, path, given, clock.wall(), self.door.role(credentials(request), now=clock.wall()) or "viewer",
            self.word(request), {name: str(value) for name, value in request.path_params.items()}, form or {},
            theme if theme in THEMES else "",
        )  # fmt: skip

    def word(self, request: Request) -> str:
        """What a form of ours carries for this session."""
        return sessions.form_word(self.key, sessions.read(request.headers.get("cookie", "")))

    # What is shown -------------------------------------------------------------------------------------------------

    def html(self, page: ConsolePage) -> Callable[..., Response]:
        """A page as HTML."""

        def answer(request: Request) -> Response:
            read_at.set(None)
            try:
                ask = self.ask(request, page)
                return self.shown(ask, page, page.show(ask))
            except _TROUBLE as trouble:
                return self.trouble(request, trouble)

        return answer

    def json(self, page: ConsolePage) -> Callable[..., Response]:
        """The same for programs: what the API has, unchanged."""

        def answer(request: Request) -> Response:
            try:
                view = page.show(self.ask(request, page)).view
            except _TROUBLE as trouble:
                status, text = _told(trouble)
                return on_http_error(request, HTTPException(status, text))
            text = "{}" if view is None else view.model_dump_json()
            return Response(text, media_type="application/json", headers=HEADERS)

        return answer

    def csv(self, page: ConsolePage) -> Callable[..., Response]:
        """The page's rows as CSV, streamed."""

        def answer(request: Request) -> Response:
            try:
                ask = self.ask(request, page)
                lines = csv_lines(page.rows(ask) if page.rows else ())
                first = next(lines, "")
            except _TROUBLE as trouble:
                status, text = _told(trouble)
                return on_http_error(request, HTTPException(status, text))
            name = quote(ask.path.strip("/").replace("/", "-") or "routes")
            headers = HEADERS | {"content-disposition": f'attachment; filename="{name}.csv"'}
            return StreamingResponse(_chained(first, lines), media_type="text/csv; charset=utf-8", headers=headers)

        return answer

    def form(self, page: ConsolePage) -> Callable[..., Response]:
        """A form that changes something; our own pages alone may send it."""

        def answer(request: Request, filled: Annotated[dict[str, str], Depends(self.filled)]) -> Response:
            try:
                ask = self.ask(request, page, filled)
                return self.shown(ask, page, page.show(ask))
            except _TROUBLE as trouble:
                return self.trouble(request, trouble)

        return answer

    async def filled(self, request: Request) -> dict[str, str]:
        """What was filled in.

        Raises:
            HTTPException: it does not come from our own page, or nobody who may change anything sends it.
        """
        self.check_form(request)
        items = parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=100)
        found = {name: value.strip() for name, value in items}
        many = [value for name, value in items if name == "tag"]
        if not secrets.compare_digest(found.pop("word", "").encode(), self.word(request).encode()):
            raise HTTPException(403, "this page is from before a restart or another sign-in. hint: load it again")
        return found | ({"tag": ",".join(many)} if many else {})

    def check_form(self, request: Request) -> None:
        """Refuse what another site's page can send.

        Raises:
            HTTPException: so it is.
        """
        headers = request.headers
        origin, site_ = headers.get("origin", ""), headers.get("sec-fetch-site", "same-origin")
        if not origin or is_elsewhere(origin=origin, host=headers.get("host", "")) or site_ != "same-origin":
            raise HTTPException(403, "a page of another site changes nothing here")
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
            raise HTTPException(415, "this takes a form")

    def shown(self, ask: Ask, page: ConsolePage, found: Shown) -> Response:
        """A page's content as an answer."""
        if found.see:
            return RedirectResponse(found.see, 303, headers=HEADERS)
        text = self.renderer.page(
            found.template, ask=ask, page=page, title=found.title, nav=page.nav, now=ask.now, site=site.NAV,
            foot=foot_of(ask.pages.data, now=ask.now), has_door=self.door.token_sha256 is not None, view=found.view,
            saved=views.listed(ask), built_in=views.BUILT_IN, read_at=read_at.get() or ask.now,
            **found.context,
        )  # fmt: skip
        return HTMLResponse(text, found.status, headers=HEADERS)

    def trouble(self, request: Request, error: Exception) -> Response:
        """Why there is no page."""
        status, text = _told(error)
        message, _, hint = text.partition(" hint: ")
        role = self.door.role(credentials(request), now=clock.wall())
        ask = Ask(self.pages, request.url.path, {}, clock.wall(), role or "viewer", self.word(request))
        page = ConsolePage(request.url.path, lambda _: Shown("error", ""))
        context = {"message": message, "hint": hint, "status": status, "is_known": role is not None}
        return self.shown(ask, page, Shown("error", f"{status}", context, status=status))

    # Signing in ----------------------------------------------------------------------------------------------------

    def sign_in(self, request: Request) -> Response:
        """Where an admin token is exchanged for a session."""
        return self._sign_in(request.query_params.get("next", ""), "", 200)

    async def signed_in(self, request: Request) -> Response:
        """The exchange; it needs the token and is no use to another site, which does not know it."""
        self.check_form(request)
        found = dict(parse_qsl((await request.body()).decode("utf-8", "replace"), max_num_fields=10))
        role = self.door.role_of_token(found.get("token", "").strip())
        if role is None:
            return self._sign_in(found.get("next", ""), "This is not an admin token of this gateway.", 401)
        value = self.door.session(role, now=clock.wall())
        cookie = {"set-cookie": sessions.header(value, is_secure=self.is_secure)}
        return RedirectResponse(_own(found.get("next", "")), 303, headers=HEADERS | cookie)

    def sign_out(self) -> Callable[..., Response]:
        """The session's end."""

        def answer(_: Annotated[dict[str, str], Depends(self.filled)]) -> Response:
            cookie = {"set-cookie": sessions.header("", is_secure=self.is_secure)}
            return RedirectResponse(SIGN_IN, 303, headers=HEADERS | cookie)

        return answer

    def theme(self) -> Callable[..., Response]:
        """Light, dark, or as the system has it: kept by the browser alone."""

        def answer(filled: Annotated[dict[str, str], Depends(self.filled)]) -> Response:
            chosen = filled.get("theme", "")
            age_s = 31_536_000 if chosen in THEMES else 0
            kept = chosen if age_s else ""
            cookie = {"set-cookie": f"{THEME}={kept}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age_s}"}
            return RedirectResponse(_own(filled.get("next", "")), 303, headers=HEADERS | cookie)

        return answer

    def _sign_in(self, target: str, problem: str, status: int) -> Response:
        text = self.renderer.page("sign_in", target=_own(target), problem=problem, theme="")
        return HTMLResponse(text, status, headers=HEADERS)

    def live(self, route: str | None = None) -> Response:
        """What changes by itself, by the name it has in the pages: words, as the pages say them."""
        told = self.look(route)
        return JSONResponse(told, 503 if "problem" in told else 200, headers=HEADERS)

    def look(self, route: str | None) -> dict[str, str]:
        """The same as a value; a trouble is told as one."""
        try:
            return site.live(self.pages, route, clock.wall())
        except _TROUBLE as trouble:
            return {"problem": _told(trouble)[1]}

    def events(self) -> Callable[..., Any]:
        """The same as a stream."""
        feed = LiveFeed(self.look, clock.monotonic)

        async def answer(route: str | None = None) -> Response:
            try:
                feed.enter()
            except AskError as full:
                return JSONResponse({"problem": str(full)}, full.status, headers=HEADERS)
            return StreamingResponse(feed.events(route), media_type="text/event-stream", headers=HEADERS)

        return answer

    def static(self, name: str, request: Request) -> Response:
        """The stylesheet, the script."""
        file = self.renderer.static.get(name)
        if file is None:
            raise HTTPException(404, "there is no such file")
        is_named = request.query_params.get("v") == file.sha256[:12]
        caching = "public, max-age=31536000, immutable" if is_named else "no-cache"
        return Response(
            file.content, media_type=TYPES[name.rpartition(".")[2]], headers=HEADERS | {"cache-control": caching}
        )


_TROUBLE = (
    AskError, FilterError, TooSlowError, StateError, StateDownError, StarletteHTTPException, duckdb.Error,
)  # fmt: skip


def add_console(app: FastAPI, pages: Pages, door: Door, *, is_secure: bool = False) -> None:
    """Put the console's pages beside the API's; each says who may see it."""
    console = Console(pages, door, is_secure)

    def add(path: str, answer: Callable[..., Any], access: Access, method: str = "GET") -> None:
        app.add_api_route(
            path, answer, methods=[method], dependencies=[Depends(Guard(door, access, is_form=method == "POST"))],
            include_in_schema=False, response_model=None,
        )  # fmt: skip

    for page in site.PAGES:
        twin = "/routes" if page.path == "/" else page.path
        if page.is_form:
            add(page.path, console.form(page), "operator", "POST")
            continue
        if page.has_json:
            add(f"{twin}.json", console.json(page), "viewer")
        if page.rows is not None:
            add(f"{twin}.csv", console.csv(page), "viewer")
    for page in site.PAGES:
        if not page.is_form:
            add(page.path, console.html(page), "viewer")
    add(SIGN_IN, console.sign_in, "public")
    add(SIGN_IN, console.signed_in, "public", "POST")
    add("/sign-out", console.sign_out(), "viewer", "POST")
    add("/theme", console.theme(), "viewer", "POST")
    add("/console/live", console.live, "viewer")
    add("/console/events", console.events(), "viewer")
    add(f"{STATIC}{{name}}", console.static, "public")

    def on_error(request: Request, error: Exception) -> Response:
        is_page = not request.url.path.startswith("/api/") and "text/html" in request.headers.get("accept", "")
        return console.trouble(request, error) if is_page else on_http_error(request, error)

    app.add_exception_handler(StarletteHTTPException, on_error)


def csv_lines(rows: Iterable[Row]) -> Iterator[str]:
    """CSV (RFC 4180). A text that a spreadsheet would take for a formula begins with an apostrophe."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    for place, row in enumerate(rows):
        if place == EXPORTED:
            return
        if place == 0:
            writer.writerow(row)
        writer.writerow([_cell(value) for value in row.values()])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _chained(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _told(error: Exception) -> tuple[int, str]:
    if isinstance(error, StarletteHTTPException):
        return error.status_code, str(error.detail)
    if isinstance(error, AskError):
        return error.status, str(error)
    if isinstance(error, FilterError):
        return 400, str(error)
    what = "the shared state" if isinstance(error, StateError | StateDownError) else "the records"
    return 503, f"{what} cannot be read now: {error}"


def _own(target: str) -> str:
    """A page of ours; what leads elsewhere leads to the first page."""
    return target if is_ours(target) else "/"
