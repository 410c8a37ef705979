"""`crossfade policy simulate` of a policy with several candidates: each one's moves, and who was picked."""

import json
from collections.abc import Iterable, Mapping

from gateway.cli import layout
from policies import explain
from policies.events import PairEvent
from policies.rules import Rules
from policies.simulate import Moment, Simulation, summarise, walk_several
from policies.terms import Move


def tell(rules: Mapping[str, Rules], pairs: Iterable[tuple[str, PairEvent]], *, timed: bool, as_json: bool) -> None:
    """Print each move, where each candidate ended, and what it comes to."""
    names = {each.route: name for name, each in rules.items()}
    moves: dict[str, list[Moment]] = {name: [] for name in rules}
    last: dict[str, Moment] = {}
    for moment in walk_several(rules, pairs, timed=timed):
        name = names[moment.decision.before.route]
        last[name] = moment
        if moment.decision.move is not Move.HOLD:
            moves[name].append(moment)
            _show(moment, as_json=as_json)
    for moment in last.values():
        _show(moment, as_json=as_json)
    found = {name: summarise(moves[name], last.get(name)) for name in rules}
    if as_json:
        told = {name: json.loads(explain.summary(each)) for name, each in found.items()}
        print(json.dumps({"picked": _picked(found), "candidates": told}))
        return
    print()
    for name, each in found.items():
        at = "" if each.decided_at_unit is None else f" after {each.decided_at_unit} units"
        print(f"{name}: {each.outcome}{at}, of {each.units} units seen")
    print(f"picked: {_picked(found) or 'nobody'}")


def _picked(found: Mapping[str, Simulation]) -> str | None:
    """The candidate that has traffic at the end; None: none has."""
    ended = ((name, each.last) for name, each in found.items())
    return next((name for name, last in ended if last is not None and last.rollout.weight_ppm), None)


def _show(moment: Moment, *, as_json: bool) -> None:
    if as_json:
        print(explain.fields(moment.decision).decode())
    else:
        print(layout.folded(f"after {moment.unit} units\n{explain.text(moment.decision)}"))
