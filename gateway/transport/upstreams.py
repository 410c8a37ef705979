"""The upstreams of a routing table, made ready: where to connect, and how a request's head reads there."""

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, urlsplit

from gateway.transport.message import HOP_BY_HOP, LENGTH_MARK, Head, Preamble
from gateway.transport.outgoing import Target
from policies.routing import Upstream
from policies.upstream_kinds import Kind

_DROPPED = (*HOP_BY_HOP, b"host", b"expect", b"x-crossfade-variant", b"x-crossfade-no-train")
_CREDENTIALS = (b"authorization", b"api-key", b"x-api-key")
CANDIDATE_PASSES = (b"traceparent", b"tracestate", b"x-client-request-id")
_OWN_HEAD = (
    b"POST %b HTTP/1.1\r\nhost: %b\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\n"
    b"accept-encoding: identity\r\nuser-agent: crossfade\r\ncontent-length: %b%b%b\r\n\r\n"
)
"""Of a request of our own making: path, host, length, and more lines, each behind a CRLF."""


class UpstreamError(Exception):
    """An upstream cannot be made ready: its key file or its CA file is missing. The message says which."""


@dataclass(frozen=True, slots=True, eq=False)
class Destination:
    """One upstream, made ready."""

    name: str
    kind: Kind
    target: Target
    host: bytes
    base: bytes
    """Path that goes before a request's own; without a slash at its end."""
    query: bytes
    own: bytes
    """Header lines set on each request, each behind a CRLF; the upstream's own credential is among them."""
    replaced: tuple[bytes, ...]
    """Lower-case names of an app's headers that are not passed on."""
    own_credential: bool

    def path(self, target: bytes) -> bytes:
        """The request target there: `/v1` is what the app calls our base, and stands for theirs."""
        path, mark, query = target.partition(b"?")
        if path == b"/v1" or path.startswith(b"/v1/"):
            path = path[3:]
        if self.query:
            query = query + b"&" + self.query if query else self.query
            mark = b"?"
        return (self.base + path or b"/") + mark + query

    def head(self, request: Preamble) -> bytes:
        """The request's head as the baseline's upstream gets it: the app's own, but for what is of one hop."""
        instead = {b"host": self.host}
        said = request.get(b"connection")
        # Two are of this hop, and as true of ours: they stay in their place, so that the bytes stay the app's.
        if said is not None and said.lower() == b"keep-alive":
            instead[b"connection"] = said
        if request.chunked:
            instead[b"transfer-encoding"] = b"chunked"
        lines = request.changed(request.one_hop(self.replaced), instead)
        if not request.has(b"host"):
            lines = b"\r\nHost: " + self.host + lines
        return b"%b %b HTTP/1.1%b%b\r\n\r\n" % (request.method, self.path(request.target), lines, self.own)

    def tunnel_head(self, request: Preamble) -> bytes:
        """The head of a WebSocket upgrade: as `head`, with the upgrade in it."""
        head = Head(self.head(request)[:-4])
        lines = head.changed((b"content-length", b"transfer-encoding"), {})  # what follows is the tunnel's, not a body
        first_line = head.raw[: len(head.raw) - len(head.lines)]
        return first_line + lines + b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

    def candidate_head(self, asked: Preamble) -> bytes:
        """The head of a request of our own making, its length a `LENGTH_MARK`: nothing of the app's but its trace."""
        traced = [b"\r\n%b: %b" % (name, value) for name in CANDIDATE_PASSES if (value := asked.get(name)) is not None]
        return self._own_head(self.path(asked.target), LENGTH_MARK, b"".join(traced))

    def background_head(self, target: bytes, body: bytes) -> bytes:
        """The head of a request that nobody waits for: nothing of any app's."""
        return self._own_head(self.path(target), b"%d" % len(body))

    def page_head(self, path: bytes) -> bytes:
        """The head of a GET for a page of the server itself, beside its API: `/metrics`."""
        lines = b"GET %b HTTP/1.1\r\nhost: %b\r\nuser-agent: crossfade\r\naccept: */*"
        return lines % (self.base.removesuffix(b"/v1") + path, self.host) + self.own + b"\r\n\r\n"

    def _own_head(self, path: bytes, length: bytes, more: bytes = b"") -> bytes:
        return _OWN_HEAD % (path, self.host, length, more, self.own)


def make_ready(
    upstreams: Iterable[Upstream], environment: Mapping[str, str], *, pass_credentials: bool
) -> dict[str, Destination]:
    """Each upstream by its name. `pass_credentials`: an app's key goes to an upstream that has none of its own.

    Raises:
        UpstreamError: a file or variable that one of them names is not there.
    """
    contexts: dict[str | None, ssl.SSLContext] = {}
    ready: dict[str, Destination] = {}
    for upstream in upstreams:
        try:
            ready[upstream.name] = _ready(upstream, contexts, environment)
        except ValueError as error:  # a port, an address or a path that is none
            raise UpstreamError(f"upstream {upstream.name}: {error}") from error
    if pass_credentials:
        return ready
    return {name: _without_credentials(found) for name, found in ready.items()}


def _without_credentials(found: Destination) -> Destination:
    more = [name for name in _CREDENTIALS if name not in found.replaced]
    return replace(found, replaced=(*found.replaced, *more))


def _ready(
    upstream: Upstream, contexts: dict[str | None, ssl.SSLContext], environment: Mapping[str, str]
) -> Destination:
    url = urlsplit(upstream.base_url)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise UpstreamError(f"upstream {upstream.name}: base_url must be http://… or https://…")
    secure = url.scheme == "https"
    if secure and upstream.ca_file not in contexts:
        contexts[upstream.ca_file] = _context(upstream)
    target = Target(
        host=url.hostname,
        port=url.port or (443 if secure else 80),
        tls=contexts[upstream.ca_file] if secure else None,
        uds=upstream.uds,
        proxy=_proxy(upstream),
        connect_s=upstream.connect_s,
        idle_s=upstream.idle_s,
        max_connections=upstream.max_connections,
    )
    own = [(name.encode(), value.encode()) for name, value in upstream.headers.items()]
    secret = _secret(upstream, environment)
    if secret is not None:
        own.append((b"authorization", b"Bearer " + secret))
    replaced = {name.lower() for name, _ in own}
    own_credential = not replaced.isdisjoint(_CREDENTIALS)
    if own_credential:
        replaced.update(_CREDENTIALS)
    query = "&".join(f"{quote(name)}={quote(value)}" for name, value in upstream.query.items())
    return Destination(
        name=upstream.name,
        kind=upstream.kind,
        target=target,
        host=url.netloc.rpartition("@")[2].encode(),
        base=url.path.rstrip("/").encode(),
        query=query.encode(),
        own=b"".join(b"\r\n%b: %b" % header for header in own),
        replaced=(*_DROPPED, *replaced.difference(_DROPPED)),
        own_credential=own_credential,
    )


def _context(upstream: Upstream) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=upstream.ca_file)
    except OSError as error:
        raise UpstreamError(f"upstream {upstream.name}: ca_file {upstream.ca_file}: {error.strerror}") from error
    context.set_alpn_protocols(["http/1.1"])
    return context


def _proxy(upstream: Upstream) -> tuple[str, int] | None:
    if upstream.proxy is None:
        return None
    url = urlsplit(upstream.proxy)
    if url.scheme != "http" or not url.hostname or not url.port:
        raise UpstreamError(f"upstream {upstream.name}: proxy must be http://host:port")
    return url.hostname, url.port


def _secret(upstream: Upstream, environment: Mapping[str, str]) -> bytes | None:
    if upstream.api_key_file is not None:
        try:
            found = Path(upstream.api_key_file).read_bytes().strip()
        except OSError as error:
            message = f"upstream {upstream.name}: api_key_file {upstream.api_key_file}: {error.strerror}"
            raise UpstreamError(message) from error
    elif upstream.api_key_env is not None:
        found = environment.get(upstream.api_key_env, "").encode()
    else:
        return None
    if not found or b"\n" in found or b"\r" in found:
        raise UpstreamError(f"upstream {upstream.name}: its API key is empty or has more than one line")
    return found
