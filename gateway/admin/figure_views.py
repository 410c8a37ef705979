"""What is added up over the records, as pages and the API show it. Unknown is None, never 0."""

from datetime import date

from gateway.admin.views import (
    ComparisonLine,
    DecisionLine,
    ExchangeLine,
    Moment,
    PageView,
    RolloutDetailView,
    RolloutsView,
    RolloutView,
)


class FacetView(PageView):
    """A value of a column, and how many rows have it."""

    value: str
    n: int


class ArmView(PageView):
    """What one variant answered of one route in a window."""

    route: str
    variant: str
    exchanges: int
    eligible: int
    """Those that a candidate might have answered."""
    failed: int
    """Status 5xx or none."""
    prompt_tokens: int | None
    cached_tokens: int | None
    completion_tokens: int | None
    cost_usd: float | None
    counterfactual_usd: float | None
    """What the baseline would have charged for the same answers."""
    saved_usd: float | None
    """Of rows that both are known of: counterfactual less cost."""
    unpriced: int
    """Answers whose tokens are known and whose price is not."""
    first_byte_ms_p50: float | None
    first_byte_ms_p95: float | None
    total_ms_p50: float | None
    total_ms_p95: float | None
    tpot_ms_p50: float | None
    tpot_ms_p95: float | None


class SavingView(PageView):
    """What a route's candidate saved."""

    route: str
    saved_usd: float | None
    """None: no answer has both prices."""


class ReasonCountView(PageView):
    """How often something happened for a reason."""

    why: str
    reason: str
    n: int


class FunnelView(PageView):
    """How many requests reach the candidate, and at which step the others stay behind."""

    all: int
    """Through the gateway, of any route."""
    matched: int
    eligible: int
    assigned: int
    """To the candidate, whoever answered."""
    answered: int
    """By it."""
    fell_back: int
    """Assigned to it and answered by the baseline: it failed, or its breaker or its room kept it from being asked."""
    ineligible: list[ReasonCountView]
    fallbacks: list[ReasonCountView]


class BucketView(PageView):
    """Time to the first byte of requests of one length, per variant."""

    tokens: str
    variant: str
    n: int
    first_byte_ms_p95: float | None


class ShadowArmView(PageView):
    """What became of background calls of one kind."""

    asked: str
    came: str
    reason: str
    n: int
    first_byte_ms_p50: float | None
    first_byte_ms_p95: float | None
    total_ms_p50: float | None
    total_ms_p95: float | None
    cost_usd: float | None
    judge_cost_usd: float


class RouteFiguresView(PageView):
    """One route in a window."""

    route: str
    since: Moment | None
    """UTC; None: from the first record on."""
    arms: list[ArmView]
    funnel: FunnelView
    buckets: list[BucketView]
    shadow: list[ShadowArmView]


class CostDayView(PageView):
    """One day's money of one route, variant and model. The sum over all rows is the ledger's."""

    day: date
    route: str
    variant: str
    model: str
    exchanges: int
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: float | None
    counterfactual_usd: float | None
    saved_usd: float | None
    unpriced: int


class BackgroundDayView(PageView):
    """One day's money that no app caused: the shadow's calls and the judge's."""

    day: date
    route: str
    asked: str
    calls: int
    """That were made: what was shed before its call is none."""
    cost_usd: float | None
    judge_cost_usd: float


class PaidHoursView(PageView):
    """Servers of one upstream that are paid by the hour."""

    upstream: str
    paid_usd: float
    """Busy or idle; it is in the cost of the answers that came after it."""
    busy_s: float
    """Replica-seconds with a request."""
    idle_s: float
    answers: int
    """Background calls included."""
    uncharged_usd: float
    """Paid and borne by no answer yet."""


class CostView(PageView):
    """Money in a window."""

    since: Moment | None
    cost_usd: float
    """Of what has a price."""
    counterfactual_usd: float
    saved_usd: float
    background_usd: float
    """The shadow's and the judge's."""
    unpriced: int
    days: list[CostDayView]
    background: list[BackgroundDayView]
    hours: list[PaidHoursView]
    """Recorded in this window, by upstream."""


class UnroutedView(PageView):
    """Requests alike that no policy has: the same model, system prompt, tools and schema."""

    endpoint: str
    model: str
    system_hash: str
    tools_hash: str
    schema_hash: str
    requests: int
    conversations: int
    per_day: float | None
    """None: all of them came at one moment."""
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    unpriced: int
    total_ms_p50: float | None
    system: str
    """How the system prompt begins, redacted; empty: none, or not kept."""
    tools: list[str]


class UnroutedListView(PageView):
    """Kinds of requests without a policy, dearest first."""

    groups: list[UnroutedView]


class TableSizeView(PageView):
    """One table of the records."""

    table: str
    files: int
    bytes: int
    days: int
    first_day: str | None
    last_day: str | None


class DataView(PageView):
    """What is kept."""

    since: Moment | None
    tables: list[TableSizeView]
    exchanges: int
    with_bodies: int
    not_for_training: int
    lost_workers: int
    """Exchanges whose worker died before their end."""
    redactions: dict[str, int]
    """Replacements made, by kind."""


class PairLine(ComparisonLine):
    """A pair without content, with what a list shows beside it."""

    variant: str | None
    """Who answered the app; None: the exchange is not recorded, or no more."""
    served_total_ms: float | None
    finish_reason: str | None


class PairsView(PageView):
    """Pairs that were asked for, and how many there are in all."""

    pairs: list[PairLine]
    n: int
    facets: dict[str, list[FacetView]]


class TrafficView(PageView):
    """Exchanges that were asked for, and how many there are in all."""

    exchanges: list[ExchangeLine]
    n: int
    facets: dict[str, list[FacetView]]


class PairView(PageView):
    """One exchange beside what the shadow got for the same request, content and all, redacted as the records are."""

    exchange: dict[str, str | int | float | bool | None] | None
    """The exchange's record; None: it is not recorded, or no more."""
    comparison: dict[str, str | int | float | bool | None]
    """The comparison's columns."""


class PairListView(PageView):
    """All comparisons of one exchange."""

    pairs: list[PairView]


class GatePointView(PageView):
    """What a gate said at one decision."""

    at: float
    gate: str
    stage: str
    verdict: str
    estimate: float | None
    lower: float | None
    upper: float | None
    limit: float | None
    log10_e: float | None
    n: int


class GatePathView(PageView):
    """How sure each gate was, over time: from decisions, thinned, oldest first, and the last look."""

    points: list[GatePointView]


class WeightPointView(PageView):
    """A route's weight from a moment on."""

    at: float
    route: str
    weight: float


class WeightsView(PageView):
    """How weights moved, oldest first."""

    points: list[WeightPointView]


class WantView(PageView):
    """Something that wants a person."""

    route: str
    """Or the file it is about."""
    kind: str
    text: str
    link: str
    action: str
    """What the link is called."""


class RouteLine(PageView):
    """One route in the list of all, in numbers."""

    route: str
    exchanges: int
    """In 24 h."""
    eligible: int
    first_byte_ms_p95_baseline: float | None
    first_byte_ms_p95_candidate: float | None
    cost_usd_each_baseline: float | None
    cost_usd_each_candidate: float | None
    saved_usd_30d: float | None
    weights: list[WeightPointView]
    """14 d."""


class OverviewView(PageView):
    """All routes, and what needs a person's attention."""

    rollouts: RolloutsView
    wants: list[WantView]
    lines: list[RouteLine]
    exchanges: int
    """In 24 h, of all routes."""
    by_candidates: int
    failed: int
    saved_usd_30d: float | None
    unrouted: int
    records_problem: str | None
    """Why the records cannot be read; then their numbers are unknown."""


class PolicyView(PageView):
    """A policy file as it was last read whole, and what is wrong with it since."""

    file: str
    route: str | None
    """None: it was never read whole."""
    text: str | None
    loaded_at: float | None
    error: str | None


class PoliciesView(PageView):
    """This node's policy files."""

    policies: list[PolicyView]


class RolloutPageView(PageView):
    """The data behind one rollout's page."""

    rollout: RolloutView
    detail: RolloutDetailView | None
    """None: no leader has looked at it yet, or the shared state cannot be used."""
    figures: RouteFiguresView | None
    """None: the records cannot be read."""
    records_problem: str | None
    path: GatePathView
    policy: PolicyView | None
    decisions: list[DecisionLine]
    """Newest first."""
