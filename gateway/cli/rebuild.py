"""`crossfade rebuild`: the evidence of each route, made again from the records and held against what is kept."""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace

import duckdb

from gateway import clock
from gateway.cli import context
from gateway.cli.failure import failed, unreadable
from gateway.cli.progress import progress
from gateway.config.settings_file import SettingsError
from gateway.control.leader.persistence import evaluation, pack, read_rollout, unpack
from gateway.control.operations.rebuild import EVERYTHING, EvidenceReplay, differences, positions, replay, timeline
from gateway.control.state.open import open_state
from gateway.control.state.port import SharedState, Snapshot, StateDownError, Stored
from gateway.node.datadir import DataDir, DataDirError
from gateway.node.unknown_route import unknown_route
from policies.evidence import Evidence
from policies.review import key_of
from policies.rules import Rules
from records.store import Store

NODE = "rebuild"


@dataclass(frozen=True, slots=True)
class RebuildOutcome:
    """What came of one route."""

    route: str
    observations: int
    """Made again."""
    missing: int
    """Not in the records (yet)."""
    forgotten: int
    """Of exchanges that were erased since: they count no more."""
    unreadable: int
    """In the records, in words that nobody can read."""
    differs: list[str]
    """From what is kept; empty: it agrees."""
    written: bool = False

    @property
    def agrees(self) -> bool:
        """Whether what is kept is what the records say."""
        return not self.differs and not self.missing and not self.unreadable


def run(arguments: argparse.Namespace) -> int:
    """Do it; 1: something differs, or cannot be read."""
    try:
        place, data = context.state(arguments)
        with closing(open_state(place)) as shared:
            told, known = list(_all(arguments, data, shared)), [*shared.rollouts()]
    except (SettingsError, DataDirError, StateDownError) as error:
        return failed(error, arguments)
    except (OSError, duckdb.Error) as error:
        return unreadable(error, arguments)
    if arguments.json:
        print(json.dumps([asdict(each) | {"agrees": each.agrees} for each in told]))
    elif told or arguments.route is None:
        _print(told)
    if arguments.route is not None and not told:
        return failed(unknown_route(arguments.route, known), arguments)
    return 0 if all(each.agrees or each.written for each in told) else 1


def _all(arguments: argparse.Namespace, data: DataDir, shared: SharedState) -> Iterator[RebuildOutcome]:
    for route, stored in sorted(shared.rollouts().items()):
        if arguments.route in (None, route):
            yield _one(route, stored, Store(data.records, context.warn_of_damage), shared, write=arguments.write)


def _one(route: str, stored: Stored, store: Store, shared: SharedState, *, write: bool) -> RebuildOutcome:
    kept = shared.snapshot(route)
    read = None if kept is None else unpack(kept)
    rules = read.rules if read is not None else _last_rules(store, route)
    if rules is None:
        return RebuildOutcome(route, 0, 0, 0, 0, ["neither what is kept nor the records say by which rules to count"])
    up_to = kept.seq if kept is not None and read is not None else EVERYTHING
    with progress(route, None if up_to == EVERYTHING else up_to) as done:
        made = replay(store, route, rules, history=read_rollout(stored).history, up_to_seq=up_to, watch=done)
    seen = made.observed + made.left + made.forgotten + made.unreadable
    missing = 0 if up_to == EVERYTHING else up_to - seen
    if read is None:
        differs = ["what is kept cannot be read" if kept is not None else "nothing is kept"]
    else:
        differs = differences(read.evidence, _brought_to(made, read.evidence, rules))
    told = RebuildOutcome(route, made.observed, missing, made.forgotten, made.unreadable, differs)
    if told.agrees or not write:
        return told
    return _write(told, _snapshot(stored, made, kept, rules, store), shared)


def _brought_to(made: EvidenceReplay, kept: Evidence, rules: Rules) -> Evidence:
    """What was made again, as far along as what is kept: on its stage, with its units closed."""
    found = made.evidence
    if found is None:
        found = Evidence(kept.key, rules)
    elif found.key != kept.key and (not kept.count("requests") or kept.key.is_beside(found.key)):
        found = found.next(kept.key, rules)  # nothing was observed since it moved
    found.judge_by(rules)
    if kept.watermark_at is not None:
        found.advance(kept.watermark_at)
    return found


def _last_rules(store: Store, route: str) -> Rules | None:
    changes = timeline(store, route).changes
    return changes[-1][1] if changes else None


def _snapshot(stored: Stored, made: EvidenceReplay, kept: Snapshot | None, rules: Rules, store: Store) -> Snapshot:
    """What to keep: the evidence of the stage the rollout stands on, and how far each node's events are in it."""
    found = read_rollout(stored)
    rollout = found.rollout
    ours = evaluation(rules, rollout, stored.version, kept, clock.wall())
    at = ours.evidence.watermark_at if ours.evidence.key == key_of(rollout) else None
    ours.evidence = _brought_to(made, Evidence(key_of(rollout), rules, watermark_at=at), rules)
    ours.seq = max(ours.seq, made.last_seq)
    if kept is None:
        ours.positions = positions(store, rollout.route, found.history)
    return pack(ours)


def _write(told: RebuildOutcome, fresh: Snapshot, shared: SharedState) -> RebuildOutcome:
    epoch = shared.lead(NODE, clock.wall())
    if epoch is None:
        print("a controller leads: stop every node first, or it writes over what is made here", file=sys.stderr)
        return told
    written = shared.keep_snapshot(told.route, fresh, epoch=epoch)
    shared.resign(NODE)
    return replace(told, written=written)


def _print(told: list[RebuildOutcome]) -> None:
    if not told:
        print("No rollout is known: there is no evidence to compute again.", file=sys.stderr)
    for each in told:
        word = "agrees" if each.agrees else "written" if each.written else "DIFFERS"
        print(f"{each.route}: {word}, {each.observations} observations made again")
        if each.missing:
            print(f"  not in the records: {each.missing}. hint: they come within seconds; else they are lost")
        if each.forgotten:
            print(f"  erased since: {each.forgotten} (`crossfade records forget`): what is kept still counts them")
        if each.unreadable:
            print(f"  not readable in the records: {each.unreadable}")
        for what in each.differs:
            print(f"  {what}")
