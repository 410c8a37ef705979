"""`crossfade policy plan`: policy files beside what is in force, with the time each stage takes at today's traffic."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from gateway.cli.policy_traffic import recorded
from gateway.config.policy_file import Loaded, contenders, read, with_files
from gateway.config.yaml_file import YamlFileError
from gateway.control.publish.policy_folder import load_good
from gateway.control.state.open import open_state
from gateway.control.state.port import StateDownError
from gateway.node.database import opened
from gateway.node.datadir import DataDir
from gateway.node.state_location import StatePlace
from policies import explain
from policies.compile import decision_rules
from policies.plan import Plan, gone, plan, standing
from policies.plan_text import text
from policies.rules import Rules
from policies.schema import Policy
from policies.stage_plan import StageProgress, Traffic
from policies.surroundings import KnownUpstream, Surroundings


def looks(where: StatePlace) -> dict[str, explain.DecisionRecord]:
    """The leader's last results for each route; empty, with a warning on stderr, if the state cannot be read."""
    if where.url is None and not Path(where.database).exists():
        return {}
    state = open_state(where)
    try:
        return {route: explain.decode(look.record) for route, look in state.looks().items()}
    except (StateDownError, explain.RecordError) as error:
        print(f"planned from the foot, since where rollouts stand is not to be had: {error}", file=sys.stderr)
        return {}
    finally:
        state.close()


@dataclass(frozen=True, slots=True)
class Today:
    """What plans begin from."""

    in_force: Mapping[str, tuple[Policy, Rules]]
    """By route."""
    looks: Mapping[str, explain.DecisionRecord]
    """What a leader last found of each route."""
    traffic: float | None
    """Conversations a day, in the place of what was recorded."""


def plans(
    loaded: Sequence[Loaded],
    known: Surroundings,
    data: DataDir,
    today: Today,
    *,
    now: float,
) -> list[Plan]:
    """One plan for each policy file and candidate, from where its rollout stands.

    Raises:
        YamlFileError: a file that a policy names cannot be read.
    """
    planned: list[Plan] = []
    for file in loaded:
        for each in contenders(file):
            seen = _traffic(recorded(data.records, each.policy, now), today.traffic)
            candidate = known.upstreams.get(each.policy.candidate.upstream, KnownUpstream())
            seen = seen and replace(seen, is_hourly=candidate.is_hourly)
            after = each.policy, decision_rules(each.policy, with_files(known, each))
            stands = _standing(today.looks.get(each.policy.route), after[1])
            among = max(1, len(file.policy.candidates))
            planned.append(plan(today.in_force.get(each.policy.route), after, seen, stands, among=among))
    return planned


def _traffic(seen: Traffic | None, stated: float | None) -> Traffic | None:
    """What was recorded; where somebody says how many conversations come, so many, at the prices that were recorded."""
    if stated is None:
        return seen
    known = seen or Traffic(0.0)
    return replace(known, units_per_day=stated, requests_per_day=stated * known.turns, busiest_share=0.0, users=0)


def _standing(kept: explain.DecisionRecord | None, rules: Rules) -> StageProgress | None:
    if kept is None or kept.evidence is None or kept.decision.rollout.key != rules.key:
        return None
    return standing(kept.decision.rollout, kept.evidence, rules)


def taken_away(loaded: Sequence[Loaded], before: Mapping[str, tuple[Policy, Rules]]) -> list[Plan]:
    """A plan for each route in force that none of the files has any more."""
    kept = {each.policy.route for file in loaded for each in contenders(file)}
    return [gone(policy) for route, (policy, _) in before.items() if route not in kept]


def in_force(data: DataDir, known: Surroundings, folder: Path) -> dict[str, tuple[Policy, Rules]]:
    """What the controller last read whole, by route; nothing where none has run yet. `folder`: of the policies.

    Raises:
        StateError: the state cannot be read.
    """
    if not data.state.exists():
        return {}
    with opened(data.state) as connection:
        texts = load_good(connection)
    found: dict[str, tuple[Policy, Rules]] = {}
    for name, kept in texts.items():
        try:
            for each in contenders(read(kept, name, known)):
                found[each.policy.route] = each.policy, decision_rules(each.policy, with_files(known, each, folder))
        except YamlFileError:
            continue  # it was good for other settings: what is planned is then all new
    return found


def as_text(found: Sequence[Plan]) -> str:
    """The plans as text."""
    return "\n\n".join(text(each) for each in found)


def as_json(found: Sequence[Plan]) -> str:
    """The plans as JSON, one object per policy."""
    return json.dumps([asdict(each) for each in found])
