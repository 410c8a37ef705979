"""A policy in plain words, with every default it relies on: what was understood, for people to check.

Decisions are explained by `policies.explain`; this explains the file.
"""

from collections.abc import Iterator

from policies.baseline_line import BLOCKS
from policies.compile import likeness_metric, quality_metrics, votes_window_s
from policies.judge_bias import WHERE, labels_needed
from policies.language.amounts import PPM, duration_text, share_text
from policies.rules import Gates, Guards, Latency, Quality, Rules, Stage
from policies.schema import Match, Policy
from policies.slices import WIDER

UNMEASURED = "not measured, as the policy accepts: worse answers move up as good ones do"
"""Of the quality, where it is off."""


def text(policy: Policy, rules: Rules, *, among: int = 0) -> str:
    """The whole policy; `among`: so many candidates, where it has several and this is one of them."""
    baseline, candidate = policy.baseline, policy.candidate
    silent = duration_text(rules.units.close_after_s)
    lines = [
        f"ROUTE {policy.route}{_mode(policy)}",
        *([f"  {policy.description}"] if policy.description else []),
        f"  requests   {_match(policy.match)}",
        f"  baseline   {baseline.upstream}, {baseline.model or 'the model the app asks for'}",
        f"  candidate  {candidate.upstream}, {candidate.model} revision {candidate.revision}{_adapted(policy)}",
        *([_picked(among)] if among else []),
        f"  eligible   {_eligible(policy)}",
        f"  unit       {' or '.join(policy.assign.by)}; a conversation ends after {silent} without a request",
        *([_split(policy, rules)] if rules.ladder.split else _climb(policy, rules)),
        *_rises(rules),
        *_suspends(rules),
        f"  after a rollback: {duration_text(rules.rollback.cooldown_s)} of waiting, then again from the shadow; "
        f"after {rules.rollback.quarantine_after} rollbacks it needs a new revision or an operator",
    ]
    return "\n".join(lines)


def _picked(among: int) -> str:
    return (
        f"  chosen     of {among} candidates that all answer the same copies of requests: of those that pass (closed "
        "test), the one with the best mean continues; the others wait, and keep their counts"
    )


def _alpha(policy: Policy) -> str:
    """What each gate is held to, and where it comes from."""
    gates = policy.gates
    if gates.retrain is None:
        return f"{gates.alpha:g} each"
    return f"{gates.alpha_here:.2g} each: retrain {gates.retrain} of a route whose retrains all share {gates.alpha:g}"


def _climb(policy: Policy, rules: Rules) -> list[str]:
    """What is certified, and how it rises."""
    return [
        f"  shadow     {_shadow(policy)}",
        f"  compared   {_compared(policy)}",
        f"  to advance, every check must pass (alpha {_alpha(policy)}, however often you look):",
        *(f"    {line}" for line in _gates(rules.gates)),
        *_slices(rules),
        "  to stay, no limit may be exceeded:",
        *(f"    {line}" for line in _guards(rules)),
        *_votes(votes_window_s(policy)),
        "  stages",
        *(f"    {_stage(stage)}" for stage in rules.ladder.stages),
    ]


def _mode(policy: Policy) -> str:
    if policy.mode == "split":
        return "  (split: uncertified)"
    return "" if policy.mode == "apply" else f"  ({policy.mode}: moves no traffic)"


def _rises(rules: Rules) -> list[str]:
    return [] if rules.ladder.rises is None else [f"  rises      only within {rules.ladder.rises}; falls at any time"]


def _suspends(rules: Rules) -> list[str]:
    """What an alarm costs at first."""
    settings = rules.rollback
    if not settings.trial:
        return []
    return [
        f"  on an alarm: no traffic; after {duration_text(settings.calm_s)} a test on copies of {settings.trial} "
        "requests, then its traffic again; rolled back if it fails the test, or "
        f"after {settings.suspensions} such alarms in a day"
    ]


def _slices(rules: Rules) -> list[str]:
    by, margins = rules.gates.slices, [abs(gate.margin) * WIDER for gate in rules.gates.qualities]
    if not by:
        return []
    if rules.ladder.moves_by:
        return [
            f"    slices     by {by[0]}: only slices that pass by themselves move, each at the margin of the whole, "
            "all sharing its alpha; the rest stays with the baseline, and is compared further"
        ]
    limits = " and ".join(f"{margin:g}" for margin in margins)
    return [f"    slices     by {', '.join(by)}: each may be at most {limits} worse, or nothing rises"]


def _split(policy: Policy, rules: Rules) -> str:
    """What there is to say of a share that nothing certifies."""
    return (
        f"  split      {share_text(rules.ladder.stages[-1].served_ppm)} of eligible traffic, uncertified: no gate, no "
        "shadow, nothing compared\n"
        f"  goes back  if errors are above {policy.guards.error_rate:.1%}, if the candidate does not serve, or by "
        "your order"
    )


def _match(match: Match) -> str:
    parts = [f"model {_any(match.model)}"] if match.model else []
    parts += [f"path {_any(match.path)}"] if match.path else []
    parts += [f"header {name} is {_any(values)}" for name, values in match.header.items()]
    parts += [f"key {_any(match.key)}"] if match.key else []
    parts += [f"metadata {name} is {_any(values)}" for name, values in match.metadata.items()]
    if match.system_prompt is not None:
        parts += (
            [f"system prompt contains {_any(match.system_prompt.contains)}"] if match.system_prompt.contains else []
        )
        hashes = tuple(digest[:12] for digest in match.system_prompt.sha256)
        parts += [f"system prompt hashes to {_any(hashes)}…"] if hashes else []
    return ", ".join(parts)


def _any(values: tuple[str, ...]) -> str:
    return " or ".join(values)


def _adapted(policy: Policy) -> str:
    candidate = policy.candidate
    parts = [f"gets {candidate.system_prompt} in place of the app's system prompt"] if candidate.system_prompt else []
    parts += [f"sets {', '.join(sorted(candidate.set))}"] if candidate.set else []
    parts += [f"drops {', '.join(candidate.drop)}"] if candidate.drop else []
    parts += [f"first token within {duration_text(candidate.first_byte)}"] if candidate.first_byte else []
    parts += [f"whole answer within {duration_text(candidate.total)}"] if candidate.total else []
    return "".join(f"; {part}" for part in parts)


def _eligible(policy: Policy) -> str:
    eligible = policy.eligible
    parts = [f"up to {eligible.max_input_tokens} tokens"] if eligible.max_input_tokens else []
    parts += [f"without {', '.join(eligible.forbid)}"] if eligible.forbid else []
    parts += ["Responses are declared stateless"] if eligible.stateless else []
    parts += [f"media from {', '.join(eligible.media_hosts)}"] if eligible.media_hosts else []
    return ", ".join([*parts, "and only what an engine does not ignore"] if parts else ["all that an engine can do"])


def _compared(policy: Policy) -> str:
    by = f"by {', '.join(each.name for each in policy.compare)}" if policy.compare else "by nothing"
    metrics = quality_metrics(policy)
    what = "index compatibility" if metrics == ("vectors",) else "quality"
    verb = "measures" if len(metrics) == 1 else "measure"
    told = f"{' and '.join(metrics)} {verb} {what}" if metrics else UNMEASURED
    return f"{by}; {told}"


def _shadow(policy: Policy) -> str:
    shadow = policy.shadow
    return (
        f"{share_text(shadow.sample)} of conversations, {shadow.max_in_flight} at a time, ${shadow.budget:g} a day; "
        f"the baseline asked twice for {_twice(policy)}"
    )


def _twice(policy: Policy) -> str:
    floor = share_text(policy.shadow.noise_floor)
    if likeness_metric(policy) is None or policy.baseline.deterministic:
        return floor
    return f"all of them until likeness has passed, then for {floor}"


def _gates(gates: Gates) -> Iterator[str]:
    yield from (f"{'quality':<10} {_quality(gate)}" for gate in gates.qualities)
    if gates.quality is None:
        yield f"quality    {UNMEASURED}"
    if gates.validity:
        yield f"validity   at most {gates.validity.margin:.1%} fewer valid answers than the baseline"
    if gates.errors:
        yield f"errors     at most {gates.errors.margin:.1%} more than the baseline"
    yield from (f"{'latency':<10} {_latency(gate)}" for gate in gates.latencies)
    if gates.cost:
        word = "" if gates.cost.required else " (shown, not required)"
        yield f"cost       at most {gates.cost.max_ratio:g} times the baseline's{word}"


def _quality(gate: Quality) -> str:
    if gate.metric == "vectors":
        return (
            f"index compatibility: vectors that do not fit in at most {gate.margin:.1%} of conversations; not quality"
        )
    assumed = ""
    if gate.missing is not None and gate.missing > -1:
        assumed = f"; a pair without a verdict counts {gate.missing:g}, as this policy says"
    if gate.owned_margin is not None:
        assumed = f", {gate.owned_margin:g} from 25% on{assumed}"
    if gate.margin < 0:
        return f"{gate.metric} at least {-gate.margin:g} better than the baseline{assumed}"
    if not gate.likeness:
        return f"{gate.metric} at most {gate.margin:g} worse than the baseline{assumed}"
    itself = "1 (the baseline is declared deterministic)" if gate.deterministic else "the baseline's likeness to itself"
    shows = f"at most {gate.margin:g} below {itself}; it never shows harm"
    return f"{gate.metric}: likeness to the baseline {shows}{assumed}"


def _latency(gate: Latency) -> str:
    name = {"ttft": "time to the first token", "total": "time to the last token"}[gate.measure]
    if gate.limit_s is not None:
        return f"{gate.quantile:.0%} of {name} within {duration_text(gate.limit_s)}; in the shadow, too"
    return (
        f"p{gate.quantile * 100:g} of {name} within {gate.ratio:g} times the baseline's of the same time; "
        f"needs {BLOCKS} blocks of {duration_text(gate.block_s or 0.0)}"
    )


def _guards(rules: Rules) -> Iterator[str]:
    guards: Guards = rules.guards
    yield f"errors above {rules.detectors.errors:.1%}, invalid answers above {rules.detectors.validity:.1%}"
    yield (
        f"outputs    {guards.outputs}: two of its answers equal at most {guards.same_answers or 0.0:.0%} more often "
        f"than two of the baseline's; to advance, at least {guards.distinct_ratio:g} times as many different answers, "
        f"and none above {guards.top_share:.0%} or {guards.top_ratio:g} times the baseline's most frequent"
    )
    yield (
        f"length     median {guards.length_ratio_min:g} to {guards.length_ratio_max:g} times the baseline's; "
        f"refusals, empty answers, loops at most {guards.slack:.0%} more"
    )
    if guards.hang_ups is not None:
        yield f"hang-ups   apps hang up on the candidate at most {guards.hang_ups:.0%} more often than on the baseline"
    yield (
        f"units      no conversation above {guards.unit_share:.0%} of the traffic; at most {guards.drop_rate:.0%} of "
        "pairs lost"
    )
    if guards.busy_rate is not None:
        yield f"room       the candidate has room for all but {guards.busy_rate:.0%} of the requests assigned to it"
    if guards.judge_bias is not None:
        needed = labels_needed(guards.judge_bias, {}, alpha=guards.alpha, bets=rules.bets)
        yield (
            f"people     the score must be within {guards.judge_bias:g} of people's labels on average before anything "
            f"advances: about {needed:,} judged pairs ({WHERE})"
        )


def _votes(window_s: float | None) -> list[str]:
    if window_s is None:
        return []
    return [f"  votes      on answers of the last {duration_text(window_s)}, shown by `explain`; they move no traffic"]


def _stage(stage: Stage) -> str:
    parts = [f"{stage.min_units} conversations"]
    parts += [f"{duration_text(stage.least_s)}"] if stage.least_s else []
    parts += ["an operator's approval to enter"] if stage.approve == "manual" else []
    parts += [f"{share_text(stage.holdback_ppm)} stays with the baseline"] if stage.holdback_ppm else []
    reverse = share_text(stage.reverse_shadow_ppm)
    if stage.reverse_until_ppm > stage.reverse_shadow_ppm:
        parts.append(f"all also ask the baseline until quality has passed here, then {reverse}")
    elif stage.reverse_shadow_ppm:
        parts.append(f"{reverse} also ask the baseline")
    name = "100%" if stage.weight_ppm == PPM else stage.label
    return f"{name:<8} at least {', '.join(parts)}"
