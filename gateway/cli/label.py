"""`crossfade label`: pairs to judge, blind, in a terminal: the console's queue, with the same votes."""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict

import duckdb

from gateway import clock
from gateway.admin.filters import FilterError
from gateway.admin.labels import (
    BlindPair,
    Choice,
    HumanScore,
    LabelQueue,
    LabelTask,
    QueuedPair,
    blind,
    human,
    task_of,
)
from gateway.admin.queries import RecordQueries, TooSlowError
from gateway.cli import context, layout
from gateway.cli.failure import failed, unreadable
from gateway.cli.layout import counted
from gateway.config.settings_file import SettingsError
from gateway.console import words
from gateway.node.database import StateError
from gateway.node.datadir import DataDirError
from gateway.node.labels import LabelsFullError
from records.store import Store

KEYS: dict[str, Choice] = {"1": "left", "2": "right", "3": "equal", "0": "bad", "s": "skip"}
_ASK = "1 first is better, 2 second is better, 3 equal, 0 both bad, s skip, u undo, q quit: "
_LONGEST = 20_000
"""Letters of a text that are shown."""


def run(arguments: argparse.Namespace) -> int:
    """Ask for votes until there is no pair left, or nobody answers; 1: there is nothing to label, or it is refused."""
    try:
        task = task_of(arguments.route, arguments.by, arguments.pool, arguments.seed)
        _, data = context.state(arguments)
        queue = LabelQueue(data, RecordQueries(Store(data.records, context.warn_of_damage)))
        given = _ask_all(queue, task, clock.wall)
        drawn = queue.drawn(task, now=clock.wall())
        votes = queue.votes(route=task.route)
        agreement = queue.agreement([vote for vote in votes if vote.pool == "random"])
    except (SettingsError, DataDirError, FilterError, StateError, TooSlowError, LabelsFullError) as error:
        return failed(error, arguments)
    except duckdb.Error as error:
        return unreadable(error, arguments)
    if not drawn:
        return failed(
            f"There is no pair of {task.route} to judge in 30 d. hint: `crossfade status` names routes", arguments
        )
    people = human(votes)
    if arguments.json:
        told = {"total": len(drawn), "voted": given, "human": asdict(people), "agreement": asdict(agreement)}
        print(json.dumps(told))
    else:
        print(layout.paragraph(_summary(given, people)))
    return 0


def _ask_all(queue: LabelQueue, task: LabelTask, wall: Callable[[], float]) -> int:
    """Show pair after pair; returns how many votes were given."""
    given = 0
    last: QueuedPair | None = None
    while True:
        state = queue.state(task, now=wall())
        if state.queued is None or state.pair is None:
            return given
        _show(blind(state.pair, state.queued, task.by), state.done, state.total)
        word = _answer()
        if word == "q":
            return given
        if word == "u":
            if last is not None and queue.take_back(task, last, now=wall()):
                given, last = given - 1, None
            continue
        vote = queue.vote(task, state.queued, KEYS[word], (), now=wall())
        given, last = given + 1, state.queued
        print(f"your vote: {vote.vote.replace('_', ' ')}", file=sys.stderr)


def _answer() -> str:
    """Read one of the keys; `q` at the end of the input."""
    while True:
        print(_ASK, end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        word = line.strip().lower()
        if not line or word == "q":
            return "q"
        if word in KEYS or word == "u":
            return word
        print(f"{words.plain(word[:20])!r} is none of them.", file=sys.stderr)


def _show(pair: BlindPair, done: int, total: int) -> None:
    asked = pair.prompt.turns[-1].text if pair.prompt.turns else "(not kept)"
    for title, text in (
        (f"{done + 1} of {total}, asked", asked),
        ("FIRST", pair.left.said or "(says nothing)"),
        ("SECOND", pair.right.said or "(says nothing)"),
    ):
        print(f"\n— {title} —\n{words.plain(text[:_LONGEST])}", file=sys.stderr)
    print(file=sys.stderr)


def _summary(given: int, people: HumanScore) -> str:
    if people.mean is None:
        return f"{counted(given, 'vote')}; nobody has said yet of random pairs which answer is better"
    return (
        f"{counted(given, 'vote')}; people say {people.mean:+.2f} of the candidate, within [{people.lower:+.2f}, "
        f"{people.upper:+.2f}] (1: always better, -1: always worse), of {counted(people.n, 'random pair')}"
    )
