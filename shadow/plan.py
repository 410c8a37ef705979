"""The shadow's plan: whom to ask beside whom, how much, and how to compare; with its codec.

The controller decides it and replaces `run/shadow.json` whole when a policy, a stage or a budget changes; the shadow
watches that file. It holds no secret: upstreams stand in the routing table, background keys in the shadow's own boot.
"""

from pathlib import Path

import msgspec

from policies.routing import Variant
from records.comparison import Asked
from records.exchange import Meta
from shadow import sampling
from shadow.sampling import Lot, Lots
from shadow.warming import WarmWish

FORMAT = 1


class LotSince(msgspec.Struct, frozen=True):
    """A lot, and the first routing table that went by it."""

    version: int
    lot: Lot


class ShadowRoute(msgspec.Struct, frozen=True):
    """One route's shadow work."""

    route: str
    candidate_key: str
    """Digest of `policies.rules.CandidateKey`: comparisons carry it."""
    path: tuple[str, ...]
    """Endpoints that can be mirrored."""
    baseline: Variant
    candidate: Variant
    sample_ppm: int
    """Of conversations answered by the baseline: the candidate is asked too."""
    reverse_ppm: int
    """Of conversations answered by the candidate: the baseline is asked too, with its background key."""
    noise_ppm: int
    """Of mirrored exchanges: the baseline is asked a second time, with its background key."""
    max_in_flight: int
    queue: int
    budget_usd_per_day: float
    """This node's slice."""
    engine_waiting: int
    """Above so many requests waiting in the candidate's engine, mirroring pauses."""
    compare: tuple[dict[str, dict[str, object]], ...]
    """As in the policy file, each `{name: options}` in full."""
    metric: str
    """The comparator that the (first) quality gate rests on."""
    folder: str
    """The policies' folder: rubrics, schemas and scorers lie below it."""
    salt: str = ""
    """Of the lot."""
    media_hosts: tuple[str, ...] = ()
    """Hosts of media that may be fetched in the background."""
    again_reversed: bool = False
    """Beside the candidate's own answers the baseline is asked a second time, too."""
    also: tuple[str, ...] = ()
    """Further comparators that gates rest on."""
    warm: WarmWish | None = None
    """What the controller wants to know of the candidate's servers now; None: nothing."""
    cold_s: float = 0.0
    """How long they may take to start up before a failure counts. 0: each counts."""
    lots: tuple[LotSince, ...] = ()
    """Of the last routing tables, oldest first; none: the shares above hold for all."""

    def asked_beside(self, meta: Meta) -> tuple[Asked, ...]:
        """Whom to ask the same as an exchange: by the lot of the table that it was served under."""
        return sampling.asked_beside(meta, self._lots_at(meta.table_version))

    def _lots_at(self, version: int) -> Lots:
        """The lot of the newest table up to this one; of a table before all of them, the oldest's."""
        if not self.lots:
            return self
        return next((each.lot for each in reversed(self.lots) if each.version <= version), self.lots[0].lot)


class ShadowPlan(msgspec.Struct, frozen=True):
    """The plan for all routes."""

    routes: tuple[ShadowRoute, ...] = ()
    format: int = FORMAT


def encode(plan: ShadowPlan) -> bytes:
    """The file's bytes."""
    return msgspec.json.encode(plan)


def read(path: Path) -> ShadowPlan | None:
    """What the controller last wrote; None: nothing, or the plan of a newer version."""
    try:
        plan = msgspec.json.decode(path.read_bytes(), type=ShadowPlan)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return plan if plan.format <= FORMAT else None
