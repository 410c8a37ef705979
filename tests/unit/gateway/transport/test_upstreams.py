"""How a request's head reads at each upstream, and which upstreams cannot be made ready."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from gateway.transport.message import LENGTH_MARK, Preamble
from gateway.transport.upstreams import Destination, UpstreamError, make_ready
from policies.routing import Upstream


def one(*, passes: bool = True, environment: dict[str, str] | None = None, **fields: Any) -> Destination:
    """The one upstream, made ready."""
    upstream = Upstream("u", fields.pop("base_url", "http://u.example/v1"), **fields)
    return make_ready([upstream], environment or {}, pass_credentials=passes)["u"]


def preamble(*lines: bytes, method: bytes = b"POST", target: bytes = b"/v1/x") -> Preamble:
    return Preamble(b"\r\n".join((b"%b %b HTTP/1.1" % (method, target), *lines)), method, target)


def lines_of(head: bytes) -> list[bytes]:
    assert head.endswith(b"\r\n\r\n")
    return head[:-4].split(b"\r\n")


APP = (b"Host: gateway", b"X-A: 1", b"Authorization: Bearer app", b"api-key: app", b"X-B:  spaced ", b"x-a: 2")


def test_a_head_is_the_apps_but_for_the_host() -> None:
    """Order, case, repetition and white space stay; the Host is the upstream's, in its place."""
    assert lines_of(one().head(preamble(*APP))) == [
        b"POST /v1/x HTTP/1.1", b"Host: u.example", b"X-A: 1", b"Authorization: Bearer app", b"api-key: app",
        b"X-B:  spaced ", b"x-a: 2",
    ]  # fmt: skip


def test_an_app_without_a_host_gets_one() -> None:
    """HTTP/1.0 apps may leave it out; the upstream needs it."""
    assert lines_of(one().head(preamble(b"X: 1"))) == [b"POST /v1/x HTTP/1.1", b"Host: u.example", b"X: 1"]


@pytest.mark.parametrize(
    ("fields", "environment", "line"),
    [
        ({"api_key_env": "K"}, {"K": " sk-own\n"}, b"authorization: Bearer sk-own"),
        ({"headers": {"api-key": "azure"}}, {}, b"api-key: azure"),
        ({"headers": {"Authorization": "Basic x"}}, {}, b"Authorization: Basic x"),
    ],
)
def test_an_upstreams_own_credential_replaces_every_other(
    fields: dict[str, Any], environment: dict[str, str], line: bytes
) -> None:
    """Whatever the app shows, in any header, the upstream sees its own key alone."""
    found = one(environment={"K": environment["K"].strip()} if environment else {}, **fields)
    assert found.own_credential
    shown = [part for part in lines_of(found.head(preamble(*APP))) if b"key" in part.lower() or b"auth" in part.lower()]
    assert shown == [line]


def test_a_key_file_is_read_when_the_table_is(tmp_path: Path) -> None:
    """White space around a key in a file does not matter."""
    path = tmp_path / "key"
    path.write_bytes(b" sk-file\n")
    assert b"authorization: Bearer sk-file" in lines_of(one(api_key_file=str(path)).head(preamble(*APP)))


def test_a_gateway_key_goes_nowhere() -> None:
    """Where keys are the gateway's own, no upstream gets the app's, with or without one of its own."""
    found = one(passes=False)
    assert not found.own_credential
    assert not any(b"app" in line for line in lines_of(found.head(preamble(*APP))))


def test_headers_of_one_hop_stay_here() -> None:
    """What is of the app's hop goes, but for what is as true of ours."""
    kept = lines_of(
        one().head(
            preamble(
                b"Host: g", b"Connection: keep-alive", b"Keep-Alive: timeout=5", b"TE: trailers", b"Trailer: X",
                b"Proxy-Connection: x", b"Transfer-Encoding: chunked", b"x-crossfade-variant: candidate",
                b"Expect: 100-continue", b"X-Last: 1",
            )
        )
    )  # fmt: skip
    assert kept == [
        b"POST /v1/x HTTP/1.1", b"Host: u.example", b"Connection: keep-alive", b"Transfer-Encoding: chunked",
        b"X-Last: 1",
    ]  # fmt: skip


@pytest.mark.parametrize("said", [b"close, X-Hop, Content-Length", b"x-hop", b"X-HOP , close"])
def test_what_connection_names_goes_but_for_the_length(said: bytes) -> None:
    """An app may name its own headers as of one hop, never the one that frames its body."""
    kept = lines_of(one().head(preamble(b"Host: g", b"Connection: " + said, b"X-Hop: 1", b"Content-Length: 5")))
    assert kept == [b"POST /v1/x HTTP/1.1", b"Host: u.example", b"Content-Length: 5"]


def test_a_tunnels_head_has_the_upgrade_and_no_length() -> None:
    """The upgrade is written anew; what follows the head is the tunnel's."""
    found = lines_of(
        one().tunnel_head(
            preamble(
                b"Host: g", b"Connection: keep-alive, Upgrade", b"Upgrade: websocket", b"Content-Length: 5",
                b"Sec-WebSocket-Key: k", method=b"GET",
            )
        )
    )  # fmt: skip
    assert found == [
        b"GET /v1/x HTTP/1.1", b"Host: u.example", b"Sec-WebSocket-Key: k", b"Connection: Upgrade",
        b"Upgrade: websocket",
    ]  # fmt: skip


def test_a_candidates_head_is_of_our_own_making() -> None:
    """Nothing of the app's but its trace goes to a candidate."""
    own = one(headers={"x-own": "1"})
    app = preamble(*APP, b"Cookie: c", b"traceparent: 00-1", b"OpenAI-Organization: o", b"X-Client-Request-Id: r")
    found = lines_of(own.candidate_head(b"/v1/x", app).replace(LENGTH_MARK, b"4"))
    assert found[0] == b"POST /v1/x HTTP/1.1"
    assert set(found[1:]) == {
        b"host: u.example", b"content-type: application/json", b"accept: application/json, text/event-stream",
        b"accept-encoding: identity", b"user-agent: crossfade", b"content-length: 4", b"traceparent: 00-1",
        b"x-client-request-id: r", b"x-own: 1",
    }  # fmt: skip


def test_what_a_cdn_in_front_of_us_says_to_us_goes_no_further() -> None:
    """A provider behind the same CDN would take the request for a loop; who asked for whom is still told."""
    said = [
        b"CF-Connecting-IP: 192.0.2.1", b"CF-Connecting-IPv6: 2001:db8::1", b"Cf-Ray: 230b030023ae2822-SJC",
        b"CF-IPCountry: DE", b'CF-Visitor: {"scheme":"https"}', b"True-Client-IP: 192.0.2.1",
    ]  # fmt: skip
    kept = [b"X-Forwarded-For: 192.0.2.1", b"CDN-Loop: cloudflare; loops=1"]  # the last must stay: RFC 8586, section 2
    found = lines_of(one().head(preamble(b"Host: g", *said, *kept)))
    assert found == [b"POST /v1/x HTTP/1.1", b"Host: u.example", *kept]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ([b"x" * 100], 1),
        ([b"x" * 101], 0),
        ([b"192.0.2.1", b"192.0.2.2"], 0),
        ([b"x" * 101, b"192.0.2.2"], 0),
        ([b""], 1),
    ],
)
def test_a_chain_of_proxies_that_a_cdn_takes_for_a_loop_goes_no_further(said: list[bytes], kept: int) -> None:
    """Up to a hundred bytes in one line tell who asked for whom; longer, or twice, it would cost the app its answer."""
    lines = [b"X-Forwarded-For: " + value for value in said]
    whole = [b"POST /v1/x HTTP/1.1", b"Host: u.example", *lines[:kept], b"A: b"]
    assert lines_of(one().head(preamble(b"Host: g", *lines, b"A: b"))) == whole
    named = preamble(b"Host: g", *lines, b"A: b", b"Connection: X-Forwarded-For")
    assert lines_of(one().head(named)) == [b"POST /v1/x HTTP/1.1", b"Host: u.example", b"A: b"]


@pytest.mark.parametrize(
    ("base_url", "query", "target", "gets"),
    [
        ("http://u/v1", {}, b"/v1/x?a=b", b"/v1/x?a=b"),
        ("http://u/v1/", {}, b"/x", b"/v1/x"),
        ("http://u", {}, b"/v1", b"/"),
        ("http://u", {}, b"/v1x/y", b"/v1x/y"),
        ("http://u/d", {"api-version": "1 2"}, b"/v1/x", b"/d/x?api-version=1%202"),
        ("http://u/d", {"v": "1"}, b"/v1/x?", b"/d/x?v=1"),
        ("http://u/d", {"v": "1"}, b"/v1/x?a", b"/d/x?a&v=1"),
    ],
)
def test_the_base_and_the_query_are_the_upstreams(
    base_url: str, query: dict[str, str], target: bytes, gets: bytes
) -> None:
    """`/v1` stands for the upstream's base, and its query goes behind the app's."""
    assert one(base_url=base_url, query=query).path(target) == gets


def test_where_to_connect() -> None:
    """Ports, TLS, sockets and proxies come from the table alone."""
    plain, secure = one().target, one(base_url="https://u.example:8443/v1").target
    assert (plain.host, plain.port, plain.tls) == ("u.example", 80, None)
    assert (secure.port, secure.tls is not None) == (8443, True)
    assert secure.tls is not None
    assert secure.tls.verify_mode is ssl.CERT_REQUIRED
    assert secure.tls.check_hostname
    assert one(base_url="https://u.example/v1").target.port == 443
    assert one(proxy="http://p.example:3128").target.proxy == ("p.example", 3128)
    assert one(uds="/run/s").target.uds == "/run/s"
    assert one(base_url="http://user:secret@u.example:81/v1").host == b"u.example:81"


def test_one_trust_store_is_read_once() -> None:
    """Upstreams that trust the same authorities share the context."""
    found = make_ready([Upstream("a", "https://a/"), Upstream("b", "https://b/")], {}, pass_credentials=True)
    assert found["a"].target.tls is found["b"].target.tls


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"base_url": "ftp://x"}, "base_url must be http"),
        ({"base_url": "http:///v1"}, "base_url must be http"),
        ({"base_url": "http://x:99999/"}, "upstream u: "),
        ({"base_url": "http://[x/"}, "upstream u: "),
        ({"proxy": "socks5://p:1"}, "proxy must be http://host:port"),
        ({"proxy": "http://p"}, "proxy must be http://host:port"),
        ({"api_key_file": "/nowhere/key"}, "api_key_file /nowhere/key: No such file"),
        ({"api_key_env": "UNSET"}, "API key is empty"),
        ({"base_url": "https://x/", "ca_file": "/nowhere/ca"}, "ca_file /nowhere/ca: No such file"),
    ],
)
def test_an_upstream_that_cannot_be_made_ready_says_why(fields: dict[str, Any], says: str) -> None:
    """The message names the upstream and the setting, never a secret."""
    with pytest.raises(UpstreamError, match=says):
        one(**fields)


def test_a_key_of_two_lines_is_no_key(tmp_path: Path) -> None:
    """A file with more than a key in it would be a header of the file's choosing."""
    path = tmp_path / "key"
    path.write_bytes(b"sk-1\r\nX-Evil: 1")
    with pytest.raises(UpstreamError, match="more than one line") as raised:
        one(api_key_file=str(path))
    assert "sk-1" not in str(raised.value)
