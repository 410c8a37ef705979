"""`crossfade dataset`: training files from the records: build, inspect, diff, validate."""

import argparse
import json
import os
import sys
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

import duckdb
import msgspec

from gateway import clock
from gateway.adapters.ray_data import RayError, run_on_ray
from gateway.cli import context, dataset_inspect, layout
from gateway.cli.dataset_source import source_of
from gateway.cli.failure import failed
from gateway.cli.known_routes import slip
from gateway.cli.progress import progress
from gateway.config.settings_file import SettingsError
from gateway.node import labels
from gateway.node.database import StateError
from gateway.node.datadir import DataDir
from gateway.node.moments import moment, since
from gateway.node.plain_error import hinted
from gateway.training.inside_call import TrainingCallError
from policies.candidates import route_of
from policies.language.amounts import share_ppm
from records.dataset import build as building
from records.dataset import manifest
from records.dataset.build import LeakError, Wanted
from records.dataset.check import FirstFaults, check_file
from records.dataset.conversations import split_faults
from records.dataset.difference import difference
from records.dataset.filters import Filters
from records.dataset.formats import FORMATS, format_named
from records.dataset.manifest import Manifest
from records.evaluation import sets
from records.parts import run_here
from records.store import Store


def run(arguments: argparse.Namespace) -> int:
    """Do it; 1: refused, or faults found."""
    try:
        return _ACTIONS[arguments.action](arguments)
    except (SettingsError, StateError, LeakError, RayError, TrainingCallError, ValueError) as error:
        return failed(error, arguments)
    except duckdb.Error as error:  # its further lines quote the query
        return failed(
            f"{str(error).partition(chr(10))[0]}. hint: is it whole, and of the kind its name says?", arguments
        )
    except OSError as error:
        return failed(hinted(error, "is the path right, and may this user read it?"), arguments)


def _build(arguments: argparse.Namespace) -> int:
    data, source = context.data(arguments), source_of(arguments)
    own = [sets.rows_file(data.root, each.name) for each in sets.registered(data.root) if each.route == source.route]
    wanted = Wanted(
        source.route,
        arguments.shape,
        validation_ppm=_share(arguments.validation),
        validation_from=_moment(arguments.validation_from, clock.wall()),
        salt=arguments.salt,
        version=version("crossfade"),
        against=tuple({path.resolve(): path for path in (*own, *arguments.against)}.values()),
        drops_leaks=arguments.drop_leaks,
        unrouted_models=source.unrouted_models,
        filters=_filters(arguments, source.models),
        most_per_source=arguments.most_per_source,
        most_per_template=arguments.most_per_template,
        near=arguments.near,
        keeps_personal=arguments.keep_personal_data,
        run=run_on_ray if arguments.engine == "ray" else run_here,
        labels=_labels(data, source.route),
    )
    store = Store(data.records, context.warn_of_damage)
    with progress("exchanges", building.reads(store, wanted)) as done:
        folder, made = building.build(store, replace(wanted, watch=done), arguments.out)
    _show(folder if made.kept else None, made, as_json=arguments.json)
    if made.kept:
        return 0
    if arguments.route and not made.read and (wrong := slip(arguments.route, arguments)):
        return failed(wrong, arguments)
    return failed(f"Nothing to train on: 0 of {made.read} exchanges. hint: {_hint(made)}", arguments)


def _hint(made: Manifest) -> str:
    """What to do where nothing was kept."""
    if made.read:
        return "see the reasons above"
    chosen = [name for name in made.filters if name in Filters.__struct_fields__]
    if chosen:
        return f"no exchange is let through by what was asked for: {', '.join(chosen)}"
    return "`crossfade records stats` lists routes; --unrouted takes what has none"


def _filters(arguments: argparse.Namespace, models: tuple[str, ...]) -> Filters:
    now = clock.wall()
    return Filters(
        since=since(arguments.since, now=now),
        until=_moment(arguments.until, now),
        models=models,
        finish_reasons=tuple(arguments.finish_reason),
        least_score=arguments.least_score,
        with_feedback=arguments.with_feedback,
        labels=tuple(arguments.label),
        recorded=arguments.recorded,
    )


def _moment(text: str | None, now: float) -> float | None:
    return None if text is None else moment(text, now=now)


def _labels(data: DataDir, route: str) -> dict[tuple[str, str], float]:
    """What people said of the route's pairs, by exchange and candidate's rollout.

    Raises:
        StateError: the state cannot be read.
    """
    if not data.state.exists():
        return {}
    with labels.opened(data.state) as state:
        said = labels.scores(label for label in labels.stored(state) if route_of(label.route) == route)
    return {(exchange_id, name): score for (exchange_id, asked, name), score in said.items() if asked == "candidate"}


def _share(text: str) -> int:
    """The share of conversations to validate on.

    Raises:
        ValueError: it is none.
    """
    try:
        return share_ppm(text)
    except ValueError as error:
        raise ValueError(f"--validation {text}: {error}") from error


def _inspect(arguments: argparse.Namespace) -> int:
    made = _manifest(arguments.folder)
    if arguments.json and (arguments.row or arguments.tokenizer):
        lessons = dataset_inspect.lessons_of(arguments, made)
        print(json.dumps({"row": arguments.row or 1, "lessons": msgspec.to_builtins(lessons)}, ensure_ascii=False))
        return 0
    if not arguments.row:
        _show(arguments.folder, made, as_json=arguments.json)
    if not arguments.json and made.files:
        dataset_inspect.show(arguments, made, os.environ)
    _warn_of_stale(arguments.folder, made)
    return 0


def _warn_of_stale(folder: Path, made: Manifest) -> None:
    if made.stale:
        print(f"STALE: {made.stale} exchanges of {folder} were erased since. hint: build it again", file=sys.stderr)


def _diff(arguments: argparse.Namespace) -> int:
    """What differs between two datasets: 0, whatever it is."""
    before, after = ((folder, _manifest(folder)) for folder in (arguments.before, arguments.after))
    found = difference(before, after)
    if arguments.json:
        print(json.dumps(asdict(found) | {"is_same": found.is_same}))
        return 0
    for name, (old, new) in found.settings.items():
        print(f"  {name}: {old} -> {new}")
    for reason, (old, new) in found.left_out.items():
        print(f"  left out, {reason}: {old} -> {new}")
    print(f"  {found.same:8} rows are the same")
    for count, what in (
        (found.added, "prompts are new"),
        (found.removed, "prompts are gone"),
        (found.answered_otherwise, "prompts have another answer"),
        (found.moved, "rows are in another split"),
    ):
        if count:
            print(f"  {count:8} {what}")
    return 0


def _validate(arguments: argparse.Namespace) -> int:
    name: str | None = arguments.shape
    files: list[Path] = [arguments.path]
    if arguments.path.is_dir():
        made = _manifest(arguments.path)
        _warn_of_stale(arguments.path, made)
        name = name or made.dataset_format
        files = [arguments.path / file.name for file in made.files]
    if not arguments.path.exists():
        raise ValueError(f"{arguments.path}: no such file or folder. hint: name what `dataset build` printed")
    if name is None:
        raise ValueError(f"{arguments.path} is one file. hint: name its --format: {', '.join(FORMATS)}")
    shape = format_named(name)
    faults = FirstFaults()
    for path in files:
        faults.add(path, check_file(path, shape, least=shape.least if path.stem == "train" else 1))
    by_split = {path.stem: path for path in files}
    if not faults.total and by_split.keys() >= {"train", "validation"}:
        faults.add(by_split["validation"], split_faults(by_split["train"], by_split["validation"], shape))
    _show_faults(faults, as_json=arguments.json)
    said = f"{layout.counted(faults.total, 'fault')} in {layout.counted(len(files), 'file')}"
    if faults.total:
        return failed(said, arguments)
    print(said, file=sys.stderr)
    return 0


def _show_faults(faults: FirstFaults, *, as_json: bool) -> None:
    """Each that was kept; behind the last of a kind, how many more there are like it."""
    shown = faults.shown()
    if as_json:
        rows = [
            {"file": str(path), "line": fault.line, "fault": fault.text} | ({"more": more} if more else {})
            for path, fault, more in shown
        ]
        print(json.dumps(rows))
        return
    for path, fault, more in shown:
        print(f"{path}:{fault.line}: {fault.text}" if fault.line else f"{path}: {fault.text}")
        if more:
            print(f"{path}: … and {more:,} more like it")


def _manifest(folder: Path) -> Manifest:
    """A folder's manifest.

    Raises:
        ValueError: it has none.
    """
    try:
        return manifest.read(folder)
    except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"{folder} is no dataset of ours. hint: name a folder that `dataset build` printed") from error


def _show(folder: Path | None, made: Manifest, *, as_json: bool) -> None:
    """Its counts, and where it is; None: nothing was kept, and there is no folder."""
    if as_json:
        print(json.dumps({"folder": folder and str(folder), **msgspec.to_builtins(made)}))
        return
    if folder is not None:
        print(folder)
    for file in made.files:
        print(f"  {file.examples:8} {file.split}  {file.name}")
    for reason, count in sorted(made.left_out.items(), key=lambda item: -item[1]):
        print(f"  {count:8} left out: {reason}")
    print(f"  {made.read:8} exchanges of {made.route or 'no route'}, {made.dataset_format}")
    for file in made.against:
        print(f"           held against {file.name} ({file.sha256[:12]})")
    for suspicion in made.suspicions:
        print(f"warning: {suspicion}", file=sys.stderr)


_ACTIONS = {"build": _build, "inspect": _inspect, "diff": _diff, "validate": _validate}
