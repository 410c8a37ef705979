"""What no single key of a policy is wrong about: contradictions, which are refused, and doubts, which are said.

A refusal keeps a policy from loading; a warning never does. Both say where and what to do. Between them stands what
`lint` refuses and a gateway serves all the same: nothing could ever be certified, but the route is one that works, and
without it its requests would go to the default upstream.
"""

from collections.abc import Iterator, Mapping, Sequence

from policies.compile import likeness_metric, quality_metric, quality_metrics
from policies.contenders import contender_findings, named_candidates
from policies.embedding_findings import embedding_findings
from policies.findings import Finding, Loc, warning
from policies.gate_findings import gate_findings
from policies.globs import meet
from policies.judge_bias import WHERE, labels_needed
from policies.language.amounts import PPM, duration_text, share_text
from policies.language.compare import (
    LIKENESS,
    Embedding,
    Judge,
    Promptfoo,
    PythonScore,
    SchemaCheck,
)
from policies.request.body import COMPLETIONS, RESPONSES
from policies.rules import ARMS_FROM_PPM, DAY_S, Guards, default_hold_s
from policies.schema import Policy, Stage
from policies.surroundings import Surroundings

_MIN_UNITS = 100
_A_CALL_USD = 0.01
"""What a call may well cost."""
_COARSE = 0.2
"""A limit on a judge's bias that a person meets in an afternoon."""


def findings(policy: Policy, surroundings: Surroundings | None = None) -> tuple[Finding, ...]:
    """All findings of a policy; without `surroundings`, none about upstreams and prices."""
    if policy.candidates:
        return contender_findings(policy, lambda contender: _findings(contender, surroundings))
    return _findings(policy, surroundings)


def _findings(policy: Policy, surroundings: Surroundings | None) -> tuple[Finding, ...]:
    """The same of a policy with one candidate."""
    found = [
        *_match(policy),
        *_variants(policy),
        *embedding_findings(policy),
        *_assign(policy),
        *_compare(policy),
        *(_split(policy) if policy.mode == "split" else (*gate_findings(policy), *_stages(policy), *_doubts(policy))),
    ]
    if surroundings is not None:
        found += [
            *_upstreams(policy, surroundings),
            *_background(policy, surroundings),
            *_prices(policy, surroundings),
            *_labels(policy),
            *_keys(policy, surroundings),
        ]
    return tuple(found)


def _match(policy: Policy) -> Iterator[Finding]:
    if policy.match.is_empty:
        yield Finding(
            ("match",), "this matches every request", "name the model that the app asks for: `match: {model: …}`"
        )
    prompt = policy.match.system_prompt
    if prompt is not None and not (prompt.contains or prompt.sha256):
        yield Finding(
            ("match", "system_prompt"), "is empty, so it matches no request", "write `contains: …` or `sha256: …`"
        )


def _variants(policy: Policy) -> Iterator[Finding]:
    candidate, baseline = policy.candidate, policy.baseline
    otherwise = candidate.system_prompt or candidate.set or candidate.drop
    if candidate.upstream == baseline.upstream and _is_asked(policy, candidate.model) and not otherwise:
        hint = "name another model or upstream, or change the request: `system_prompt: FILE`, `set: {…}`"
        yield Finding(("candidate",), "the candidate is the same as the baseline", hint)
    yield from _prompt(policy)
    for name in sorted(set(candidate.set) & set(candidate.drop)):
        yield Finding(("candidate", "drop"), f"`{name}` is both set and dropped", "remove it from one of the two")
    if candidate.first_byte and candidate.total and candidate.first_byte > candidate.total:
        yield Finding(
            ("candidate", "first_byte"),
            "`first_byte` is longer than `total`: the first token may come later than the whole answer",
            "make it shorter than `total`",
        )


def _prompt(policy: Policy) -> Iterator[Finding]:
    """A system prompt that takes the place of the app's takes away what the app fills in."""
    loc, prompt = ("candidate", "system_prompt"), policy.match.system_prompt
    if policy.candidate.system_prompt is None:
        return
    if policy.match.path and COMPLETIONS in policy.match.path:
        yield Finding(loc, f"{COMPLETIONS} has no system prompt", "remove that path from `match`")
    if prompt is None or not prompt.sha256:
        message = "this text replaces the app's whole system prompt, with any names and dates that the app puts there"
        hint = "`match: {system_prompt: {sha256: …}}` limits the route to the prompt that this text replaces"
        yield warning(loc, message, hint)


def _is_asked(policy: Policy, model: str) -> bool:
    """Whether the baseline may be asked for this model."""
    stated = policy.baseline.model
    return model == stated if stated else any(meet(model, name) for name in policy.match.model)


def _assign(policy: Policy) -> Iterator[Finding]:
    by = policy.assign.by
    for position, name in enumerate(by):
        if name in by[:position]:
            yield Finding(("assign", "by", position), f"{name} is listed twice", "remove one")
    if "request" in by[:-1]:
        yield Finding(("assign", "by"), "nothing after `request` is ever used: every request has it", "put it last")
    if by[0] == "request":
        hint = "name a header that holds the session's id, or use `user` and `conversation`"
        yield warning(("assign", "by"), "a conversation may change its variant from turn to turn", hint)


def _compare(policy: Policy) -> Iterator[Finding]:
    seen: set[str] = set()
    for position, comparator in enumerate(policy.compare):
        if comparator.name in seen:
            yield Finding(("compare", position), f"{comparator.name} is listed twice", "remove one")
        seen.add(comparator.name)
        if isinstance(comparator.options, Judge) and _is_variant(policy, comparator.options):
            hint = "take a judge of another model family: models prefer their own answers"
            yield Finding(("compare", position, "judge", "model"), "the judge is one of the variants it judges", hint)
        if comparator.name == "feedback" and "request" in policy.assign.by:
            message = "where a request names no user, one person's votes on many answers count as many people's"
            yield warning(("compare", position), message, "leave `request` out of `assign.by`, or send `user`")


def _is_variant(policy: Policy, judge: Judge) -> bool:
    if judge.upstream == policy.baseline.upstream and _is_asked(policy, judge.model):
        return True
    return (judge.upstream, judge.model) == (policy.candidate.upstream, policy.candidate.model)


_NOT_SPLIT = ("gates", "compare", "shadow", "slices")
_SPLIT_OPTIONS = frozenset({"approve", "holdback"})


def _split(policy: Policy) -> Iterator[Finding]:
    """A fixed share: of what makes certificates there must be nothing, and it is said that there are none."""
    for name in _NOT_SPLIT:
        if name in policy.model_fields_set:
            message = "has no effect with `mode: split`, which compares nothing"
            yield Finding((name,), message, "remove it, or write `mode: apply`")
    if len(policy.stages) != 1 or not policy.stages[0].weight_ppm:
        yield Finding(
            ("stages",), "`mode: split` takes exactly one share of the traffic", "write one stage, as `stages: [30%]`"
        )
        return
    stage = policy.stages[0]
    for name in sorted(stage.options.model_fields_set - _SPLIT_OPTIONS):
        yield Finding(
            _option(0, stage, name),
            "has no effect with `mode: split`",
            "remove it; only `approve` and `holdback` have an effect",
        )
    if stage.options.holdback >= stage.weight_ppm:
        yield Finding(
            _option(0, stage, "holdback"),
            "leaves the candidate no traffic: it is as large as the candidate's share",
            "use a smaller `holdback`",
        )
    message = f"{stage.name} of the traffic moves without evidence: nothing checks whether answers are as good"
    yield warning(("mode",), message, "if traffic should move by evidence, write `mode: apply`")


def _stages(policy: Policy) -> Iterator[Finding]:
    stages = policy.stages
    if stages[0].weight_ppm:
        yield Finding(("stages", 0), "traffic would move before there is any evidence", "make `shadow` the first stage")
    served_before = -1
    for position, stage in enumerate(stages):
        served = stage.weight_ppm - stage.options.holdback
        if stage.weight_ppm and served <= 0:
            yield Finding(
                _option(position, stage, "holdback"),
                "leaves the candidate no traffic: it is as large as this stage's share",
                "use a smaller `holdback`",
            )
        elif served <= served_before:
            hint = f"the stage before it serves {share_text(served_before)}: use a larger share"
            yield Finding(("stages", position), "weights must rise from stage to stage", hint)
        served_before = max(served, served_before)
        yield from _stage(position, stage)


def _stage(position: int, stage: Stage) -> Iterator[Finding]:
    options = stage.options
    if not stage.weight_ppm:
        for name in sorted({"approve", "holdback", "reverse_shadow"} & options.model_fields_set):
            hint = "put it on the first stage that moves traffic"
            yield Finding(_option(position, stage, name), "has no effect in the shadow, where no traffic moves", hint)
    if options.max_units is not None and options.min_units > options.max_units:
        hint = f"max_units is {options.max_units}: raise it, or ask for fewer"
        yield Finding(
            _option(position, stage, "min_units"),
            "asks for more conversations than the stage may take (max_units)",
            hint,
        )
    if options.hold is not None and options.hold > options.max_time:
        hint = f"max_time is {duration_text(options.max_time)}: raise it, or use a shorter time"
        yield Finding(_option(position, stage, "hold"), "is longer than the stage may take (max_time)", hint)
    if options.days is not None and options.days * DAY_S > options.max_time:
        hint = f"max_time is {duration_text(options.max_time)}: raise it, or use a shorter time"
        yield Finding(_option(position, stage, "days"), "is longer than the stage may take (max_time)", hint)


def _option(position: int, stage: Stage, name: str) -> Loc:
    return ("stages", position, stage.name, name)


def _doubts(policy: Policy) -> Iterator[Finding]:
    """What is allowed and yet worth a second look."""
    for position, stage in enumerate(policy.stages):
        options, usual_s = stage.options, default_hold_s(stage.weight_ppm)
        if options.min_units < _MIN_UNITS:
            hint = f"use {_MIN_UNITS} or more"
            yield warning(_option(position, stage, "min_units"), "so few conversations prove almost nothing", hint)
        if options.hold is not None and options.hold < usual_s:
            message = f"is shorter than {duration_text(usual_s)}: traffic of other times of the day is not tested"
            yield warning(_option(position, stage, "hold"), message, "fine for a trial; too short for production")
    last = policy.stages[-1]
    whole = last.weight_ppm == PPM and not last.options.holdback
    if whole and not last.options.reverse_shadow and "reverse_shadow" in last.options.model_fields_set:
        message = "at 100 % no traffic is left to compare with, so worse answers would go unnoticed later"
        yield warning(("stages", len(policy.stages) - 1), message, "write `100%: {holdback: 2%, reverse_shadow: 5%}`")
    if policy.shadow.budget < _A_CALL_USD:
        message = "pays for hardly one call a day: too few answers are compared for any check to pass"
        yield warning(("shadow", "budget"), message, "raise it, as `$20/day`: what comparing may cost in a day")
    if "tools" in policy.eligible.forbid and likeness_metric(policy) == "tool_calls":
        yield warning(
            ("eligible", "forbid"),
            "tool calls are compared, but requests with tools are forbidden",
            "remove `tools` here",
        )
    if policy.match.path == (RESPONSES,) and not policy.eligible.stateless:
        message = "only requests that say `store: false` go to the candidate: the frontier must store all other answers"
        yield warning(
            ("match", "path"), message, "if the app never reads stored answers, write `eligible: {stateless: true}`"
        )
    if policy.mode in ("observe", "bypass"):
        yield warning(("mode",), f"`{policy.mode}` moves no traffic", "write `mode: apply` to move it")


def _upstreams(policy: Policy, surroundings: Surroundings) -> Iterator[Finding]:
    named: list[tuple[Loc, str]] = [
        (("baseline", "upstream"), policy.baseline.upstream),
        (("candidate", "upstream"), policy.candidate.upstream),
        *((loc, options.upstream) for loc, options in _callers(policy)),
    ]
    for loc, upstream in named:
        if upstream not in surroundings.upstreams:
            hint = f"crossfade.yaml has {', '.join(surroundings.upstreams) or 'none'}"
            yield Finding(loc, f"no upstream is called {upstream}", hint)


def named_files(policy: Policy) -> Iterator[tuple[Loc, str]]:
    """Files that a policy names, each with where; whether they are there, the shell can tell."""
    for loc, candidate in named_candidates(policy):
        if candidate.system_prompt is not None:
            yield (*loc, "system_prompt"), candidate.system_prompt
    for position, comparator in enumerate(policy.compare):
        match comparator.options:
            case SchemaCheck(file=str(file)):
                yield ("compare", position, comparator.name, "file"), file
            case Judge(rubric=str(rubric)):
                yield ("compare", position, comparator.name, "rubric"), rubric
            case Promptfoo(file=file):
                yield ("compare", position, comparator.name, "file"), file
            case PythonScore(ref=ref):
                yield ("compare", position, comparator.name, "ref"), ref.partition(":")[0]
            case _:
                pass


def _callers(policy: Policy) -> Iterator[tuple[Loc, Judge | Embedding]]:
    """Comparators that call an upstream of their own."""
    for position, comparator in enumerate(policy.compare):
        if isinstance(comparator.options, Judge | Embedding):
            yield ("compare", position, comparator.name, "upstream"), comparator.options


def _background(policy: Policy, surroundings: Surroundings) -> Iterator[Finding]:
    """Calls that nobody waits for never use a caller's key."""
    upstreams = surroundings.upstreams
    for loc, options in _callers(policy):
        if options.upstream in upstreams and not upstreams[options.upstream].has_background_key:
            yield Finding(
                loc, f"upstream {options.upstream} has no background key, which this needs", _key_hint(options.upstream)
            )
    name = policy.candidate.upstream
    if name in upstreams and not upstreams[name].can_be_candidate:
        message = f"upstream {name} has no key for the candidate's calls: a caller's key is never sent to a candidate"
        hint = (
            f"name an upstream with the same URL and an api_key_file; if {name} needs no key, write `kind: vllm` there"
        )
        yield warning(("candidate", "upstream"), message, hint)
    name = policy.baseline.upstream
    if policy.mode == "split" or name not in upstreams or upstreams[name].has_background_key:
        return
    likeness = likeness_metric(policy)
    if likeness and not policy.baseline.deterministic:
        message = (
            f"{likeness} says how alike two answers are. To know how alike is enough, the baseline is "
            f"asked twice, and upstream {name} has no background key for that"
        )
        hint = (
            f"{_key_hint(name)}; or, if it always gives the same answer, `baseline: {{deterministic: true}}`; or let a "
            "judge or a scorer of your own say which answer is better"
        )
        yield Finding(("compare",), message, hint, is_served=True)
    reversed_at = [n for n, stage in enumerate(policy.stages) if stage.options.reverse_shadow]
    for position in reversed_at:
        loc = _option(position, policy.stages[position], "reverse_shadow")
        yield Finding(loc, f"upstream {name} has no background key, which this needs", _key_hint(name))
    if policy.shadow.noise_floor:
        unknown = (
            "that it always gives the same answer" if policy.baseline.deterministic else "how alike its answers are"
        )
        message = (
            f"upstream {name} has no background key, so the baseline is never asked twice, and nothing checks {unknown}"
        )
        yield warning(("shadow", "noise_floor"), message, _key_hint(name))
    if not reversed_at and policy.stages[-1].weight_ppm >= ARMS_FROM_PPM:
        message = (
            f"upstream {name} has no background key: from 25 % on the candidate's own answers are compared with nothing"
        )
        yield warning(("stages", len(policy.stages) - 1), message, _key_hint(name))


def _key_hint(upstream: str) -> str:
    return f"give `upstreams.{upstream}` a background_key_file in crossfade.yaml"


def _prices(policy: Policy, surroundings: Surroundings) -> Iterator[Finding]:
    cost = policy.gates.cost
    if (
        cost is not None
        and cost.required
        and not surroundings.price(policy.baseline.upstream, policy.candidate.upstream)
    ):
        message = "a price is unknown, so this gate can never pass"
        yield Finding(("gates", "cost"), message, "state them under `prices` in crossfade.yaml")
    asked = (policy.baseline.upstream, policy.candidate.upstream, *(each.upstream for _, each in _callers(policy)))
    for name in dict.fromkeys(asked):
        known = surroundings.upstreams.get(name)
        if known is not None and not (known.is_priced or known.is_engine):
            message = f"the price of upstream {name} is unknown: the budget charges what the most expensive models cost"
            yield warning(("shadow", "budget"), message, f"state it under `prices.models.{name}` in crossfade.yaml")


def _labels(policy: Policy) -> Iterator[Finding]:
    """What only people's labels can meet: how many it takes, and where they are given."""
    limit, loc = policy.guards.judge_bias, ("guards", "judge_bias")
    if limit is None or policy.mode == "split":
        return
    metric = quality_metric(policy)
    if policy.gates.quality is None or metric is None or metric in LIKENESS:
        better = next((name for name in quality_metrics(policy) if name not in LIKENESS), None)
        if better is not None:
            first = f"labels are compared with the first score, and {metric} does not say which answer is better"
            yield Finding(loc, first, f"put {better} first in `gates.quality`", is_served=True)
            return
        message = "no comparator here says which answer is better, so there is nothing to compare people's labels with"
        hint = "remove it, or add a judge or a scorer of your own"
        yield Finding(loc, message, hint, is_served=True)
        return
    needed, other = (labels_needed(each, {}, alpha=Guards().alpha) for each in (limit, _COARSE))
    told = f"; `judge_bias: {_COARSE:g}` takes about {other:,}" if limit < _COARSE else ""
    yield warning(loc, f"nothing advances until people have labelled about {needed:,} judged pairs", f"{WHERE}{told}")


def _keys(policy: Policy, surroundings: Surroundings) -> Iterator[Finding]:
    for loc, names in ((("match", "key"), policy.match.key), (("pin_keys",), policy.pin_keys)):
        if names and not surroundings.has_keys:
            hint = "set `keys: {mode: virtual}` in crossfade.yaml"
            yield warning(loc, "this never matches: only keys that the gateway issues have names", hint)


def overlaps(policies: Mapping[str, Policy]) -> tuple[tuple[str, Finding], ...]:
    """What policies say about each other: file name and finding. `policies` by file name."""
    ordered = sorted(policies.items(), key=lambda item: (-item[1].priority, item[0]))
    found: list[tuple[str, Finding]] = []
    for position, (name, policy) in enumerate(ordered):
        for earlier, other in ordered[:position]:
            if other.route == policy.route:
                finding = Finding(("route",), f"{earlier} has a route of the same name", "rename one of them")
                found.append((name, finding))
            elif _overlap(other, policy):
                message = f"requests that both match go to {earlier}"
                found.append((name, warning(("match",), message, "set `priority`, or match more narrowly")))
    return tuple(found)


def _overlap(one: Policy, two: Policy) -> bool:
    """Whether a request could belong to both."""
    first, second = one.match, two.match
    lists = ((first.path, second.path), (first.key, second.key))
    maps = ((first.header, second.header), (first.metadata, second.metadata))
    shared = [(a[name], b[name]) for a, b in maps for name in set(a) & set(b)]
    prompts = (
        (first.system_prompt.sha256 if first.system_prompt else ()),
        (second.system_prompt.sha256 if second.system_prompt else ()),
    )
    models = not first.model or not second.model or any(meet(a, b) for a in first.model for b in second.model)
    return models and all(_meet(*pair) for pair in (*lists, *shared, prompts))


def _meet(one: Sequence[str], two: Sequence[str]) -> bool:
    """Whether both allow a value; nothing stated allows any."""
    return not one or not two or bool(set(one) & set(two))
