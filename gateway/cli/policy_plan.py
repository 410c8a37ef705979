"""`crossfade policy plan`: policy files beside what is in force, with the time each stage takes at today's traffic."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from gateway.cli.policy_traffic import recorded
from gateway.control.policy_files import load_good
from gateway.datadir import DataDir
from gateway.policy_text import Loaded, read
from gateway.state import opened
from gateway.yamlfile import YamlFileError
from policies.compile import Surroundings, decision_rules
from policies.plan import Plan, Traffic, gone, plan, text
from policies.rules import Rules
from policies.schema import Policy


def plans(
    loaded: Sequence[Loaded], known: Surroundings, data: DataDir, *, traffic: float | None, now: float
) -> list[Plan]:
    """One plan for each policy file. `traffic` stands in for what was recorded.

    Raises:
        StateError: the state cannot be read.
    """
    in_force = _in_force(data, known)
    found: list[Plan] = []
    for each in loaded:
        seen = recorded(data.records, each.policy, now) if traffic is None else Traffic(traffic)
        after = each.policy, decision_rules(each.policy, known)
        found.append(plan(in_force.get(each.policy.route), after, seen))
    return found


def taken_away(loaded: Sequence[Loaded], known: Surroundings, data: DataDir) -> list[Plan]:
    """A plan for each route in force that none of the files has any more."""
    kept = {each.policy.route for each in loaded}
    return [gone(policy) for route, (policy, _) in _in_force(data, known).items() if route not in kept]


def _in_force(data: DataDir, known: Surroundings) -> dict[str, tuple[Policy, Rules]]:
    """What the controller last read whole, by route; nothing where none has run yet."""
    if not data.state.exists():
        return {}
    with opened(data.state) as connection:
        texts = load_good(connection)
    found: dict[str, tuple[Policy, Rules]] = {}
    for name, kept in texts.items():
        try:
            policy = read(kept, name, known).policy
        except YamlFileError:
            continue  # it was good for other settings: what is planned is then all new
        found[policy.route] = policy, decision_rules(policy, known)
    return found


def as_text(found: Sequence[Plan]) -> str:
    """For people."""
    return "\n\n".join(text(each) for each in found)


def as_json(found: Sequence[Plan]) -> str:
    """For machines: one object per policy."""
    return json.dumps([asdict(each) for each in found])
