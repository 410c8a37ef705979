"""`crossfade policy plan`: policy files beside what is in force, with the time each stage takes at today's traffic."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from gateway.control.policy_files import load_good
from gateway.datadir import DataDir
from gateway.policy_text import Loaded, read
from gateway.state import opened
from gateway.yamlfile import YamlFileError
from policies.compile import Surroundings, decision_rules
from policies.plan import Plan, Traffic, plan, text
from policies.rules import Rules
from policies.schema import Policy

DAYS = 7
"""How far back to look for today's traffic."""


def plans(loaded: Sequence[Loaded], known: Surroundings, data: DataDir, *, traffic: float | None) -> list[Plan]:
    """One plan for each policy file, and what taking the others away would mean.

    Raises:
        StateError: the state cannot be read.
    """
    in_force = _in_force(data, known)
    return [
        plan(
            in_force.get(each.policy.route),
            (each.policy, decision_rules(each.policy, known)),
            None if traffic is None else Traffic(traffic),
        )
        for each in loaded
    ]


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
