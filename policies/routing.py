"""The routing table as a value: what a data-plane worker needs to serve, and nothing more.

The control plane publishes it as one file; workers read it, and never write it. The file is one JSON object,
`{"sha256": <of the bytes of "table">, "table": {...}}`, replaced atomically. It travels with mode 0600: upstream
headers may hold secrets.

Rules:
1. A table is whole or refused: wrong checksum, wrong shape or a newer format keep the last good one.
2. Weights are integers in parts per million, so that two processes never disagree by a rounding.
3. A table is as good as its lease (`Lease`): no lease, no candidate.
"""

import hashlib
from typing import Literal

import msgspec

from policies.upstream_kinds import IDLE_S, Kind

FORMAT = 1
"""The table's format. A worker that meets a newer one keeps its last good table."""

PPM = 1_000_000
"""A weight of one: all eligible traffic."""


MOST_MOVING = 64
"""Slices of a route that may be named: twice what is counted apart (`policies.slices`)."""
MOST_CHARS = 256
"""Of one slice's name: its dimension and its value."""


class RoutingError(Exception):
    """The bytes are not a routing table this process can serve from; the last good one stays."""


class Upstream(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A server we call."""

    name: str
    base_url: str
    """`scheme://host[:port][/base]`. A request for `/v1/x` goes to `base` + `/x`."""
    kind: Kind = "openai"
    api_key_file: str | None = None
    """Read by the worker; its content replaces the caller's Authorization. Without it: the caller's own key,
    or none at all for a candidate (a caller's key is for the baseline's upstream only)."""
    api_key_env: str | None = None
    headers: dict[str, str] = {}
    """Set on each request to it (Azure's api-key, Modal's proxy tokens)."""
    query: dict[str, str] = {}
    """Added to each request's query (Azure's api-version)."""
    proxy: str | None = None
    """`http://host:port` of a forward proxy; the environment's proxy variables are never read."""
    ca_file: str | None = None
    uds: str | None = None
    """Path of a Unix socket to connect to instead of the URL's host."""
    connect_s: float = 5.0
    idle_s: float = IDLE_S
    """Longest an unused connection is kept; must be below the server's own keep-alive time."""
    max_connections: int = 1024


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a request must look like to belong to a route: all that is stated must hold, a tuple means any of it."""

    model: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    header: dict[str, tuple[str, ...]] = {}
    """Lower-case names."""
    key: tuple[str, ...] = ()
    metadata: dict[str, tuple[str, ...]] = {}
    system_prompt_contains: tuple[str, ...] = ()
    system_prompt_sha256: tuple[str, ...] = ()
    model_like: tuple[str, ...] = ()
    """Models with stars (`policies.globs`)."""


class Eligible(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the candidate may be asked; everything else is the baseline's, counted with the reason."""

    max_input_bytes: int | None = None
    """`max_input_tokens` of the policy times the route's bytes per token: workers carry no tokenizer."""
    forbid: tuple[str, ...] = ()
    stateless: bool = False
    """A route that is declared stateless although the frontier is to keep its requests' answers."""
    is_engine: bool = True
    """The candidate is a server of our own: it fetches nothing whose host is not named."""
    media_hosts: tuple[str, ...] = ()
    """Hosts of media that it may fetch, `*.example.com` for all below one, `*` for all."""


class Variant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One way to answer a route."""

    upstream: str
    model: str | None = None
    """None: what the app asked for."""
    revision: str | None = None
    set: dict[str, msgspec.Raw] = {}
    """Top-level request fields to set, each with its JSON text."""
    drop: tuple[str, ...] = ()
    """Top-level request fields to remove."""
    first_byte_s: float | None = None
    """Longest wait for the first real token; None: the app's own deadline."""
    total_s: float | None = None
    report_model: Literal["requested", "actual"] = "requested"
    system_prompt: str | None = None
    """In the place of the app's; None: the app's own."""


class Assign(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What stays sticky: the first of `by` that a request carries, hashed with `salt`."""

    by: tuple[str, ...] = ("user", "conversation")
    salt: str = ""


class Breaker(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """When a worker stops asking a candidate by itself, at once."""

    consecutive: int = 5
    ratio: float = 0.2
    min_requests: int = 20
    window_s: float = 10.0
    open_s: float = 5.0
    max_open_s: float = 300.0


class CandidateLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How long and how often a candidate may keep an app waiting, policy or not. The controller fills it in.

    Passed before the first byte, the baseline answers and the candidate is charged with a failure.
    """

    connect_s: float = 3.0
    first_token_s: float = 10.0
    """Of a stream: from the request to the first real token."""
    whole_s: float = 120.0
    """Of an answer that is not streamed: from the request to its end."""
    between_tokens_s: float = 30.0
    """Longest silence within a stream that has begun."""
    stream_s: float = 600.0
    """Of a streamed answer: from the request to its end. A word now and then does not make it last."""
    patience_first_token_s: float | None = None
    """The baseline's p99 to the first token of a stream; an app that leaves later than this was kept waiting. None:
    not known yet."""
    patience_whole_s: float | None = None
    """The same, of whole answers."""
    patience_stream_s: float | None = None
    """How long a stream that has begun may last at whatever pace: beyond what the baseline's last. None: not known."""
    patience_byte_s: float | None = None
    """Longest that a byte of what a stream says may take, on average: one that has lasted for longer than both has
    failed. None: not known yet."""
    in_flight_ratio: float = 0.25
    """Share of a worker's `in_flight` that this route's candidate may hold; above it the baseline answers."""


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A kind of request that is rolled out by itself."""

    name: str
    baseline: Variant
    match: Match = Match()
    mode: Literal["observe", "apply", "bypass", "split"] = "apply"
    eligible: Eligible = Eligible()
    candidate: Variant | None = None
    weight_ppm: int = 0
    assign: Assign = Assign()
    breaker: Breaker = Breaker()
    limits: CandidateLimits = CandidateLimits()
    expose_variant: bool = True
    pin_keys: tuple[str, ...] = ()
    """Names of the keys that may pin a variant by header."""
    moves_by: str = ""
    """The dimension of the traffic of which some slices alone are the candidate's; empty: all are."""
    moving: tuple[str, ...] = ()
    """These, as `tool=refund`."""


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A gateway key, as its HMAC: a key itself is shown once and kept nowhere."""

    id: str
    name: str
    hmac: str
    """Hex of HMAC-SHA256(pepper, key)."""
    scopes: tuple[str, ...] = ()
    """Rights besides sending requests, of `terms.SCOPES`; one that is none of them gives nothing."""
    revoked: bool = False


class Lease(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How long the control plane's word holds after it falls silent (the dead man's switch)."""

    renewed_at: float
    """Unix seconds at which the control plane last vouched for this table."""
    hold_s: float = 60.0
    """After this the table is stale: reported, and nothing in it may be taken for news."""
    grace_s: float = 300.0
    """After this a worker serves the baseline only, or goes on if `on_expiry` is "keep"."""
    on_expiry: Literal["baseline", "keep"] = "baseline"


class Capture(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a worker writes to the journal."""

    sample_ppm: int = PPM
    max_body_bytes: int = 8 * 1024 * 1024
    """Longer bodies are kept as their size and SHA-256 only."""
    binary: Literal["hash_only", "keep"] = "hash_only"


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """All that a worker serves from."""

    version: int
    """Rises with every change of meaning; a renewed lease alone does not raise it."""
    lease: Lease
    upstreams: tuple[Upstream, ...]
    default_upstream: str
    """Where requests go that belong to no route."""
    format: int = FORMAT
    routes: tuple[Route, ...] = ()
    """In matching order: priority first, then file name."""
    keys_mode: Literal["passthrough", "virtual"] = "passthrough"
    keys: tuple[Key, ...] = ()
    capture: Capture = Capture()
    expose_variant: bool = True


class _Envelope(msgspec.Struct):
    sha256: str
    table: msgspec.Raw


class _Version(msgspec.Struct):
    format: int = FORMAT


def encode(table: Table) -> bytes:
    """The file's bytes for `table`, checksum included."""
    body = msgspec.json.encode(table)
    return msgspec.json.encode(_Envelope(hashlib.sha256(body).hexdigest(), msgspec.Raw(body)))


def decode(data: bytes) -> Table:
    """The table that `data` holds.

    Raises:
        RoutingError: torn, altered, of another shape or of a newer format; keep the table you have.
    """
    try:
        envelope = msgspec.json.decode(data, type=_Envelope)
        body = bytes(envelope.table)
        if hashlib.sha256(body).hexdigest() != envelope.sha256:
            raise RoutingError("the checksum does not fit the table: the file is torn or was edited by hand")
        found = msgspec.json.decode(body, type=_Version).format
        if found > FORMAT:
            raise RoutingError(f"the table has format {found}, this process reads up to {FORMAT}: upgrade it")
        table = msgspec.json.decode(body, type=Table)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RoutingError(f"not a routing table: {error}") from error
    _check(table)
    return table


def _check(table: Table) -> None:
    """Refuse a table that names what it does not define.

    Raises:
        RoutingError: which route, and what it lacks.
    """
    names = {upstream.name for upstream in table.upstreams}
    if table.default_upstream not in names:
        raise RoutingError(f"default_upstream {table.default_upstream!r} is not among the upstreams")
    for route in table.routes:
        for variant in (route.baseline, route.candidate):
            if variant is not None and variant.upstream not in names:
                raise RoutingError(f"route {route.name!r}: upstream {variant.upstream!r} is not defined")
        if len(route.moving) > MOST_MOVING or any(len(name) > MOST_CHARS for name in route.moving):
            raise RoutingError(f"route {route.name!r}: more slices than {MOST_MOVING}, or longer than {MOST_CHARS}")
        if not 0 <= route.weight_ppm <= PPM:
            raise RoutingError(f"route {route.name!r}: weight {route.weight_ppm} is not within 0..{PPM}")
