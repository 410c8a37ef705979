"""Whether OpenAI's API is where an upstream's URL says, as servers of several kinds answer."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.config.settings import Upstream
from gateway.doctor.api import asked
from tests.fakes.raw_http import Message
from tests.fakes.raw_upstream import Call, RawUpstream, answer
from tests.fakes.thread import in_thread
from tests.fakes.upstream import FakeUpstream

KEY = "sk-planted-of-the-upstream"
LIST = b'{"object": "list", "data": [{"id": "a"}, {"id": "b"}]}'
PAGE = b"<!doctype html>"
WEB_SITE: Mapping[tuple[bytes, bytes], tuple[bytes, bytes]] = {
    (b"GET", b"/v1/models"): (b"200 OK", PAGE),
    (b"POST", b"/v1/chat/completions"): (b"200 OK", PAGE),
    (b"POST", b"/v1/completions"): (b"200 OK", PAGE),
    (b"POST", b"/v1/responses"): (b"200 OK", PAGE),
    (b"POST", b"/v1/embeddings"): (b"200 OK", PAGE),
}


@dataclass(slots=True)
class Paths:
    """A server that has these paths, and answers 404 at all others."""

    there: Mapping[tuple[bytes, bytes], tuple[bytes, bytes]]
    heard: list[Message] = field(default_factory=list[Message])

    async def __call__(self, call: Call) -> None:
        self.heard.append(call.request)
        status, body = self.there.get((call.request.method, call.request.target), (b"404 Not Found", b"{}"))
        await call.send(answer(body, status=status))


@contextmanager
def serving(paths: Paths) -> Iterator[str]:
    with in_thread(RawUpstream(paths)) as raw:
        yield raw.base_url


@pytest.mark.parametrize(
    ("there", "level", "says"),
    [
        ({(b"GET", b"/v1/models"): (b"200 OK", LIST)}, "ok", "answers: 2 models"),
        ({(b"POST", b"/v1/chat/completions"): (b"400 Bad Request", b"{}")}, "ok", "has chat/completions, and no list"),
        ({(b"POST", b"/v1/embeddings"): (b"422 Unprocessable", b"{}")}, "ok", "has embeddings, and no list of models"),
        ({(b"GET", b"/v1/models"): (b"401 Unauthorized", b"{}")}, "ok", "whether the path is right cannot be told"),
        ({(b"GET", b"/v1/models"): (b"503 Unavailable", b"{}")}, "warning", "answers HTTP 503"),
        ({(b"GET", b"/v1/models"): (b"307 Elsewhere", b"{}")}, "warning", "answers HTTP 307"),
        ({(b"GET", b"/models"): (b"200 OK", LIST)}, "failure", "HTTP 404 at /models, nothing at /chat/completions"),
        (WEB_SITE, "failure", "no list of models at /models, nothing at /chat/completions"),
    ],
)
def test_what_servers_answer(there: Mapping[tuple[bytes, bytes], tuple[bytes, bytes]], level: str, says: str) -> None:
    """A list of models or any word on a request without content is the API; nothing there is a failure with a hint."""
    with serving(Paths(there)) as url:
        found = asked("upstreams.a", Upstream(base_url=url), {})
    assert found.level == level
    assert says in found.message
    assert bool(found.hint) == (level != "ok")


def test_a_wrong_base_path_is_a_failure() -> None:
    """OpenAI's own API below a path that it does not have fails; where it is, it is well."""
    with in_thread(FakeUpstream(require_key=False)) as upstream:
        here, elsewhere = (
            asked("upstreams.a", Upstream(base_url=url), {})
            for url in (upstream.base_url, upstream.base_url.replace("/v1", "/v2"))
        )
    assert (here.level, elsewhere.level) == ("ok", "failure")
    assert "is the path of base_url right?" in elsewhere.hint


def test_its_own_key_and_headers_are_sent_and_never_said(tmp_path: Path) -> None:
    """The upstream's key goes with the question; refused, it fails; an unsendable one is not quoted."""
    path = tmp_path / "key"
    path.write_text(KEY)
    paths = Paths({(b"GET", b"/v1/models?x=1"): (b"401 Unauthorized", b"{}")})
    with serving(paths) as url:
        refused = asked("upstreams.a", Upstream(base_url=url, api_key_file=path, query={"x": "1"}), {})
        unsendable = asked("upstreams.a", Upstream(base_url=url, api_key_env="K"), {"K": f"{KEY}\nb"})
        beside = asked("upstreams.a", Upstream(base_url=url, headers={"api-key": KEY}, query={"x": "1"}), {})
    assert paths.heard[0].get(b"authorization") == f"Bearer {KEY}".encode()
    assert paths.heard[-1].get(b"api-key") == KEY.encode()
    assert {each.level for each in (refused, unsendable, beside)} == {"failure"}
    assert "refuses the upstream's own key: HTTP 401" in refused.message
    assert not any(KEY in f"{each.message}{each.hint}" for each in (refused, unsendable, beside))


def test_a_server_that_breaks_off_is_a_failure() -> None:
    """What accepts a connection and speaks no HTTP is not well."""

    async def hangs_up(call: Call) -> None:
        await call.send(b"SSH-2.0\r\n")
        call.writer.close()

    with in_thread(RawUpstream(hangs_up)) as raw:
        found = asked("upstreams.a", Upstream(base_url=raw.base_url), {})
    assert (found.level, bool(found.message), bool(found.hint)) == ("failure", True, True)
