"""Which variant a request gets: by the hash of its unit and a salt. Sticky, and monotone in the weight.

Rules:
1. A unit's bucket never changes, so raising the weight moves nobody back and lowering it moves nobody forth.
2. A weight of 0 means none, whatever else is true.
3. A tool loop ends on the variant that began it: its ids and its reasoning are that variant's.
4. What differs in nothing but the date that its system prompt tells goes on: an app that says what time it is would
   change its variant from turn to turn, and its prompts would never be known to come again.
5. Where slices move alone (`policies.moving_slices`), a request of any other slice is the baseline's, whatever else is
   true.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from itertools import takewhile
from typing import Final, Literal

from policies.request.body import (
    COMPLETIONS,
    EMBEDDINGS,
    RESPONSES,
    Call,
    UnroutableBodyError,
    beginning,
    trailing_turns,
)
from policies.request.own_slice import own_slice
from policies.routing import PPM, Route

CANDIDATE_CALL_PREFIX: Final = "call_cf"
"""What the ids of tool calls in a candidate's answers begin with: a tool's result tells whose loop it belongs to."""

_LONG_BYTES: Final = 8 * 1024
"""A part that is longer is not hashed whole: it may be megabytes of an image, and the loop waits."""

Kind = Literal["header", "user", "conversation", "request"]
VariantName = Literal["baseline", "candidate"]
Reason = Literal["weight", "slice", "tool_loop", "bucket"]


Undated = Callable[[str], str]
"""Takes dates out of a text, as `records.prompt_dates.without_dates`, which this room does not know."""
_CENTURY: Final = b"20"
"""What every date that is taken out has in it."""


def _as_it_stands(text: str) -> str:
    return text


class Unit:
    """What stays on one variant."""

    __slots__ = ("hash", "kind")

    def __init__(self, kind: Kind, digest: str) -> None:
        self.kind: Kind = kind
        self.hash = digest
        """16 hex digits."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unit) and (self.kind, self.hash) == (other.kind, other.hash)

    def __hash__(self) -> int:
        return hash(self.hash)


class Assignment:
    """Which variant, for which unit, and why."""

    __slots__ = ("kind", "reason", "unit", "variant")

    def __init__(self, variant: VariantName, unit: Unit, reason: Reason) -> None:
        self.variant: VariantName = variant
        self.unit = unit.hash
        """The unit's hash."""
        self.kind: Kind = unit.kind
        self.reason: Reason = reason
        """`weight`: it is 0. `slice`: of its slice nothing is certified. `bucket`: the hash decided."""


def unit(by: Sequence[str], call: Call, undated: Undated = _as_it_stands) -> Unit | None:
    """The first of `by` that the request carries: `header:NAME`, `user`, `conversation`; None: it carries none.

    `request` ends the list: each request is for itself. `undated`: how a conversation's system prompt is read.
    """
    for name in by:
        if name == "request":
            return None
        found = _part(name, call, undated)
        if found is not None:
            return found
    return None


def _part(name: str, call: Call, undated: Undated) -> Unit | None:
    if name == "user":
        user = call.body.whose
        if not user:
            return None
        # A key's id has no space in it: no two users share these words.
        return Unit("user", sha256(f"user {call.key_id} {user}".encode("utf-8", "surrogatepass")).hexdigest()[:16])
    if name == "conversation":
        return _conversation(call, undated)
    header = call.headers.get(name.removeprefix("header:").encode("latin-1"), b"").strip()
    return Unit("header", _hash(b"header", header)) if header else None


def _conversation(call: Call, undated: Undated) -> Unit | None:
    """A conversation is its beginning: who asks, under which system prompt, and the first user turn."""
    parts = [b"conversation", call.key_id.encode(), _bytes(call.body.user)]
    if call.path == COMPLETIONS:
        return Unit("conversation", _hash(*parts, bytes(call.body.fields.prompt)))
    if call.path == EMBEDDINGS:  # the same text is always the same variant's
        return Unit("conversation", _hash(*parts, bytes(call.body.fields.input)))
    if call.path == RESPONSES:
        fields = call.body.fields
        parts.append(_fold(bytes(fields.instructions), undated))
        if bytes(fields.input).startswith(b'"'):
            return Unit("conversation", _hash(*parts, bytes(fields.input)))
    try:
        begun = beginning(call)
    except UnroutableBodyError:
        return None
    if begun is None:
        return None
    return Unit("conversation", _hash(*parts, *(_fold(part, undated) for part in begun[:-1]), begun[-1]))


def _fold(said: bytes, undated: Undated) -> bytes:
    """What an app says before its user does, without the date in it; bytes that are no text stay what they are."""
    if _CENTURY not in said:
        return said
    return undated(said.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _hash(*parts: bytes) -> str:
    """16 hex digits; each part's length is hashed with it, so that no two lists of parts look the same.

    Of a long part its length and both ends count: documents that share all of these are one conversation.
    """
    framed: list[bytes] = []
    for part in parts:
        ends = (part,) if len(part) <= _LONG_BYTES else (part[: _LONG_BYTES // 2], part[-_LONG_BYTES // 2 :])
        framed += (len(part).to_bytes(8, "big"), *ends)
    return sha256(b"".join(framed)).hexdigest()[:16]


def bucket(unit_hash: str, salt: str) -> int:
    """A unit's position on the scale of weights, from 0 to PPM - 1: a hash, so evenly spread."""
    digest = sha256(f"{salt}\n{unit_hash}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % PPM


def loop_owner(call: Call) -> VariantName | None:
    """The variant whose tool loop this request continues; None: it does not end in tool results.

    Results that belong to both sides are the baseline's to sort out.
    """
    if call.body.is_plain(call.path):
        return None
    try:
        results = takewhile(lambda turn: turn.role == "tool" or _is_result(turn.type), trailing_turns(call))
        ids = [turn.tool_call_id or turn.call_id or "" for turn in results]
    except UnroutableBodyError:
        return None
    if not ids:
        return None
    return "candidate" if all(name.startswith(CANDIDATE_CALL_PREFIX) for name in ids) else "baseline"


def _is_result(item_type: str | None) -> bool:
    return item_type is not None and item_type.endswith("_call_output")


def assign(route: Route, call: Call, request_id: str, undated: Undated = _as_it_stands) -> Assignment:
    """The variant for an eligible request: the candidate's if its unit's bucket lies below the weight."""
    found = unit(route.assign.by, call, undated) or Unit("request", _hash(b"request", request_id.encode()))
    if route.weight_ppm <= 0 or route.candidate is None:
        return Assignment("baseline", found, "weight")
    if route.moves_by and own_slice(route.moves_by, call) not in route.moving:
        return Assignment("baseline", found, "slice")
    owner = loop_owner(call)
    if owner is not None:
        return Assignment(owner, found, "tool_loop")
    lies_below = bucket(found.hash, route.assign.salt or route.name) < route.weight_ppm
    return Assignment("candidate" if lies_below else "baseline", found, "bucket")
