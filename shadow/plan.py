"""What the shadow is told: whom to ask beside whom, how much, and how to compare. Values only.

The controller decides it and hands it over as a file (`gateway.control.shadow_plan`). It holds no secret: upstreams
stand in the routing table, background keys in the shadow's own start.
"""

import msgspec

from policies.routing import Variant

FORMAT = 1


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
    """The comparator that the quality gate rests on."""
    folder: str
    """The policies' folder: rubrics, schemas and scorers lie below it."""
    salt: str = ""
    """Of the lot."""


class ShadowPlan(msgspec.Struct, frozen=True):
    """All of it."""

    routes: tuple[ShadowRoute, ...] = ()
    format: int = FORMAT
