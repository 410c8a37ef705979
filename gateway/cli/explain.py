"""`crossfade explain ROUTE`: why a rollout stands where it does: a sentence first, then every number behind it.

Of a rollout that was stopped or paused the numbers are those that stopped it: nothing is looked at since.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway import clock
from gateway.cli import context, layout, status
from gateway.cli.failure import failed
from gateway.config.settings_file import SettingsError
from gateway.control.operations import votes
from gateway.control.operations.standings import Standing, entry, spent_budgets, standings
from gateway.control.state.open import open_state
from gateway.control.state.port import Decided, StateDamagedError, StateDownError
from gateway.node.datadir import DataDir, DataDirError
from gateway.node.unknown_route import unknown_route
from policies import explain
from policies.explain import RecordError
from policies.rollout import Decision


def run(arguments: argparse.Namespace) -> int:
    """Print it; 1: there is nothing to explain."""
    now = clock.wall()
    try:
        where, data = context.state(arguments)
        state = open_state(where)
        try:
            looks = state.looks()
            all_standings = standings(state, now=now, spent=spent_budgets(data))
            entered = entry(state, arguments.route)
            history = [] if arguments.history is None else state.decisions(arguments.route, arguments.history)
        finally:
            state.close()
    except (SettingsError, DataDirError, StateDownError, StateDamagedError) as error:
        return failed(error, arguments)
    if arguments.history is None:
        return _now(arguments, _Found(all_standings, entered, looks), data, now)
    if not history:
        return failed(_nothing(arguments.route, _Found(all_standings, entered, looks)), arguments)
    if arguments.json:
        print(json.dumps([_fields(decided) for decided in history]))
    else:
        print(layout.folded("\n\n".join(_text(decided) for decided in history)))
    return 0


@dataclass(frozen=True, slots=True)
class _Found:
    """What the shared state says: of all rollouts, and how the one that is asked for was stopped."""

    standings: dict[str, Standing]
    entered: Decision | None
    looks: dict[str, Decided]


def _now(arguments: argparse.Namespace, found: _Found, data: DataDir, now: float) -> int:
    """Print where the rollout stands now, and the numbers behind it."""
    look, standing = found.looks.get(arguments.route), found.standings.get(arguments.route)
    if look is None or standing is None:
        return failed(_nothing(arguments.route, found), arguments)
    voted = votes.find(data, look, now=now, told=context.warn_of_damage)
    if arguments.json:
        about = {"sentence": standing.sentence, **_votes_fields(voted)}
        print(json.dumps(_fields(look) | about))
    else:
        print(layout.paragraph(standing.sentence))
        print(layout.folded(_numbers(look) if found.entered is None else explain.numbers(found.entered)))
        here = [each for each in status.read(data, now=now).routes if each.route == arguments.route]
        for sentence in status.service(here[0]) if here else ():
            print(layout.beside(f"  {'here':<12}  ", sentence))
        if voted.votes is not None:
            print(layout.folded(explain.votes_text(voted.votes)))
    if voted.problem is not None:
        print(voted.problem, file=sys.stderr)
    return 0


def _text(decided: Decided) -> str:
    """A decision as this version tells it; as it was told then, where this version cannot read it."""
    try:
        return explain.text(explain.decode(decided.record).decision)
    except RecordError:
        return decided.text


def _numbers(decided: Decided) -> str:
    try:
        return explain.numbers(explain.decode(decided.record).decision)
    except RecordError:
        return decided.text


def _votes_fields(voted: votes.VoteSummary) -> dict[str, Any]:
    return {"votes": msgspec.to_builtins(voted.votes), "votes_problem": voted.problem}


def _nothing(route: str, found: _Found) -> str:
    if route in found.looks:
        return f"nothing has been decided about {route!r} yet. hint: without --history it says what was last found"
    if route in found.standings:
        hint = "the leader looks every few seconds; `crossfade status` says who leads"
        return f"nothing was found of {route!r} yet. hint: {hint}"
    if known := {*found.looks, *found.standings}:
        return unknown_route(route, known)
    hint = "is there a policy, and does `crossfade serve` run? See `crossfade status`"
    return f"no rollout of {route!r} is known. hint: {hint}"


def _fields(decided: Decided) -> dict[str, Any]:
    """A decision as JSON's values; one that this version cannot read still has its text."""
    try:
        return json.loads(explain.fields(explain.decode(decided.record).decision))
    except RecordError as error:
        return {"text": decided.text, "outcome": decided.outcome, "at": decided.at, "unreadable": str(error)}
