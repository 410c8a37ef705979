"""What the admin API's pages answer."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def in_utc(at: datetime) -> datetime:
    """A moment of the records with its zone: they keep UTC without one, and a client would take it for its own."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


Moment = Annotated[datetime, AfterValidator(in_utc)]
"""As RFC 3339 has it."""


class PageView(BaseModel):
    """What a page answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class VariantView(PageView):
    """One way to answer a route."""

    upstream: str
    model: str | None
    """None: what the app asked for."""
    revision: str | None


class StandingView(PageView):
    """Where a rollout stands on its ladder, as the shared state has it."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)
    route: str
    phase: str
    stage: str
    weight_ppm: int
    attempt: int
    version: int
    missing: list[str]
    """What stands between this stage and the next, the gravest first."""
    units: int | None
    units_to_go: int | None
    """None: not known, or no number of units would do."""
    forecast: str
    """When the stage could be left, in a sentence; empty: nobody has looked yet."""
    left_out: list[str]
    """What did not come into this stage's evidence as it should, in sentences."""
    looked_at: float | None
    last_move: str | None
    moved_at: float | None
    reason: str | None
    slices: dict[str, str]
    """What each slice of the traffic says: `quality@language=german` -> a verdict; empty: the policy has none."""
    moving: list[str]
    """Where slices move alone (`mode: partial`): those that are certified, and do; empty: none, or all moves."""
    sentence: str
    """Where it stands and why, in words that need no glossary."""


class RolloutView(PageView):
    """Where a route stands."""

    route: str
    mode: Literal["observe", "apply", "bypass", "split"]
    baseline: VariantView
    candidate: VariantView | None
    weight: float
    """Share of eligible traffic the candidate answers, 0..1."""
    standing: StandingView | None
    """None: no leader has looked at it yet, or the shared state cannot be used."""


class RolloutsView(PageView):
    """All routes, in matching order."""

    table_version: int
    lease_renewed_at: float
    killed: bool
    """Whether the kill file is there: then the baseline alone answers, whatever the weights say."""
    leader: str | None
    """The node that evaluates; None: no weight rises, and the table's lease runs out."""
    nodes: list[str]
    killed_nodes: list[str]
    """Those of the nodes on which the kill is on: all of them or none, but where one could not be told."""
    state_problem: str | None
    """Why the shared state cannot be used."""
    rollouts: list[RolloutView]


class DislikeView(PageView):
    """How often one variant's answers are disliked; each voter counts once."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)
    n: int
    """Voters."""
    bad: float
    """The share of bad votes of each, summed."""
    rate: float | None
    """None: nobody voted."""
    lower: float | None
    upper: float | None
    """Confidence sequence at 99 %, valid at all looks together."""


class VotesView(PageView):
    """Users' votes on both variants' answers: an alarm, which moves nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)
    candidate: DislikeView
    baseline: DislikeView
    log10_e: float
    needed: float
    raised: bool
    """Whether the candidate's answers are disliked more often than the baseline's, beyond chance."""
    reason: str
    remark: str


class RolloutDetailView(PageView):
    """A rollout, and what was last found of it."""

    standing: StandingView
    text: str | None
    """What was last found, as `crossfade explain` says it; None: nothing yet."""
    decision: dict[str, Any] | None
    """The same with every gate's numbers."""
    votes: VotesView | None
    """What users' votes in this node's records say; None: the policy has no `feedback`, or they cannot be read."""
    votes_problem: str | None
    """Why they cannot be read."""


class DecisionLine(PageView):
    """A decision."""

    id: str
    at: float
    route: str
    move: str
    outcome: str
    text: str


class DecisionsView(PageView):
    """Decisions, newest first."""

    decisions: list[DecisionLine]


class DecisionView(DecisionLine):
    """A decision with every number it rests on."""

    decision: dict[str, Any]


class ReasonView(PageView):
    """Why somebody does it."""

    reason: str = Field(min_length=1, max_length=1000)


class KillOrderView(ReasonView):
    """Everything to the baseline, or weights as the table says again."""

    off: bool = False


class OperatedView(PageView):
    """What became of an order."""

    order: str
    outcome: Literal["taken", "refused", "withdrawn", "waiting"]
    text: str
    alone: bool
    """Whether no leader answered and it was done here."""
    problem: str = ""
    """Why it is decided and not done on this node: its routing table still gives the candidate traffic."""

    @property
    def done(self) -> bool:
        """Whether things are as the order wants them, here, too."""
        return self.outcome in ("taken", "waiting") and not self.problem


class KilledView(PageView):
    """What became of the kill switch."""

    killed: bool
    changed: bool
    """Whether this node's file was made or taken away by this call."""
    nodes_told: bool
    problem: str | None
    """Why the other nodes could not be told."""


class KeyView(PageView):
    """A gateway key; the key itself is kept nowhere."""

    id: str
    name: str
    scopes: list[str]
    created_at: float
    revoked_at: float | None


class AuditView(PageView):
    """Who did what, when, and why."""

    at: float
    actor: str
    action: str
    subject: str
    reason: str


class ProblemDetails(PageView):
    """What went wrong and what to do."""

    message: str
    type: Literal["crossfade_error"] = "crossfade_error"
    param: None = None
    code: str


class ProblemView(PageView):
    """An error, in the shape OpenAI's API gives its own."""

    error: ProblemDetails


class ExchangeLine(PageView):
    """An exchange without its content."""

    id: str
    arrived_at: Moment
    """UTC."""
    route: str
    variant: str
    why: str
    reason: str
    upstream: str
    model_requested: str
    status: int
    outcome: str
    total_ms: float
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: float | None


class ExchangesView(PageView):
    """A page of exchanges, newest first."""

    exchanges: list[ExchangeLine]
    next_before: str | None
    """What `before` is for the next page; None: this is the last."""


class ExchangeView(PageView):
    """All that is kept of an exchange; the columns are those of docs/reference/records.md."""

    record: dict[str, str | int | float | bool | None]


class ComparisonLine(PageView):
    """A comparison without its content; the columns are those of docs/reference/records.md."""

    exchange_id: str
    asked: str
    route: str
    compared_at: Moment
    """UTC."""
    came: str
    reason: str
    status: int
    metric: str
    q: float | None
    agree: float | None
    valid_candidate: bool | None
    valid_baseline: bool | None
    first_byte_ms: float | None
    total_ms: float | None
    cost_usd: float | None
    cost_served_usd: float | None
    judge_cost_usd: float
    scores_json: str


class ComparisonsView(PageView):
    """The comparisons of a page of exchanges, newest first."""

    comparisons: list[ComparisonLine]
    next_before: str | None
    """What `before` is for the next page; None: this is the last."""


class FeedbackLine(PageView):
    """What was last said of an exchange."""

    exchange_id: str
    route: str | None
    """None: the exchange is not recorded, or no more."""
    said_at: Moment
    """UTC."""
    score: float | None
    label: str | None
    comment: str | None


class FeedbackView(PageView):
    """A page of feedback, newest first."""

    feedback: list[FeedbackLine]
    next_before: str | None
    """What `before` is for the next page; None: this is the last."""


class AuditListView(PageView):
    """What was changed by hand, newest first, and whether the log is whole."""

    entries: list[AuditView]
    n: int
    broken_at: int | None
    """Place, from the oldest, of the first entry that does not fit the one before it; None: nothing was changed."""


class KeysView(PageView):
    """The gateway's keys."""

    keys: list[KeyView]


class ProcessView(PageView):
    """One process of this node, as the supervisor last wrote of it."""

    slot: str
    pid: int | None
    restarts: int
    is_alive: bool


class SystemView(PageView):
    """This node."""

    version: str | None
    """None: no supervisor serves from here."""
    started_at: float | None
    listen: str | None
    admin: str | None
    stopping: bool
    processes: list[ProcessView]
    reload_error: str | None
    reload_waits_for: list[int]
    """Pids of old workers whose answers the reload that was asked for waits for."""
    table_version: int
    controller_problem: str | None
    policies_problem: list[str]
    """Policy files that do not load, and why."""
    leader: str | None
    nodes: list[str]
    killed_nodes: list[str]
    """Those of the nodes on which the kill is on: all of them or none, but where one could not be told."""
    state_problem: str | None
    metrics: dict[str, float]
    """The control plane's own, by name and labels: what is lost, behind, refused."""
