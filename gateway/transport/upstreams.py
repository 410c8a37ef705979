"""The upstreams of a routing table, made ready: where to connect, and how a request's head reads there."""

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote, urlsplit

from gateway.transport.key_file import FileStamp, file_stamp, read_key
from gateway.transport.message import HOP_BY_HOP, LENGTH_MARK, Head, Preamble
from gateway.transport.outgoing import Target
from gateway.transport.trust import trusting
from policies.routing import Upstream
from policies.upstream_kinds import KINDS, Kind

_FRONT_PROXYS = (
    b"cf-connecting-ip", b"cf-connecting-ipv6", b"cf-ipcountry", b"cf-ray", b"cf-visitor", b"true-client-ip",
)  # fmt: skip
"""What Cloudflare says to its origin, which is us where it stands in front: a provider behind Cloudflare, as OpenAI is,
answers each request that has the first of them with 403, "error 1000", since it takes it for a loop.
Source: developers.cloudflare.com, "Error 1000: DNS points to prohibited IP" and "HTTP request headers"."""
_CHAIN = b"x-forwarded-for"
_CHAIN_BYTES = 100
"""A provider behind Cloudflare answers a request with a longer one, or with two, as a loop, too (same source). One that
is so long was written by several proxies in front of us, and tells a provider about them, not about the app; cut short
it would name another one as the user."""
_DROPPED = (*HOP_BY_HOP, *_FRONT_PROXYS, b"host", b"expect", b"x-crossfade-variant", b"x-crossfade-no-train")
CREDENTIALS = (b"authorization", b"api-key", b"x-api-key")
CANDIDATE_PASSES = (b"traceparent", b"tracestate", b"x-client-request-id")
PAST_CACHES = b"\r\ncache-control: no-cache\r\nx-portkey-cache-force-refresh: true\r\ncf-aig-skip-cache: true"
"""What a repeated request says to whoever keeps answers on the way: the standard's word, and those of gateways that
have one of their own. Helicone keeps only what it is asked to; LiteLLM's proxy goes by its key (docs/shadow.md).
Sources: RFC 9111 §5.2.1.4; the references of headers of Portkey and of Cloudflare's AI Gateway."""
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
        if target == b"*":  # of the server as a whole (RFC 9110 §9.3.7)
            return target
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
        dropped = request.one_hop(self.replaced)
        chain = request.get(_CHAIN)
        if chain is not None and (len(chain) > _CHAIN_BYTES or request.count(_CHAIN) > 1):
            dropped = (*dropped, _CHAIN)
        lines = request.changed(dropped, instead)
        if not request.has(b"host"):
            lines = b"\r\nHost: " + self.host + lines
        return b"%b %b HTTP/1.1%b%b\r\n\r\n" % (request.method, self.path(request.target), lines, self.own)

    def tunnel_head(self, request: Preamble) -> bytes:
        """The head of a WebSocket upgrade: as `head`, with the upgrade in it."""
        head = Head(self.head(request)[:-4])
        lines = head.changed((b"content-length", b"transfer-encoding"), {})  # what follows is the tunnel's, not a body
        first_line = head.raw[: len(head.raw) - len(head.lines)]
        return first_line + lines + b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

    def candidate_head(self, path: bytes, asked: Preamble) -> bytes:
        """The head of a request of our own making, its length a `LENGTH_MARK`: nothing of the app's but its trace.

        `path`: as routes know it. How the app wrote it, and the query behind it, are between the app and its frontier:
        an engine redirects or does not know what ends with a slash, and a query may hold a key.
        """
        traced = [b"\r\n%b: %b" % (name, value) for name in CANDIDATE_PASSES if (value := asked.get(name)) is not None]
        return self._own_head(self.path(path), LENGTH_MARK, b"".join(traced))

    def background_head(self, target: bytes, body: bytes, *, past_caches: bool = False) -> bytes:
        """The head of a request that nobody waits for: nothing of any app's. `past_caches`: no kept answer will do."""
        return self._own_head(self.path(target), b"%d" % len(body), PAST_CACHES if past_caches else b"")

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
    trust = _TrustStores()
    return {
        upstream.name: _made_ready(upstream, trust, environment, pass_credentials=pass_credentials)
        for upstream in upstreams
    }


@dataclass(frozen=True, slots=True)
class _Made:
    """What one upstream was made into, and of what."""

    upstream: Upstream
    pass_credentials: bool
    stamps: tuple[FileStamp, ...]
    destination: Destination
    problem: str


class UpstreamSet:
    """The upstreams of one table after another, made ready.

    Rules:
    1. What did not change stays the same object: its connections are kept, and counted, over every table.
    2. One that cannot be made ready is out alone: requests to it fail as `Failure.NOT_READY`. If it was ready before,
       and the table says of it what it said then, it goes on with what could be read last.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._trust = _TrustStores()
        self._made: dict[str, _Made] = {}

    @property
    def problems(self) -> dict[str, str]:
        """What is wrong, by the upstream's name; it says which file or setting, never a secret."""
        return {name: made.problem for name, made in self._made.items() if made.problem}

    def changed(self) -> bool:
        """Whether a key or CA file is not what it was when it was read."""
        return any(_stamps(made.upstream) != made.stamps for made in self._made.values())

    def ready(self, upstreams: Iterable[Upstream], *, pass_credentials: bool) -> dict[str, Destination]:
        """Each upstream by its name. `pass_credentials`: an app's key goes to an upstream that has none of its own."""
        made = {upstream.name: self._make(upstream, pass_credentials=pass_credentials) for upstream in upstreams}
        self._made = made
        return {name: found.destination for name, found in made.items()}

    def _make(self, upstream: Upstream, *, pass_credentials: bool) -> _Made:
        before, stamps = self._made.get(upstream.name), _stamps(upstream)
        said = (upstream, pass_credentials)
        same = before is not None and (before.upstream, before.pass_credentials) == said
        if before is not None and same and before.stamps == stamps:
            return before
        problem = ""
        try:
            found = _made_ready(upstream, self._trust, self._environment, pass_credentials=pass_credentials)
        except UpstreamError as error:
            problem = str(error)
            found = before.destination if before is not None and same else _out(upstream)
        if before is not None and found.target.terms == before.destination.target.terms:
            found = replace(found, target=before.destination.target)
        return _Made(upstream, pass_credentials, stamps, found, problem)


def _out(upstream: Upstream) -> Destination:
    """Stands for an upstream that cannot be made ready."""
    return Destination(
        name=upstream.name, kind=upstream.kind, target=Target("", 0, out=True), host=b"", base=b"", query=b"", own=b"",
        replaced=(*_DROPPED, *CREDENTIALS), own_credential=True,
    )  # fmt: skip


def _stamps(upstream: Upstream) -> tuple[FileStamp, ...]:
    """What changes when one of its files does."""
    return tuple(file_stamp(path) for path in (upstream.api_key_file, upstream.ca_file) if path is not None)


class _TrustStores:
    """TLS contexts, one for each CA file as it is now: a context takes long to make."""

    def __init__(self) -> None:
        self._contexts: dict[str | None, tuple[FileStamp, ssl.SSLContext]] = {}

    def context(self, upstream: Upstream) -> ssl.SSLContext:
        """As the upstream's CA file says, or the system's.

        Raises:
            UpstreamError: it cannot be read.
        """
        stamp = () if upstream.ca_file is None else file_stamp(upstream.ca_file)
        known = self._contexts.get(upstream.ca_file)
        if known is None or known[0] != stamp:
            known = self._contexts[upstream.ca_file] = (stamp, _context(upstream))
        return known[1]


def _made_ready(
    upstream: Upstream, trust: _TrustStores, environment: Mapping[str, str], *, pass_credentials: bool
) -> Destination:
    try:
        found = _ready(upstream, trust, environment)
    except ValueError as error:  # a port, an address or a path that is none
        raise UpstreamError(f"upstream {upstream.name}: {error}") from error
    return found if pass_credentials else _without_credentials(found)


def _without_credentials(found: Destination) -> Destination:
    more = [name for name in CREDENTIALS if name not in found.replaced]
    return replace(found, replaced=(*found.replaced, *more))


def _ready(upstream: Upstream, trust: _TrustStores, environment: Mapping[str, str]) -> Destination:
    url = urlsplit(upstream.base_url)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise UpstreamError(f"upstream {upstream.name}: base_url must be http://… or https://…")
    secure = url.scheme == "https"
    target = Target(
        host=url.hostname,
        port=url.port or (443 if secure else 80),
        tls=trust.context(upstream) if secure else None,
        uds=upstream.uds,
        proxy=_proxy(upstream),
        connect_s=upstream.connect_s,
        idle_s=upstream.idle_s,
        age_s=KINDS[upstream.kind].age_s,
        max_connections=upstream.max_connections,
    )
    own = [(name.encode(), value.encode()) for name, value in upstream.headers.items()]
    secret = _secret(upstream, environment)
    if secret is not None:
        own.append((b"authorization", b"Bearer " + secret))
    replaced = {name.lower() for name, _ in own}
    own_credential = not replaced.isdisjoint(CREDENTIALS)
    if own_credential:
        replaced.update(CREDENTIALS)
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
        context = trusting(upstream.ca_file)
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
            found = read_key(upstream.api_key_file)
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
