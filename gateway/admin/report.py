"""One route's report: from what to what, by which rule, on which evidence, for how much, and who said so.

One value, which the console, `crossfade report` and programs show; nothing is worked out after it is made.
"""

import hashlib
from collections.abc import Sequence

from gateway.admin.api import Pages
from gateway.admin.figure_views import ArmView, FunnelView, PairView, ShadowArmView
from gateway.admin.filters import wanted
from gateway.admin.label_views import AgreementView, HumanScoreView
from gateway.admin.labels import QueuedPair, human, outlines
from gateway.admin.rollouts import Operations
from gateway.admin.views import Moment, PageView, RolloutView
from policies import explain
from policies.candidates import route_of
from policies.results import GateResult
from policies.rollout import Decision
from policies.terms import Better, Outcome

PAIRS = 3
"""Best pairs, and as many of the worst."""
EXCERPT = 400
"""Letters of a prompt or an answer."""
MOVES = 40


class ReportGateView(PageView):
    """One gate, as it was last found."""

    gate: str
    verdict: str
    reason: str
    n: int
    estimate: float | None
    lower: float | None
    upper: float | None
    limit: float | None
    better: Better
    log10_e: float | None
    needed: float | None
    required: bool


class ReportPairView(PageView):
    """A pair, cut to what fits on a page; redacted as the records are."""

    exchange_id: str
    asked: str
    metric: str
    q: float
    prompt: str
    baseline: str
    candidate: str


class ReportMoveView(PageView):
    """A decision that moved something, was refused or stopped it."""

    at: float
    outcome: str
    move: str
    by: str
    """`evidence`, or who said so."""
    from_stage: str
    to_stage: str
    reason: str
    decision_id: str
    record_sha256: str
    """Of the whole decision record, from which the decision is made again."""


class ReportView(PageView):
    """One route, on one page."""

    route: str
    made_at: float
    since: Moment | None
    rollout: RolloutView
    sentence: str
    """Where it stands, and why."""
    rule: list[str]
    """By what it moves, in short sentences."""
    gates: list[ReportGateView]
    gates_of: str
    """Of which moment they are, in words; empty: as they stand."""
    best: list[ReportPairView]
    worst: list[ReportPairView]
    arms: list[ArmView]
    shadow: list[ShadowArmView]
    funnel: FunnelView
    human: HumanScoreView
    agreement: AgreementView
    incidents: list[ReportMoveView]
    approvals: list[ReportMoveView]
    """What people said to it."""
    moves: list[ReportMoveView]
    policy_file: str | None
    policy_sha256: str | None
    """Of the policy file's text as it was last read whole."""
    candidate_key: str | None
    """Digest of all that makes the candidate what it is."""


INCIDENTS = frozenset({Outcome.SUSPEND, Outcome.ROLLBACK, Outcome.REJECTED})
"""What took traffic, or kept a candidate from having any."""


def report(pages: Pages, route: str, since: str) -> ReportView | None:
    """The report; None: there is no such route.

    Raises:
        FilterError: `since` is no moment.
        StateDownError, StateError, TooSlowError, duckdb.Error: it cannot be read now.
    """
    now = pages.operations.clock.wall()
    rollout = next((each for each in pages.rollouts().rollouts if each.route == route), None)
    if rollout is None:
        return None
    look, gates_of = _shown(pages.operations, route)
    figures = pages.route_figures(route, since)
    start = wanted("exchanges", {"since": since}, now=now).window.since or 0.0
    told = [each for each in moves(pages.operations, route) if each.at >= start]
    votes = pages.labelling.queue.votes(route=route)
    policy = next((each for each in pages.policies().policies if each.route == route_of(route)), None)
    agreement = pages.labelling.queue.agreement([vote for vote in votes if vote.pool == "random"])
    best = _pairs(pages, route, since, "-q")
    worst = [pair for pair in _pairs(pages, route, since, "q") if pair not in best]
    return ReportView(
        route=route, made_at=now, since=figures.since, rollout=rollout,
        sentence="No leader has looked at it yet." if rollout.standing is None else rollout.standing.sentence,
        rule=rule(() if look is None else look.results.gates, is_split=look is not None and look.rollout.ladder.split),
        gates=[] if look is None else [_gate(gate) for gate in look.results.gates],
        gates_of=gates_of,
        best=best, worst=worst, arms=figures.arms, shadow=figures.shadow, funnel=figures.funnel,
        human=HumanScoreView.model_validate(human(votes)), agreement=AgreementView.model_validate(agreement),
        incidents=[each for each in told if each.outcome in INCIDENTS],
        approvals=[each for each in told if each.by != "evidence"], moves=told[:MOVES],
        policy_file=None if policy is None else policy.file,
        policy_sha256=None if policy is None or policy.text is None else _sha256(policy.text.encode()),
        candidate_key=None if look is None else look.rollout.key.digest,
    )  # fmt: skip


def _shown(operations: Operations, route: str) -> tuple[Decision | None, str]:
    """The decision whose gates say most of a route, and of which moment they are: empty, as they stand.

    Where it has moved and nothing counts yet, or was stopped, what is looked at says nothing: then what moved it does.
    """
    if (stop := operations.stops().get(route)) is not None:
        return stop, f"as they stood when it was {str(stop.rollout.phase).replace('_', ' ')}"
    look = operations.looks().get(route)
    if look is None or any(gate.n for gate in look.results.gates):
        return look, ""
    for _, _, told in operations.told(route):
        if told.outcome is Outcome.PROMOTE and told.rollout.key == look.rollout.key and told.results.gates:
            return told, f"as they stood when it moved up to {told.rollout.at.label}; nothing has counted there yet"
    return look, ""


def moves(operations: Operations, route: str) -> list[ReportMoveView]:
    """What was decided of a route, newest first."""
    return [_move(*each) for each in operations.told(route)]


def rule(gates: Sequence[GateResult], *, is_split: bool = False) -> list[str]:
    """The rule by which a rollout moves, a short sentence each. `is_split`: only the policy's share counts."""
    if is_split:
        return [
            "A fixed split, uncertified: the policy states the candidate's share, and nothing shows it is good enough.",
            "A candidate that does not answer loses its traffic at once; people may stop or hold it with a reason.",
        ]
    needed = [gate for gate in gates if gate.required]
    *most, last = [gate.gate for gate in needed] or ["every required gate"]
    names = f"{', '.join(most)} and {last}" if most else last
    heights = [gate.needed for gate in needed if gate.needed is not None]
    odds = f" at most one time in {10 ** min(heights):,.0f}" if heights else " rarely"
    return [
        f"The candidate gets more traffic only when {names} {'are each' if most else 'is'} certified: shown to be no "
        "worse than the limit allows.",
        f"A candidate that is worse passes by chance{odds}, however often one looks.",
        "Each stage has a least number of conversations and a least time.",
        "All traffic goes back to the baseline at once when a detector raises an alarm, or a gate is certainly beyond "
        "its limit.",
        "After an alarm the candidate returns only once it was tried on copies of requests, and did well.",
        "People may stop, hold or promote it; their reason is kept.",
    ]


def _move(decision_id: str, record: bytes, decision: Decision) -> ReportMoveView:
    return ReportMoveView(
        at=decision.at, outcome=str(decision.outcome), move=str(decision.move), by=decision.by,
        from_stage=explain.where(decision.before), to_stage=explain.where(decision.rollout), reason=decision.reason,
        decision_id=decision_id, record_sha256=_sha256(record),
    )  # fmt: skip


def _gate(gate: GateResult) -> ReportGateView:
    return ReportGateView(
        gate=gate.gate, verdict=gate.verdict.name, reason=gate.reason, n=gate.n, estimate=gate.estimate,
        lower=gate.lower, upper=gate.upper, limit=gate.limit, better=gate.better, log10_e=gate.log10_e,
        needed=gate.needed, required=gate.required,
    )  # fmt: skip


def _pairs(pages: Pages, route: str, since: str, sort: str) -> list[ReportPairView]:
    """The pairs that speak most for the candidate (`-q`) or against it (`q`)."""
    found = wanted("comparisons", {"since": since, "route": route}, now=pages.operations.clock.wall())
    found.add("q IS NOT NULL AND came = 'answered' AND asked <> 'baseline_again' AND answer_json IS NOT NULL")
    found.add("q > 0" if sort == "-q" else "q < 0")
    rows = pages.recorded.pair_rows(found, sort="-q" if sort == "-q" else "q", limit=PAIRS, offset=0)
    queue = pages.labelling.queue
    listed = [(row, queue.pair(QueuedPair(row.exchange_id, row.asked), route)) for row in rows]
    return [
        _pair(pair, row.exchange_id, row.asked, row.metric, row.q)
        for row, pair in listed
        if pair is not None and row.q is not None
    ]


def _pair(pair: PairView, exchange_id: str, asked: str, metric: str, q: float) -> ReportPairView:
    prompt, baseline, candidate = outlines(pair, asked)
    said = prompt.turns[-1].text if prompt.turns else ""
    return ReportPairView(
        exchange_id=exchange_id, asked=asked, metric=metric, q=q, prompt=_cut(said or "(not kept)"),
        baseline=_cut(baseline.said or baseline.problem), candidate=_cut(candidate.said or candidate.problem),
    )  # fmt: skip


def _cut(text: str) -> str:
    return text if len(text) <= EXCERPT else text[: EXCERPT - 1] + "…"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
