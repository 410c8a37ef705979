"""What there is to say about a policy's gates: what they rest on, and what is left open."""

from collections.abc import Iterator, Sequence

from policies.compile import quality_metric, quality_metrics
from policies.findings import Finding, Loc, warning
from policies.language.amounts import PPM, duration_text
from policies.language.compare import CHECKS, DIAGNOSTIC, GAMEABLE, LIKENESS, SCORES
from policies.language.gates import QualityGate
from policies.schema import Policy

_LOOSE_MARGIN = 0.1
_MUCH_PPM = PPM // 2
"""Of a stage that follows the shadow: more of the traffic than should meet it first."""
_BLOCK_S = 3600.0
_LONGEST = 128
"""Of a dimension's name: slices stand in the routing table."""


def gate_findings(policy: Policy) -> Iterator[Finding]:
    """What its gates cannot rest on, what they leave open, and what is worth a second look."""
    names = [comparator.name for comparator in policy.compare]
    yield from _quality(policy)
    yield from _unused(policy)
    yield from _loose(policy)
    yield from _sliced(policy)
    validity = policy.gates.validity if "validity" in policy.gates.model_fields_set else None
    if validity is not None and not any(name in CHECKS for name in names):
        hint = f"add one of {', '.join(CHECKS)} to `compare`"
        yield Finding(("gates", "validity"), "no comparator here checks whether an answer is valid", hint)


def _quality(policy: Policy) -> Iterator[Finding]:
    """Scores that nothing gives, that stand twice, or that nobody wants although nobody said so."""
    gates, accepted = policy.gates.quality, policy.gates.accept
    if gates is None:
        yield from _unmeasured(policy)
        return
    if accepted:
        message = f"`{accepted[0]}` is accepted, but quality is measured"
        yield Finding(("gates", "accept"), message, "remove it, or write `quality: off`")
    for position, gate in enumerate(gates):
        yield from _score(policy, position, gate)
    rest = [gate.metric for gate in gates]
    for position, gate in enumerate(gates):
        if position and gate.metric is None:
            yield Finding(_quality_loc(policy, position), "does not say which score it uses", "add `metric: …`")
        elif gate.metric is not None and gate.metric in rest[:position]:
            message = f"two gates use {gate.metric}"
            yield Finding(_quality_loc(policy, position, "metric"), message, "remove one, or give it another metric")
    if len([metric for metric in quality_metrics(policy) if metric in LIKENESS]) > 1:
        message = "two gates use how alike answers are; only one can, because the baseline is asked twice for one only"
        yield Finding(("gates", "quality"), message, "keep one; use a judge or a scorer of your own for the other")


def _unmeasured(policy: Policy) -> Iterator[Finding]:
    """Findings where quality is off: the policy must say that it is meant, and demand a saving."""
    gates = policy.gates
    if not gates.accept:
        hint = "if you mean this, write `gates: {quality: off, accept: unmeasured quality, …}`"
        yield Finding(("gates", "quality"), "nothing would check how good the candidate's answers are", hint)
    if gates.cost is None or not gates.cost.required:
        message = "nothing checks quality, and nothing demands a saving in return"
        yield warning(("gates", "quality"), message, "demand one: `cost: {max_ratio: 0.5x, required: true}`")


def _unused(policy: Policy) -> Iterator[Finding]:
    """A judge or scorer that costs money or time, and that no gate uses."""
    used = quality_metrics(policy)
    for position, comparator in enumerate(policy.compare):
        if comparator.name not in GAMEABLE or comparator.name in used:
            continue
        rests = f"quality uses {' and '.join(used)}" if used else "quality is off"
        gates = ", ".join(f"{{metric: {metric}}}" for metric in (*used, comparator.name))
        yield warning(
            ("compare", position),
            f"{comparator.name} scores, but no gate uses it: {rests}",
            f"write `gates: {{quality: [{gates}]}}`, or remove it",
        )


def _quality_loc(policy: Policy, position: int, *way: str) -> Loc:
    """The way to a quality gate, which is one or one of a list."""
    several = len(policy.gates.quality or ()) > 1
    return ("gates", "quality", *((position,) if several else ()), *way)


def _score(policy: Policy, position: int, gate: QualityGate) -> Iterator[Finding]:
    """What a gate rests on must be there, and say how good an answer is."""
    names = [comparator.name for comparator in policy.compare]
    metric = gate.metric or quality_metric(policy)
    where = _quality_loc(policy, position, "metric") if gate.metric else ("compare",)
    scores = ", ".join(SCORES)
    if metric is None:
        yield Finding(where, "no comparator here says how good an answer is", f"add one of {scores}")
    elif metric in DIAGNOSTIC:
        yield Finding(where, f"{metric} is shown only: no gate can use it", f"use one of {scores}")
    elif metric not in names:
        yield Finding(where, f"no comparator here gives {metric}", f"`compare` has {', '.join(names)}")
    elif metric not in SCORES:
        yield Finding(where, f"{metric} says whether an answer is valid, not how good it is", f"use one of {scores}")
    elif metric in LIKENESS:
        message = f"{metric} says how alike answers are, so it can never show that the candidate is better"
        hint = "use a judge or a scorer of your own"
        for name, value in (("margin", gate.margin), ("owned_margin", gate.owned_margin)):
            if value is not None and value < 0:
                yield Finding(_quality_loc(policy, position, name), message, hint)


def _loose(policy: Policy) -> Iterator[Finding]:
    latency = policy.gates.latency
    if latency is not None and latency.block_s < _BLOCK_S:
        message = f"a block of {duration_text(latency.block_s)} is short: traffic differs too much within an hour"
        yield warning(("gates", "latency", "relative", "block"), message, "fine for a trial; too short for production")
    first = next((position for position, stage in enumerate(policy.stages) if stage.weight_ppm), None)
    if first and policy.stages[first].weight_ppm >= _MUCH_PPM and policy.stages[first].options.approve == "auto":
        share = policy.stages[first].name
        message = (
            f"the first stage after the shadow takes {share} of the traffic: so many users meet what only load shows"
        )
        yield warning(("stages", first), message, "start with less, as `[shadow, 1%, 10%, 50%, 100%]`")
    for position, gate in enumerate(policy.gates.quality or ()):
        if gate.margin >= _LOOSE_MARGIN:
            message = (
                f"one answer in {1 / gate.margin:.0f} may be worse than the baseline's, and the candidate still passes"
            )
            yield warning(_quality_loc(policy, position, "margin"), message, "0.05 is usual, 0.02 strict")


def _sliced(policy: Policy) -> Iterator[Finding]:
    """Slices of which nothing is asked, or one that is asked for twice."""
    if policy.slices is None:
        return
    by = policy.slices.by
    for position, name in enumerate(by):
        if name in by[:position]:
            yield Finding(("slices", "by", position), f"{name} is listed twice", "remove one")
    if policy.gates.quality is None:
        message = "quality is off, so slices have nothing to check"
        yield Finding(("slices",), message, "remove `slices`, or measure quality")
    if policy.slices.mode == "partial":
        yield from _moving_alone(by)


def _moving_alone(by: Sequence[str]) -> Iterator[Finding]:
    """A worker must tell each request's one slice, from the request alone."""
    if len(by) > 1:
        message = "several dimensions put a request into several slices; with `mode: partial` it must be in one"
        yield Finding(("slices", "by"), message, f"keep one dimension, as `by: {by[0]}`, or `mode: whole`")
    if "language" in by:
        message = "a worker cannot tell this before it chooses who answers"
        hint = "let the app send it (`by: header:x-language` or `metadata:language`), or write `mode: whole`"
        yield Finding(("slices", "by"), message, hint)
    if any(len(name) > _LONGEST for name in by):
        yield Finding(("slices", "by"), f"is longer than {_LONGEST} characters", "use a shorter key")
    if by[0] == "length":
        message = "a growing conversation changes its slice, and may change its variant"
        yield warning(("slices", "by"), message, "slice by `tool`, a header or metadata: these seldom change")
