"""What no single key of a policy is wrong about: contradictions, which are refused, and doubts, which are said.

A refusal keeps a policy from loading; a warning never does. Both say where and what to do. Between them stands what
`lint` refuses and a gateway serves all the same: nothing could ever be certified, but the route is one that works, and
without it its requests would go to the default upstream.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from policies.compile import Surroundings, quality_metric
from policies.language.amounts import PPM, duration_text, share_text
from policies.language.compare import (
    CHECKS,
    DIAGNOSTIC,
    LIKENESS,
    SCORES,
    Embedding,
    Judge,
    Promptfoo,
    PythonScore,
    SchemaCheck,
)
from policies.request.body import RESPONSES
from policies.rules import ARMS_FROM_PPM, default_hold_s
from policies.schema import Policy, Stage

Loc = tuple[str | int, ...]
"""The way to a value: keys and list positions."""

_MIN_UNITS = 100
_LOOSE_MARGIN = 0.1
_BLOCK_S = 3600.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to say about a policy."""

    loc: Loc
    message: str
    hint: str
    refused: bool = True
    is_served: bool = False
    """Refused by `lint` alone."""


def findings(policy: Policy, surroundings: Surroundings | None = None) -> tuple[Finding, ...]:
    """All there is to say; without surroundings, nothing of upstreams and prices."""
    found = [
        *_match(policy),
        *_variants(policy),
        *_assign(policy),
        *_compare(policy),
        *_gates(policy),
        *_stages(policy),
        *_doubts(policy),
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


def _warning(loc: Loc, message: str, hint: str) -> Finding:
    return Finding(loc, message, hint, refused=False)


def _match(policy: Policy) -> Iterator[Finding]:
    if policy.match.is_empty:
        yield Finding(("match",), "every request would belong to this route", "name the model that the app asks for")
    prompt = policy.match.system_prompt
    if prompt is not None and not (prompt.contains or prompt.sha256):
        yield Finding(
            ("match", "system_prompt"), "is empty, so it matches nothing", "write `contains: …` or `sha256: …`"
        )


def _variants(policy: Policy) -> Iterator[Finding]:
    candidate, baseline = policy.candidate, policy.baseline
    asked = (baseline.model,) if baseline.model else policy.match.model
    if candidate.upstream == baseline.upstream and candidate.model in asked:
        yield Finding(("candidate",), "the candidate is the baseline", "name another model or another upstream")
    for name in sorted(set(candidate.set) & set(candidate.drop)):
        yield Finding(("candidate", "drop"), f"`{name}` is both set and dropped", "leave it out of one")
    if candidate.first_byte and candidate.total and candidate.first_byte > candidate.total:
        yield Finding(
            ("candidate", "first_byte"),
            "the first token may come later than the whole answer",
            "make it shorter than `total`",
        )


def _assign(policy: Policy) -> Iterator[Finding]:
    by = policy.assign.by
    for position, name in enumerate(by):
        if name in by[:position]:
            yield Finding(("assign", "by", position), f"{name} stands here twice", "take one out")
    if "request" in by[:-1]:
        yield Finding(("assign", "by"), "`request` ends the list: what follows is never looked at", "put it last")
    if by[0] == "request":
        hint = "name a header with the session's id, or leave it to `user` and `conversation`"
        yield _warning(("assign", "by"), "a conversation may change its variant from turn to turn", hint)


def _compare(policy: Policy) -> Iterator[Finding]:
    seen: set[str] = set()
    for position, comparator in enumerate(policy.compare):
        if comparator.name in seen:
            yield Finding(("compare", position), f"{comparator.name} stands here twice", "take one out")
        seen.add(comparator.name)
        if isinstance(comparator.options, Judge) and _is_variant(policy, comparator.options):
            hint = "nobody judges itself: take a model of another family"
            yield Finding(("compare", position, "judge", "model"), "the judge is one of the variants it judges", hint)
        if comparator.name == "feedback" and "request" in policy.assign.by:
            message = "where a request names no user, one person's votes on many answers count as many people's"
            yield _warning(("compare", position), message, "leave `request` out of `assign.by`, or send `user`")


def _is_variant(policy: Policy, judge: Judge) -> bool:
    asked = (policy.baseline.model,) if policy.baseline.model else policy.match.model
    if judge.upstream == policy.baseline.upstream and judge.model in asked:
        return True
    return (judge.upstream, judge.model) == (policy.candidate.upstream, policy.candidate.model)


def _gates(policy: Policy) -> Iterator[Finding]:
    names = [comparator.name for comparator in policy.compare]
    metric, stated = quality_metric(policy), policy.gates.quality.metric
    where = ("gates", "quality", "metric") if stated else ("compare",)
    scores = ", ".join(SCORES)
    if metric is None:
        yield Finding(where, "no comparator here says how good an answer is", f"add one of {scores}")
    elif metric in DIAGNOSTIC:
        yield Finding(where, f"{metric} is only for looking at: no gate can rest on it", f"take one of {scores}")
    elif metric not in names:
        yield Finding(where, f"no comparator yields {metric}", f"`compare` has {', '.join(names)}")
    elif metric not in SCORES:
        yield Finding(where, f"{metric} says whether an answer is valid, not how good it is", f"take one of {scores}")
    validity = policy.gates.validity if "validity" in policy.gates.model_fields_set else None
    if validity is not None and not any(name in CHECKS for name in names):
        hint = f"add one of {', '.join(CHECKS)} to `compare`"
        yield Finding(("gates", "validity"), "no comparator says whether an answer is valid", hint)


def _stages(policy: Policy) -> Iterator[Finding]:
    stages = policy.stages
    if stages[0].weight_ppm:
        yield Finding(("stages", 0), "traffic would move before there is any evidence", "begin with `shadow`")
    served_before = -1
    for position, stage in enumerate(stages):
        served = stage.weight_ppm - stage.options.holdback
        if stage.weight_ppm and served <= 0:
            yield Finding(
                _option(position, stage, "holdback"),
                "keeps all of this stage's traffic back: the candidate gets none",
                "keep less back",
            )
        elif served <= served_before:
            hint = f"the stage before serves {share_text(served_before)}"
            yield Finding(("stages", position), "weights must rise from stage to stage", hint)
        served_before = max(served, served_before)
        yield from _stage(position, stage)


def _stage(position: int, stage: Stage) -> Iterator[Finding]:
    options = stage.options
    if not stage.weight_ppm:
        for name in sorted({"approve", "holdback", "reverse_shadow"} & options.model_fields_set):
            hint = "put it on the first stage that moves any"
            yield Finding(_option(position, stage, name), "means nothing while no traffic moves", hint)
    if options.min_units > options.max_units:
        hint = f"max_units is {options.max_units}"
        yield Finding(_option(position, stage, "min_units"), "more conversations than the stage may take", hint)
    if options.hold is not None and options.hold > options.max_time:
        hint = f"max_time is {duration_text(options.max_time)}"
        yield Finding(_option(position, stage, "hold"), "longer than the stage may take", hint)


def _option(position: int, stage: Stage, name: str) -> Loc:
    return ("stages", position, stage.name, name)


def _doubts(policy: Policy) -> Iterator[Finding]:
    """What is allowed and yet worth a second look."""
    for position, stage in enumerate(policy.stages):
        options, usual_s = stage.options, default_hold_s(stage.weight_ppm)
        if options.min_units < _MIN_UNITS:
            hint = f"{_MIN_UNITS} are little already"
            yield _warning(_option(position, stage, "min_units"), "very few conversations", hint)
        if options.hold is not None and options.hold < usual_s:
            message = f"shorter than {duration_text(usual_s)}: the mix of an hour or a day may not be seen"
            yield _warning(_option(position, stage, "hold"), message, "fine for a try, not for production")
    last = policy.stages[-1]
    whole = last.weight_ppm == PPM and not last.options.holdback
    if whole and not last.options.reverse_shadow and "reverse_shadow" in last.options.model_fields_set:
        message = "nothing is left to compare with: a drift would go unseen"
        yield _warning(("stages", len(policy.stages) - 1), message, "write `100%: {holdback: 2%, reverse_shadow: 5%}`")
    latency = policy.gates.latency
    if latency is not None and latency.block_s < _BLOCK_S:
        message = f"a block of {duration_text(latency.block_s)}: the mix of an hour is not seen in it"
        yield _warning(("gates", "latency", "relative", "block"), message, "fine for a try, not for production")
    if policy.gates.quality.margin >= _LOOSE_MARGIN:
        message = f"one answer in {1 / policy.gates.quality.margin:.0f} may be lost"
        yield _warning(("gates", "quality", "margin"), message, "0.05 is usual, 0.02 strict")
    if "tools" in policy.eligible.forbid and quality_metric(policy) == "tool_calls":
        yield _warning(
            ("eligible", "forbid"), "tool calls are compared, but requests with tools are forbidden", "take out `tools`"
        )
    if policy.match.path == (RESPONSES,) and not policy.eligible.stateless:
        message = "only requests that say `store: false` are eligible: the frontier keeps all others"
        yield _warning(("match", "path"), message, "if the app never reads answers back, `eligible: {stateless: true}`")
    if policy.mode != "apply":
        yield _warning(("mode",), f"`{policy.mode}` moves no traffic", "write `mode: apply` to move it")


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
                loc, f"upstream {options.upstream} has no background key to be called with", _key_hint(options.upstream)
            )
    name = policy.candidate.upstream
    if name in upstreams and not upstreams[name].can_be_candidate:
        message = (
            f"upstream {name} has no key of ours, and a caller's key is never sent to a candidate: it answers nobody"
        )
        hint = f"name an upstream of the same URL with an api_key_file, or `kind: vllm` if {name} asks for no key"
        yield _warning(("candidate", "upstream"), message, hint)
    name = policy.baseline.upstream
    if name not in upstreams or upstreams[name].has_background_key:
        return
    if quality_metric(policy) in LIKENESS and not policy.baseline.deterministic:
        message = (
            f"{quality_metric(policy)} says how alike two answers are. To know how alike is enough, the baseline is "
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
        yield Finding(loc, f"upstream {name} has no background key to be called with", _key_hint(name))
    if policy.shadow.noise_floor:
        message = f"upstream {name} has no background key: how often the baseline disagrees with itself is not measured"
        yield _warning(("shadow", "noise_floor"), message, _key_hint(name))
    if not reversed_at and policy.stages[-1].weight_ppm >= ARMS_FROM_PPM:
        message = (
            f"upstream {name} has no background key: from 25 % on nothing compares the candidate's own conversations"
        )
        yield _warning(("stages", len(policy.stages) - 1), message, _key_hint(name))


def _key_hint(upstream: str) -> str:
    return f"give `upstreams.{upstream}` a background_key_file in crossfade.yaml"


def _prices(policy: Policy, surroundings: Surroundings) -> Iterator[Finding]:
    cost = policy.gates.cost
    if cost is not None and cost.required and not surroundings.price(policy):
        message = "prices are not known, so this gate could never pass"
        yield Finding(("gates", "cost"), message, "state them under `prices` in crossfade.yaml")
    asked = (policy.baseline.upstream, policy.candidate.upstream, *(each.upstream for _, each in _callers(policy)))
    for name in dict.fromkeys(asked):
        known = surroundings.upstreams.get(name)
        if known is not None and not (known.is_priced or known.is_engine):
            message = f"no price is known of upstream {name}: the budget takes it for as dear as the dearest models"
            yield _warning(("shadow", "budget"), message, f"state it under `prices.models.{name}` in crossfade.yaml")


def _labels(policy: Policy) -> Iterator[Finding]:
    """What only people's labels can meet, and none of them reaches what is gathered live."""
    if policy.guards.judge_bias is not None:
        message = "no label of a person reaches the evidence of live traffic: with this nothing would ever advance"
        hint = "leave it out, and hold the judge against labels with `simulate --pairs` or in the console"
        yield _warning(("guards", "judge_bias"), message, hint)


def _keys(policy: Policy, surroundings: Surroundings) -> Iterator[Finding]:
    for loc, names in ((("match", "key"), policy.match.key), (("pin_keys",), policy.pin_keys)):
        if names and not surroundings.has_keys:
            hint = "set `keys: {mode: virtual}` in crossfade.yaml"
            yield _warning(loc, "keys have names only where the gateway issues them: this never matches", hint)


def overlaps(policies: Mapping[str, Policy]) -> tuple[tuple[str, Finding], ...]:
    """What policies say about each other: file name and finding. `policies` by file name."""
    ordered = sorted(policies.items(), key=lambda item: (-item[1].priority, item[0]))
    found: list[tuple[str, Finding]] = []
    for position, (name, policy) in enumerate(ordered):
        for earlier, other in ordered[:position]:
            if other.route == policy.route:
                finding = Finding(("route",), f"{earlier} has a route of that name too", "one route, one file")
                found.append((name, finding))
            elif _overlap(other, policy):
                message = f"requests that {earlier} matches too go there first"
                found.append((name, _warning(("match",), message, "state a priority, or match more narrowly")))
    return tuple(found)


def _overlap(one: Policy, two: Policy) -> bool:
    """Whether a request could belong to both."""
    first, second = one.match, two.match
    lists = ((first.model, second.model), (first.path, second.path), (first.key, second.key))
    maps = ((first.header, second.header), (first.metadata, second.metadata))
    shared = [(a[name], b[name]) for a, b in maps for name in set(a) & set(b)]
    prompts = (
        (first.system_prompt.sha256 if first.system_prompt else ()),
        (second.system_prompt.sha256 if second.system_prompt else ()),
    )
    return all(_meet(*pair) for pair in (*lists, *shared, prompts))


def _meet(one: Sequence[str], two: Sequence[str]) -> bool:
    """Whether both allow a value; nothing stated allows any."""
    return not one or not two or bool(set(one) & set(two))
