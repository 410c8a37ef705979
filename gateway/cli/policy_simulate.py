"""`crossfade policy simulate`: recorded traffic, or compared pairs, through the functions that decide in production."""

import argparse
import codecs
import gzip
import hashlib
import sys
import zlib
from collections.abc import Collection, Generator, Iterable, Mapping
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import cast

from gateway import clock
from gateway.cli import context, layout
from gateway.cli import policy_simulate_several as several
from gateway.cli.failure import failed
from gateway.cli.policy_traffic import observed
from gateway.cli.progress import counted
from gateway.config.policy_file import contenders, read_file, with_files
from gateway.config.settings_file import SettingsError
from gateway.config.yaml_file import YamlFileError
from gateway.node.moments import since
from gateway.node.plain_error import plain
from policies import explain
from policies.compile import decision_rules
from policies.contenders import named_candidates
from policies.events import PairEvent
from policies.pairs import PairError, read
from policies.rules import Rules
from policies.simulate import Moment, summarise, walk
from policies.surroundings import KnownUpstream, Surroundings
from policies.terms import Move
from records.named_file import opened

Told = tuple[str, PairEvent]
"""A pair, and whom of several candidates it is of; of one alone: nobody by name."""
_GZIP = b"\x1f\x8b"


def run(arguments: argparse.Namespace) -> int:
    """Print each move with its evidence, then the last state. Returns 1 if policy or traffic cannot be read."""
    # No upstream is asked, so none needs to be known: pairs are scored, and prices stand in them.
    try:
        loaded = read_file(arguments.policy)
        policy = loaded.policy
    except YamlFileError as error:
        return failed(error, arguments)
    keys = {each.upstream: KnownUpstream(is_priced=True) for _, each in named_candidates(policy)}
    keys[policy.baseline.upstream] = KnownUpstream(has_background_key=True, is_priced=True)
    try:
        parts = [(each.policy, with_files(Surroundings(keys), each)) for each in contenders(loaded)]
        names = [each.name for each in policy.candidates] or [""]
        rules = {name: decision_rules(*part) for name, part in zip(names, parts, strict=True)}
        pairs, timed = _recorded(arguments, rules) if arguments.pairs is None else _given(arguments.pairs, names)
    except (YamlFileError, SettingsError, PairError) as error:
        return failed(error, arguments)
    if arguments.shuffle is not None:
        pairs, timed = _shuffled(pairs, arguments.shuffle), False
    if policy.candidates:
        several.tell(rules, pairs, timed=timed, as_json=arguments.json)
    else:
        alone = [event for _, event in pairs]
        tell(rules[""], alone, timed=timed, every=arguments.every, as_json=arguments.json)
    if not pairs:  # what nothing decides is told all the same: no data never promotes
        return failed(f"{arguments.pairs}: no pair stands there. hint: {_PAIR_LINE}", arguments)
    return 0


def _recorded(arguments: argparse.Namespace, rules: Mapping[str, Rules]) -> tuple[list[Told], bool]:
    """What was recorded of these very candidates; it all says when it was.

    Raises:
        SettingsError: no settings say where the records are.
        PairError: there is nothing of one of them.
    """
    records = context.data(arguments).records
    begin = since(arguments.since, now=clock.wall()) or 0.0
    found = [(name, event) for name, each in rules.items() for event in _observed(records, each, begin)]
    return sorted(found, key=lambda told: (told[1].at, told[1].id)), True


def _observed(records: Path, rules: Rules, begin: float) -> list[PairEvent]:
    """What was recorded of one.

    Raises:
        PairError: there is nothing.
    """
    found = observed(records, rules.route, rules.key.digest, begin)
    if not found:
        raise PairError(
            f"{records}: nothing was observed of route {rules.route} and candidate {rules.key.candidate} revision "
            f"{rules.key.revision} as this policy compares them. hint: let the route's shadow run, or give --pairs"
        )
    return found


def _given(name: str, candidates: Collection[str]) -> tuple[list[Told], bool]:
    """The pairs of a file, each with the candidate that it is of.

    Raises:
        PairError: it cannot be read, or holds something else.
    """
    try:
        with _opened(name) as lines:
            return _pairs(name, lines, candidates)
    except (EOFError, zlib.error, OSError) as error:
        reason = error if not isinstance(error, OSError) else plain(OSError(error.errno, error.strerror or str(error)))
        raise PairError(f"{name}: {reason}. hint: JSON lines, gzipped or not") from error


def tell(rules: Rules, pairs: Iterable[PairEvent], *, timed: bool, every: int, as_json: bool) -> None:
    """Print each move, every `every`-th state and the last, and what it comes to."""
    moves: list[Moment] = []
    last: Moment | None = None
    shown = counted(pairs, "pairs", len(pairs) if isinstance(pairs, list) else None)
    for moment in walk(rules, shown, timed=timed, every=every):
        if last is not None and (_moved(last) or (every and last.unit % every == 0 and moment.unit > last.unit)):
            _show(last, as_json=as_json)
        last = moment
        if _moved(moment):
            moves.append(moment)
    if last is not None:
        _show(last, as_json=as_json)
    summary = explain.summary(summarise(moves, last)).decode()
    if as_json:
        print(summary)
    else:
        found = summarise(moves, last)
        at = "" if found.decided_at_unit is None else f" after {found.decided_at_unit} units"
        print(f"\n{found.outcome}{at}, of {found.units} units seen")


def _moved(moment: Moment) -> bool:
    return moment.decision.move is not Move.HOLD


def _show(moment: Moment, *, as_json: bool) -> None:
    if as_json:
        print(explain.fields(moment.decision).decode())
    else:
        print(layout.folded(f"after {moment.unit} units\n{explain.text(moment.decision)}"))


_PAIR_LINE = "one JSON object per line, with unit, q, error_*"


@contextmanager
def _opened(name: str) -> Generator[Iterable[bytes]]:
    """The lines of a file or of standard input, gzipped or not."""
    if name == "-":
        yield _unzipped(cast("BufferedReader", sys.stdin.buffer))
    else:
        with opened(name) as file:
            yield _unzipped(file)


def _unzipped(file: BufferedReader) -> Iterable[bytes]:
    return gzip.open(file) if file.peek(2)[:2] == _GZIP else file


def _pairs(name: str, lines: Iterable[bytes], candidates: Collection[str]) -> tuple[list[Told], bool]:
    """All pairs, and whether they say when they were: without times no day is asked for, so some may not lack theirs.

    Raises:
        PairError: a line is none; with its place.
    """
    found: list[Told] = []
    timed = False
    for number, said in enumerate(lines, 1):
        line = said.removeprefix(codecs.BOM_UTF8) if number == 1 else said
        if not line.strip():
            continue
        try:
            pair, is_timed, candidate = read(line)
            _check_name(candidate, candidates)
        except PairError as error:
            raise PairError(f"{name}:{number}: {error}") from error
        if found and is_timed is not timed:
            raise PairError(
                f"{name}:{number}: only some pairs say when they were. hint: `at` in every line, or in none"
            )
        found.append((candidate, pair))
        timed = is_timed
    return (sorted(found, key=lambda told: told[1].at) if timed else found), timed


def _check_name(candidate: str, candidates: Collection[str]) -> None:
    """Refuse a pair of whom the policy does not know.

    Raises:
        PairError: which are known.
    """
    if candidate in candidates:
        return
    if "" in candidates:
        raise PairError(f"`candidate` is {candidate!r}, and the policy has one, without a name. hint: leave it out")
    said = f"`candidate` is {candidate!r}" if candidate else "does not say which `candidate` it is of"
    raise PairError(f"{said}. hint: one of {', '.join(candidates)}")


def _shuffled(pairs: list[Told], seed: int) -> list[Told]:
    """The same pairs with their units in another order; a unit's own pairs keep theirs."""
    by_unit: dict[str, list[Told]] = {}
    for told in pairs:
        by_unit.setdefault(told[1].unit, []).append(told)
    names = sorted(by_unit, key=lambda name: hashlib.sha256(f"{seed}\n{name}".encode()).digest())
    return [told for name in names for told in by_unit[name]]
