"""One request and what came of it, as a data-plane worker saw it.

`Exchange` is the journal's unit. Bodies are the bytes as they went over the wire, dechunked and nothing else: what the
app sent, and what the app got. Credentials are not in it: `key_id` is an HMAC.

Thousands of them wait to be written at once, and refer to nothing that could refer back: the collector of cycles need
not look at them (`gc=False`), nor at the rows made of them.
"""

from typing import Literal

import msgspec

Why = Literal[
    "unrouted",  # no route matches: the default upstream
    "assigned",  # the route's assignment chose the variant
    "pinned",  # the app chose it by header; leaves the evidence
    "ineligible",  # the candidate may not be asked; `reason` says why
    "unverified",  # the frontier has not yet accepted this key (architecture §6, 9)
    "reverify",  # it has; this one asks again
    "fallback",  # the candidate failed before its first byte
    "breaker",  # the worker's breaker is open
    "busy",  # no room to ask it in: as many requests in flight or connections as there may be, or no socket left
    "killed",  # the kill file exists
    "lease",  # the routing table's lease ran out
    "observe",  # the policy's mode decides but does not move
    "bypass",  # the policy's mode is baseline only
    "tool_loop",  # a tool loop stays where it began
    "slice",  # slices move alone, and its is not certified; it is evidence as any other
    "refused",  # the gateway answered by itself; `reason` is its error code
    "imported",  # another system's log has it; `reason` is which system; no evidence, and none of our traffic
]

Outcome = Literal[
    "complete",  # the app was sent the whole answer
    "app_gone",  # the app hung up first
    "upstream_broken",  # the upstream ended in the middle; so did our answer
    "upstream_error",  # no upstream answered: the app got our own error
    "refused",  # admission said no; no upstream was asked
    "tunnel",  # a WebSocket or other upgrade, relayed as bytes; bodies are not kept
    "lost_worker",  # the worker died before the end (written by the journal's reader)
]


class Attempt(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One try of one upstream. Times are seconds since the exchange began; None: it did not come to that."""

    variant: str
    upstream: str
    status: int | None = None
    error: str | None = None
    """A word of the closed list in `gateway.errors`, never an upstream's own text."""
    started_s: float | None = None
    head_s: float | None = None
    first_byte_s: float | None = None
    ended_s: float | None = None
    reused: bool = False
    """Whether it went over a kept connection."""
    is_empty: bool = False
    """It was answered whole, with neither words nor calls."""


class Meta(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """All of an exchange but its bodies. Field order is the format: append only."""

    id: str
    """UUIDv7 text; the app sees it as x-crossfade-request-id."""
    worker: str
    arrived_at: float
    """Unix seconds at the request's first byte."""
    method: str
    target: str
    """The raw request target as the app sent it: path and query."""
    request_head: bytes
    """The request's header lines, in order, each behind a CRLF; credentials and cookies left out."""
    key_id: str
    """First 16 hex digits of HMAC-SHA256(pepper, the credential); empty without one."""
    key_name: str
    """Name of the gateway key (`virtual` mode), else empty."""
    route: str
    """Empty: no route matched."""
    variant: str
    """Whose answer the app got: baseline, candidate, or gateway (our own error). Our own error while the candidate was
    asked is the candidate's: whoever was asked is charged."""
    why: Why
    reason: str
    """For ineligible, fallback and refused: which one, from a closed list."""
    upstream: str
    model: str
    """As the app asked; empty where the body was not read."""
    unit: str
    """What the assignment was sticky to, hashed; empty if nothing was assigned."""
    weight_ppm: int
    table_version: int
    no_train: bool
    """The app said x-crossfade-no-train. (`store: false` stands in the body.)"""
    pinned: bool
    retry_count: int
    """The SDK's x-stainless-retry-count: above 0 it repeats an earlier exchange."""
    status: int
    """0: the app got no status."""
    response_head: bytes
    """The upstream's header lines, in order, each behind a CRLF; Set-Cookie left out."""
    outcome: Outcome
    attempts: list[Attempt]
    overhead_s: float
    """Time spent in the gateway before the upstream was asked."""
    first_byte_s: float | None
    """From arrival to the first body byte sent to the app."""
    total_s: float
    request_bytes: int
    request_sha256: str
    """Hex; of the whole body even where the body was not kept. Empty: not computed (nothing left out)."""
    response_bytes: int
    response_sha256: str
    chunk_ends: list[int]
    """Answer bytes sent so far at each write to the app: with `chunk_times_us`, when each byte arrived."""
    chunk_times_us: list[int]
    """Microseconds since arrival at each of `chunk_ends`."""
    table_revision: str = ""
    """The candidate's revision, if it was asked."""
    usage: bytes = b""
    """JSON of the tokens the candidate's engine counted, where the answer the app got does not say."""

    @property
    def request_headers(self) -> list[tuple[bytes, bytes]]:
        """The request's headers, in order, names in the app's own case."""
        return _headers(self.request_head)

    @property
    def response_headers(self) -> list[tuple[bytes, bytes]]:
        """The answer's headers, in order, names in the upstream's own case."""
        return _headers(self.response_head)


class Exchange(msgspec.Struct, frozen=True, gc=False):
    """One request and what came of it."""

    meta: Meta
    request_body: bytes
    """Empty where it was left out: compare with `meta.request_bytes`."""
    response_body: bytes


class FeedbackFrame(msgspec.Struct, frozen=True):
    """What the app or its user said later of an answer: the body of POST /v1/feedback, unread."""

    request_id: str
    at: float
    key_id: str
    body: bytes


GapReason = Literal["disk_full", "io_error", "over_budget", "too_large", "removed"]


class Gap(msgspec.Struct, frozen=True):
    """Exchanges or bodies that did not get into the journal."""

    at: float
    reason: GapReason
    exchanges: int
    """Whole exchanges missing since the last Gap."""
    bodies: int
    """Exchanges here whose bodies were left out."""


class Note(msgspec.Struct, frozen=True):
    """A row that the control plane made, on its way into the records; its journal carries it as workers' do theirs."""

    table: Literal["comparisons", "observations", "decisions"]
    row: bytes
    """msgpack of the table's own struct."""


def _headers(head: bytes) -> list[tuple[bytes, bytes]]:
    lines = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
    return [(name, value.strip(b" \t")) for name, _, value in lines]
