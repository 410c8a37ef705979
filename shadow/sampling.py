"""Decides which exchanges are mirrored, and to whom: by a hash of the conversation, so never by an answer. Pure.

The shadow asks accordingly, and the controller waits accordingly: both call `asked_beside`, so neither has to tell
the other. A conversation is drawn whole, by the hash of its unit; each purpose has a salt of its own, so that being
drawn for one says nothing of being drawn for another, nor of the assignment.
"""

from typing import Literal, Protocol

import msgspec

from policies.assignment import bucket
from records.comparison import Asked
from records.exchange import Attempt, Meta

_LEFT_OUT = frozenset({"unrouted", "pinned", "ineligible", "bypass", "refused"})
"""Exchanges that nobody assigned: they are no evidence of anything."""
_TOLD = frozenset({"complete", "upstream_broken", "upstream_error"})
"""Outcomes that tell something of an upstream: not an app that hung up, a tunnel, or a worker that died."""
_STOPPED = frozenset({"fallback", "unverified", "reverify", "breaker", "busy", "killed", "lease", "observe"})
"""The candidate's by assignment, and answered by the baseline all the same."""
_CHARGED = frozenset({"fallback", "breaker"})
"""The candidate's failure, whatever the app did after it."""
WAITING = "app_gone_waiting"
"""An attempt's error: the app left before the first byte, later than it is ever made to wait elsewhere."""
_UPSTREAMS_FAULT = frozenset({408, 409, 425, 429})
"""Statuses below 500 that speak of the upstream: any other of them is the app's own mistake, whoever is asked."""


class Lots(Protocol):
    """How much of a route is drawn: what a `Lot` says, or a `shadow.plan.ShadowRoute` for all of its time."""

    @property
    def sample_ppm(self) -> int:
        """Share of the baseline's conversations about which the candidate is asked, too."""
        ...

    @property
    def reverse_ppm(self) -> int:
        """Share of the candidate's conversations about which the baseline is asked, too."""
        ...

    @property
    def noise_ppm(self) -> int:
        """Share of mirrored exchanges about which the baseline is asked a second time."""
        ...

    @property
    def again_reversed(self) -> bool:
        """Whether the same share is asked twice beside the candidate's own answers: where likeness is certified."""
        ...

    @property
    def salt(self) -> str:
        """The salt of the hashes that choose, one for each route."""
        ...


class Lot(msgspec.Struct, frozen=True):
    """How much of a route is drawn."""

    sample_ppm: int
    reverse_ppm: int
    noise_ppm: int
    salt: str
    again_reversed: bool = False


def speaks(meta: Meta) -> bool:
    """Whether an exchange is evidence of anything: eligible, assigned, the first try, and not the app's mistake."""
    return is_assigned(meta) and not meta.retry_count and is_told(meta)


def left(meta: Meta) -> Literal["", "waiting", "reading"]:
    """Whether the app hung up on an answer that nobody failed: before its first byte, or while it read; else empty.

    A repeat is not heard, as with what `speaks`: an app that waits for less than an answer takes would be counted anew
    with each.
    """
    if meta.outcome != "app_gone" or meta.retry_count or not is_assigned(meta) or is_told(meta):
        return ""
    return "waiting" if meta.first_byte_s is None else "reading"


def is_assigned(meta: Meta) -> bool:
    """Whether the exchange was eligible, and given to a variant by the route's assignment."""
    return bool(meta.route and meta.unit) and meta.why not in _LEFT_OUT


def is_told(meta: Meta) -> bool:
    """Whether its outcome tells something of who was asked, and not of the app alone."""
    if meta.outcome == "app_gone":
        return meta.why in _CHARGED or any(attempt.error == WAITING for attempt in meta.attempts)
    return meta.outcome in _TOLD and not (400 <= meta.status < 500 and meta.status not in _UPSTREAMS_FAULT)


def is_candidates(meta: Meta) -> bool:
    """Whether the exchange was the candidate's by assignment, whoever answered it in the end: we ourselves, too."""
    return meta.variant == "candidate" or meta.why in _STOPPED or asked_candidate(meta) is not None


def asked_candidate(meta: Meta) -> Attempt | None:
    """The try that the candidate was; None: it was not asked."""
    return next((attempt for attempt in meta.attempts if attempt.variant == "candidate"), None)


def asked_beside(meta: Meta, lots: Lots) -> tuple[Asked, ...]:
    """Whom the shadow asks the same; empty: nobody."""
    if not speaks(meta):
        return ()
    again = _is_drawn(meta, "baseline_again", lots.noise_ppm, lots.salt)
    if meta.variant == "candidate":
        if not _is_drawn(meta, "baseline", lots.reverse_ppm, lots.salt):
            return ()
        return ("baseline", "baseline_again") if again and lots.again_reversed else ("baseline",)
    if is_candidates(meta) or not _is_drawn(meta, "candidate", lots.sample_ppm, lots.salt):
        return ()
    is_good = meta.outcome == "complete" and 200 <= meta.status < 300
    return ("candidate", "baseline_again") if again and is_good else ("candidate",)


def _is_drawn(meta: Meta, purpose: Asked, ppm: int, salt: str) -> bool:
    return bucket(meta.unit, f"{salt}:{purpose}") < ppm
