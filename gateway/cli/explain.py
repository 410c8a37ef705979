"""`crossfade explain ROUTE`: what was last found of a rollout, with every gate's numbers, in the decision's words."""

import argparse
import json
import sys
from typing import Any

import msgspec

from gateway import clock
from gateway.cli import context, status
from gateway.cli.failure import failed
from gateway.config.settings_file import SettingsError
from gateway.control.operations import votes
from gateway.control.state.open import open_state
from gateway.control.state.port import Decided, StateDownError
from gateway.node.datadir import DataDirError
from policies import explain
from policies.explain import RecordError


def run(arguments: argparse.Namespace) -> int:
    """Print it; 1: there is nothing to explain."""
    try:
        where, data = context.state(arguments)
        state = open_state(where)
        try:
            looks = state.looks()
            history = [] if arguments.history is None else state.decisions(arguments.route, max(1, arguments.history))
        finally:
            state.close()
    except (SettingsError, DataDirError, StateDownError) as error:
        return failed(error, arguments)
    voted = votes.VoteSummary()
    if arguments.history is None and arguments.route in looks:
        history = [looks[arguments.route]]
        voted = votes.find(data, history[0], now=clock.wall(), told=context.warn_of_damage)
    if not history:
        return failed(_nothing(arguments.route, sorted(looks)), arguments)
    if arguments.json:
        found = [_fields(decided) for decided in history]
        print(json.dumps(found if arguments.history is not None else found[0] | _votes_fields(voted)))
    else:
        print("\n\n".join(decided.text for decided in history))
        here = [each for each in status.read(data, now=clock.wall()).routes if each.route == arguments.route]
        for sentence in status.service(here[0]) if here and arguments.history is None else ():
            print(f"  {'here':<12}  {sentence}")
        if voted.votes is not None:
            print(explain.votes_text(voted.votes))
    if voted.problem is not None:
        print(voted.problem, file=sys.stderr)
    return 0


def _votes_fields(voted: votes.VoteSummary) -> dict[str, Any]:
    return {"votes": msgspec.to_builtins(voted.votes), "votes_problem": voted.problem}


def _nothing(route: str, known: list[str]) -> str:
    if route in known:
        return f"nothing has been decided about {route!r} yet. hint: without --history it says what was last found"
    there = f"there are {', '.join(known)}" if known else "a leader looks at each route with a candidate once it serves"
    return f"nothing is known of {route!r}. hint: {there}"


def _fields(decided: Decided) -> dict[str, Any]:
    """A decision as JSON's values; one that this version cannot read still has its text."""
    try:
        return json.loads(explain.fields(explain.decode(decided.record).decision))
    except RecordError as error:
        return {"text": decided.text, "outcome": decided.outcome, "at": decided.at, "unreadable": str(error)}
