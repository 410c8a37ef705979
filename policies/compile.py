"""From a policy to what acts on it: the data plane's route, and the core's rules. Nothing is decided here.

`lint.refusals` must have found nothing: what it refuses has no meaning to compile.
"""

import hashlib
import json
from typing import cast

import msgspec

from policies import routing, rules
from policies.candidates import route_of
from policies.globs import is_glob
from policies.language import gates as gating
from policies.language.amounts import PPM
from policies.language.base import Section
from policies.language.compare import CHECKS, DIAGNOSTIC, GAMEABLE, LIKENESS, SCORES, Feedback, Judge, SchemaCheck
from policies.schema import Assign, Policy, Stage
from policies.surroundings import KnownUpstream, Surroundings
from policies.windows import RiseWindow

ALONE_S = 1.0
"""A request that is a unit of its own is over at once: held as long as a conversation, it would only fill memory."""
DEFAULT_REVERSE_PPM = 50_000
LATE_RATE = 0.01
"""Requests that may be told after their conversations were counted."""
SPARE_S = 60.0
"""How long further failures of a conversation are no news to a detector. Source: decisions-2, ruling 5."""
OUTAGE_AFTER = 1
"""Of units in a row without any answer the first counts for harm, no other: two convict a stage that has just begun."""
TRIAL = 200
"""Requests that a suspended candidate is tried on. Source: decisions-2, ruling 5. A fixed split has no shadow to try it
in: its alarms roll back."""
MOST_EMPTY = 0.5
"""What a trial tolerates of empty answers beside the baseline's at most, whatever slack the guards have."""
RHO_USERS, RHO_PROMPTS = 0.3, 0.5
"""How alike the conversations of one user, or with one prompt, are taken to be: bounds, and no estimates.

Source: decisions-2, ruling 4."""


def route(
    policy: Policy, *, weight_ppm: int, is_engine: bool = True, system_prompt: str | None = None
) -> routing.Route:
    """What a data-plane worker needs, with the candidate's share of eligible traffic as the rollout has it.

    `is_engine`: the candidate is a server of one's own. `system_prompt`: what its file says.
    """
    candidate = policy.candidate
    return routing.Route(
        name=route_of(policy.route),
        baseline=routing.Variant(policy.baseline.upstream, policy.baseline.model),
        match=_match(policy),
        mode=policy.mode,
        eligible=_eligible(policy, is_engine=is_engine),
        candidate=routing.Variant(
            candidate.upstream,
            candidate.model,
            revision=candidate.revision,
            set={name: msgspec.Raw(msgspec.json.encode(value)) for name, value in candidate.set.items()},
            drop=candidate.drop,
            first_byte_s=candidate.first_byte,
            total_s=candidate.total,
            report_model=candidate.report_model,
            system_prompt=system_prompt,
        ),
        weight_ppm=weight_ppm,
        assign=routing.Assign(policy.assign.by, policy.assign.salt or policy.route),
        breaker=_breaker(policy.guards.breaker),
        expose_variant=policy.expose_variant,
        pin_keys=policy.pin_keys,
        moves_by=moves_by(policy),
    )


def _match(policy: Policy) -> routing.Match:
    match = policy.match
    return routing.Match(
        model=tuple(model for model in match.model if not is_glob(model)),
        model_like=tuple(model for model in match.model if is_glob(model)),
        path=match.path,
        header=dict(match.header),
        key=match.key,
        metadata=dict(match.metadata),
        system_prompt_contains=match.system_prompt.contains if match.system_prompt else (),
        system_prompt_sha256=match.system_prompt.sha256 if match.system_prompt else (),
    )


def _eligible(policy: Policy, *, is_engine: bool) -> routing.Eligible:
    eligible = policy.eligible
    tokens = eligible.max_input_tokens
    max_bytes = None if tokens is None else int(tokens * eligible.bytes_per_token)
    return routing.Eligible(
        max_bytes, eligible.forbid, eligible.stateless, is_engine, tuple(host.lower() for host in eligible.media_hosts)
    )


def _breaker(breaker: gating.Breaker) -> routing.Breaker:
    return routing.Breaker(
        consecutive=breaker.consecutive,
        ratio=breaker.ratio,
        min_requests=breaker.min_requests,
        window_s=breaker.window,
        open_s=breaker.open,
        max_open_s=breaker.max_open,
    )


def quality_metric(policy: Policy) -> str | None:
    """The comparator that the (first) quality gate rests on; None: none can, or there is no such gate."""
    return next(iter(quality_metrics(policy)), None)


def quality_metrics(policy: Policy) -> tuple[str, ...]:
    """The comparators that quality gates rest on, in the gates' order."""
    usual = next((comparator.name for comparator in policy.compare if comparator.name in SCORES), None)
    stated = [gate.metric or usual for gate in policy.gates.quality or ()]
    return tuple(metric for metric in stated if metric is not None)


def sliced_by(policy: Policy) -> tuple[str, ...]:
    """The dimensions of the traffic each slice of which must hold."""
    return policy.slices.by if policy.slices else ()


def moves_by(policy: Policy) -> str:
    """The dimension of the traffic whose certified slices alone move; empty: all of it moves."""
    return policy.slices.by[0] if policy.slices and policy.slices.mode == "partial" else ""


def likeness_metric(policy: Policy) -> str | None:
    """The one of them that says how alike answers are; None: none does."""
    return next((metric for metric in quality_metrics(policy) if metric in LIKENESS), None)


def votes_window_s(policy: Policy) -> float | None:
    """How far back answers lie whose votes are compared; None: they are not. No part of what decides."""
    return next((each.options.window for each in policy.compare if isinstance(each.options, Feedback)), None)


def decision_rules(policy: Policy, surroundings: Surroundings) -> rules.Rules:
    """What the core decides by."""
    return rules.Rules(
        route=policy.route,
        key=_key(policy, surroundings),
        gates=UNGATED if policy.mode == "split" else _gates(policy, surroundings),
        guards=_guards(policy),
        detectors=rules.Detectors(
            errors=policy.guards.error_rate,
            validity=policy.guards.invalid_rate,
            spare_s=SPARE_S,
            rho=RHO_USERS,
            baseline_excused=True,
            empty=min(MOST_EMPTY, max(policy.guards.slack, policy.guards.error_rate)),
        ),
        ladder=_ladder(policy, surroundings),
        rollback=rules.RollbackSettings(
            arl=policy.rollback.arl,
            cooldown_s=policy.rollback.cooldown,
            quarantine_after=policy.rollback.quarantine_after,
            error_after_s=policy.rollback.error_after,
            stale_s=policy.rollback.stale,
            trial=0 if policy.mode == "split" else TRIAL,
        ),
        units=_units(policy),
        bets=rules.BETS,
    )


UNGATED = rules.Gates(None, None, None, None, None)
"""Of a fixed split."""


def _ladder(policy: Policy, surroundings: Surroundings) -> rules.Ladder:
    """The stages as they are written; a split has one, which rises from nothing."""
    stages = tuple(_stage(stage, policy, surroundings) for stage in policy.stages)
    split, advance = policy.mode == "split", policy.advance
    rises = None if advance is None else RiseWindow(advance.days, *advance.hours, advance.tz)
    return rules.Ladder((rules.Stage(0, min_units=0), *stages) if split else stages, rises, split, moves_by(policy))


def _units(policy: Policy) -> rules.Units:
    """When a unit is over: one request by itself is when it has been."""
    assign = policy.assign
    alone, is_open = set(assign.by) == {"request"}, assign.population == "open"
    return rules.Units(
        min(assign.close_after, ALONE_S) if alone else assign.close_after,
        assign.max_pairs,
        rho_users=RHO_USERS if is_open else 0.0,
        rho_prompts=RHO_PROMPTS if is_open else 0.0,
        late=True,
        outage_after=OUTAGE_AFTER,
    )


def _key(policy: Policy, surroundings: Surroundings) -> rules.CandidateKey:
    """The key of the evidence: a change of anything in it starts new evidence, a change of anything else does not."""
    baseline, candidate, prompt = policy.baseline, policy.candidate, policy.match.system_prompt
    return rules.CandidateKey(
        candidate=f"{candidate.upstream}/{candidate.model}",
        revision=candidate.revision,
        baseline=f"{baseline.upstream}/{baseline.model or '|'.join(sorted(policy.match.model))}",
        prompt=_canonical([sorted(prompt.sha256), sorted(prompt.contains)]) if prompt else "",
        judge=_canonical(_judged(policy, surroundings)),
        decoding=_canonical({"set": candidate.set, "drop": sorted(candidate.drop), **_prompted(surroundings)}),
    )


def _judged(policy: Policy, surroundings: Surroundings) -> dict[str, object]:
    """What the verdicts mean, as a part of the key: scorers, other comparators, their options and assumptions."""
    metrics = quality_metrics(policy)
    scorers = [each for each in policy.compare if each.name in metrics]
    beside = [each for each in policy.compare if each.name not in (*metrics, *DIAGNOSTIC)]
    judged: dict[str, object] = {each.name: _told(each.options) for each in scorers}
    if len(metrics) > 1:
        judged["scores"] = list(metrics)  # what the first says is kept as `quality`, whichever it is
    if beside:
        judged["beside"] = {each.name: _told(each.options) for each in beside}
    if surroundings.judge and any(isinstance(each.options, Judge) for each in scorers):
        judged["told"] = surroundings.judge
    if surroundings.schema:
        judged["schema"] = surroundings.schema
    if policy.assign.population == "fixed" and metrics:
        judged["population"] = "fixed"  # its conversations were counted whole, which says less of people still to come
    if policy.assign.by != Assign.model_fields["by"].default:
        judged["by"] = list(policy.assign.by)  # what one unit is: means over users say nothing of means over requests
    if policy.baseline.deterministic and likeness_metric(policy):
        judged["deterministic"] = True
    assumed = [gate.missing.at_worst for gate in policy.gates.quality or ()]
    if any(worst != -1.0 for worst in assumed):
        judged["missing"] = assumed
    return judged


def _told(options: Section) -> dict[str, object]:
    """A comparator's options: in lists of names none comes first, and of files that are read the words count."""
    found: dict[str, object] = options.model_dump(mode="json")
    if isinstance(options, Judge | SchemaCheck):
        found |= dict.fromkeys(found.keys() & {"rubric", "file"})
    return {
        name: sorted(map(str, cast("list[object]", value))) if isinstance(value, list) else value
        for name, value in found.items()
    }


def _prompted(surroundings: Surroundings) -> dict[str, str]:
    """Which system prompt the candidate has, as a digest: another text is another candidate, whatever its file."""
    text = surroundings.system_prompt
    return {} if text is None else {"system_prompt": hashlib.sha256(text.encode()).hexdigest()[:16]}


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _gates(policy: Policy, surroundings: Surroundings) -> rules.Gates:
    gates, names = policy.gates, [comparator.name for comparator in policy.compare]
    checked = any(name in CHECKS for name in names)
    priced = gates.cost is not None and (
        surroundings.price(policy.baseline.upstream, policy.candidate.upstream) or "cost" in gates.model_fields_set
    )
    qualities, latencies = _qualities(policy), _latencies(gates.latency, gates.alpha_here)
    return rules.Gates(
        quality=next(iter(qualities), None),
        validity=rules.Validity(gates.validity.margin, gates.alpha_here, may_be_rare=True)
        if gates.validity and checked
        else None,
        errors=rules.Errors(gates.errors.margin, gates.alpha_here),
        latency=next(iter(latencies), None),
        cost=rules.Cost(gates.cost.max_ratio, gates.alpha_here, gates.cost.required) if gates.cost and priced else None,
        also_quality=qualities[1:],
        also_latency=latencies[1:],
        slices=sliced_by(policy),
        plans_by_alpha=True,
    )


def _qualities(policy: Policy) -> tuple[rules.Quality, ...]:
    """The first is called `quality`, the others by their metric, too."""
    usual = quality_metric(policy)
    return tuple(
        _quality(policy, gate, gate.metric or usual, f"quality:{gate.metric}" if position else "quality")
        for position, gate in enumerate(policy.gates.quality or ())
    )


def _quality(policy: Policy, gate: gating.QualityGate, metric: str | None, name: str) -> rules.Quality:
    scorer = next((each.options for each in policy.compare if each.name == metric), None)
    scale = PPM / scorer.sample if isinstance(scorer, Judge) else 1.0
    return rules.Quality(
        gate.margin,
        metric or "quality",
        policy.gates.alpha_here,
        scale=scale,
        likeness=metric in LIKENESS,
        deterministic=policy.baseline.deterministic,
        missing=gate.missing.at_worst,
        owned_margin=gate.owned_margin,
        name=name,
    )


def _latencies(gate: gating.LatencyGate | None, alpha: float) -> tuple[rules.Latency, ...]:
    """The first is called `latency`, the others by what they limit, too."""
    if gate is None:
        return ()
    return tuple(
        rules.Latency(
            measure=limit.measure,
            quantile=limit.quantile,
            limit_s=limit.limit_s,
            ratio=rules.Latency().ratio if limit.ratio is None else limit.ratio,
            block_s=gate.block_s if limit.limit_s is None else None,
            warmup=gate.warmup,
            alpha=alpha,
            name=f"latency:{_limit_name(limit)}" if position else "latency",
            counts_failures=True,
        )
        for position, limit in enumerate(gate.limits)
    )


def _limit_name(limit: gating.Limit) -> str:
    """As the policy writes it: `ttft_p95`, `relative_ttft_p95`."""
    return f"{'' if limit.ratio is None else 'relative_'}{limit.measure}_p{limit.quantile * 100:.0f}"


def _guards(policy: Policy) -> rules.Guards:
    guards = policy.guards
    gameable = any(metric in GAMEABLE for metric in quality_metrics(policy))
    return rules.Guards(
        outputs=guards.outputs or ("required" if gameable else "observed"),
        same_answers=guards.same_answers,
        distinct_ratio=guards.distinct_ratio,
        top_share=guards.top_share,
        top_ratio=guards.top_ratio,
        length_ratio_min=guards.length_ratio.min,
        length_ratio_max=guards.length_ratio.max,
        slack=guards.slack,
        drop_rate=guards.drop_rate,
        unscored_rate=guards.unscored_rate,
        abstain_rate=guards.abstain_rate,
        unit_share=guards.unit_share,
        hang_ups=guards.hang_ups,
        busy_rate=guards.busy_rate,
        late_rate=LATE_RATE,
        judge_bias=guards.judge_bias,
    )


def _stage(stage: Stage, policy: Policy, surroundings: Surroundings) -> rules.Stage:
    weight_ppm, options = stage.weight_ppm, stage.options
    reverse_ppm = options.reverse_shadow
    if reverse_ppm is None:
        known = surroundings.upstreams.get(policy.baseline.upstream, KnownUpstream())
        compared = weight_ppm >= rules.ARMS_FROM_PPM and known.has_background_key
        reverse_ppm = DEFAULT_REVERSE_PPM if compared else 0
    certified = weight_ppm >= rules.ARMS_FROM_PPM and reverse_ppm > 0 and policy.gates.quality is not None
    return rules.Stage(
        weight_ppm,
        min_units=options.min_units,
        hold_s=rules.default_hold_s(weight_ppm) if options.hold is None else options.hold,
        approve=options.approve,
        holdback_ppm=options.holdback,
        reverse_shadow_ppm=reverse_ppm,
        reverse_until_ppm=PPM if certified else 0,
        max_units=rules.MAX_UNITS if options.max_units is None else options.max_units,
        max_s=options.max_time,
        days=int(not weight_ppm) if options.days is None else options.days,
        by_pairs=options.max_units is None,
    )
