"""Readiness of every route: the records' facts, joined with what policies, evaluation sets and settings say."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from gateway.config.policies_home import policy_files
from gateway.config.policy_file import read_file
from gateway.config.readiness import ReadinessInputs
from gateway.config.yaml_file import YamlFileError
from gateway.node.datadir import DataDir
from policies.language.compare import SCORES
from policies.schema import Policy
from records import readiness
from records.evaluation import sets
from records.gpu_hours import HourlyPrice
from records.readiness import DAY_S, HourlyFacts, QualityPeriod, Readiness, ReadinessTerms, RouteFacts
from records.retirement import moment
from records.route_facts import Ask, grained, idle_shares, route_facts, shutdown_dates

IDLE_DAYS = 7
"""Hours that were paid so lately say how idle servers are."""
LONGER = 1.25
"""System prompts are looked for over more than the time that one has to be unchanged: its first request came later."""
MOST_FAILED = 0.01
"""With more answers that were none, a run says more of the upstream than of the prompt."""


@dataclass(slots=True)
class _RouteSets:
    """The evaluation sets of one route."""

    rows: int = 0
    """Of the largest."""
    scores: tuple[QualityPeriod, ...] = ()
    """The baseline's last of each."""
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Known:
    """What there is beside the records."""

    policies: Mapping[str, Policy]
    sets: Mapping[str, "_RouteSets"]
    """By route."""
    idle: Mapping[str, float]
    shutdown: Mapping[str, str]


def look(ask: Ask, data: DataDir, inputs: ReadinessInputs, *, now: float, route: str | None = None) -> list[Readiness]:
    """The verdict on every route and kind of unrouted traffic, or on one. Routes nobody asked are in it too.

    Raises:
        duckdb.Error, OSError: the records cannot be read.
        EvalSetError: an evaluation set is damaged.
    """
    policies = _policies(inputs.policies)
    known = _Known(
        policies,
        _sets(data.root),
        idle_shares(ask, since=grained(now - IDLE_DAYS * DAY_S, IDLE_DAYS * DAY_S)),
        shutdown_dates(ask) | inputs.shutdown,
    )
    default = inputs.terms

    def facts_of(name: str | None, terms: ReadinessTerms) -> dict[str, RouteFacts]:
        looked = route_facts(ask, now=now, window_s=terms.window_s, name=name, prompts_s=terms.prompt_still_s * LONGER)
        return {each.name: each for each in looked}

    found = facts_of(route, default)
    for name, terms in inputs.routes.items():
        spans = (terms.window_s, terms.prompt_still_s)
        if spans != (default.window_s, default.prompt_still_s) and name in found:
            found |= facts_of(name, terms)
    for name in policies:
        if route in (None, name):
            found.setdefault(name, RouteFacts(name=name))
    return [
        readiness.assess(_joined(each, inputs.hourly, known), inputs.routes.get(name, default), now=now)
        for name, each in found.items()
    ]


def _joined(facts: RouteFacts, hourly: tuple[HourlyPrice, ...], known: _Known) -> RouteFacts:
    policy = known.policies.get(facts.name)
    own = known.sets.get(facts.name, _RouteSets())
    return msgspec.structs.replace(
        facts,
        evaluations=own.scores,
        eval_rows=own.rows,
        eval_files=own.files,
        evaluators=tuple(name for each in policy.compare for name in each.model_fields_set if name in SCORES)
        if policy
        else (),
        hourly=_hourly(hourly, policy, known.idle),
        shutdown_at=moment(known.shutdown.get(facts.model)),
    )


def _hourly(hourly: tuple[HourlyPrice, ...], policy: Policy | None, idle: Mapping[str, float]) -> HourlyFacts | None:
    """The hourly price of the policy's candidate; without a policy, of the only servers that have a price."""
    named = [one for one in hourly if policy is None or one.upstream == policy.candidate.upstream]
    if len(named) != 1:
        return None
    (one,) = named
    return HourlyFacts(one.upstream, one.usd_per_hour, one.replicas, idle.get(one.upstream))


def _policies(folder: str) -> dict[str, Policy]:
    """The policies by route; a file that does not load is left out (`policy lint` reports it)."""
    found: dict[str, Policy] = {}
    for path in policy_files(Path(folder)) if folder else ():
        try:
            policy = read_file(path).policy
        except (OSError, YamlFileError):
            continue
        found.setdefault(policy.route, policy)
    return found


def _sets(root: Path) -> dict[str, _RouteSets]:
    found: dict[str, _RouteSets] = {}
    told: set[tuple[str, str]] = set()
    for each in sorted(sets.registered(root), key=lambda each: each.registered_at):
        own = found.setdefault(each.route, _RouteSets())
        own.rows = max(own.rows, each.rows)
        if (each.route, each.sha256) not in told:  # the same rows under another name are no other prompt
            own.scores += _last_score(root, each)
        told.add((each.route, each.sha256))
        own.files += (str(sets.rows_file(root, each.name)),)
    return found


def _last_score(root: Path, about: sets.EvalSet) -> tuple[QualityPeriod, ...]:
    """The baseline's last score on labels; nothing where a set has none."""
    for run in reversed(sets.runs_of(root, about.name) if about.labelled == about.rows else []):
        for score in run.scores:
            is_sound = score.failed <= score.rows * MOST_FAILED
            if score.variant == "baseline" and score.mean is not None and is_sound:
                asked = f"{about.questions or about.name} {run.metric}"
                return (QualityPeriod(f"set {about.name}", run.at, score.rows, score.mean, score.sd or 0.0, asked),)
    return ()
