"""`crossfade dataset`: training files from the records: build, inspect, validate."""

import argparse
import json
import sys
from importlib.metadata import version
from pathlib import Path

import duckdb
import msgspec

from gateway.cli import context
from gateway.cli.failure import failed
from gateway.config.settings_file import SettingsError
from policies.language.amounts import share_ppm
from records.dataset import build as building
from records.dataset import manifest
from records.dataset.build import LeakError, Wanted
from records.dataset.check import check_file
from records.dataset.formats import FORMATS, format_named
from records.dataset.manifest import Manifest
from records.store import Store

_SHOWN_FAULTS = 20


def run(arguments: argparse.Namespace) -> int:
    """Do it; 1: refused, or faults found."""
    try:
        return {"build": _build, "inspect": _inspect, "validate": _validate}[arguments.action](arguments)
    except (SettingsError, LeakError, ValueError) as error:
        return failed(error, arguments)
    except (OSError, duckdb.Error) as error:
        return failed(f"{error}. hint: is the path right, and may this user read it?", arguments)


def _build(arguments: argparse.Namespace) -> int:
    wanted = Wanted(
        arguments.route,
        arguments.shape,
        validation_ppm=_share(arguments.validation),
        salt=arguments.salt,
        version=version("crossfade"),
        against=tuple(arguments.against),
        drops_leaks=arguments.drop_leaks,
    )
    folder, made = building.build(Store(context.data(arguments).records, context.warn_of_damage), wanted, arguments.out)
    _show(folder, made, as_json=arguments.json)
    if made.kept:
        return 0
    hint = (
        "is the route's name right? `crossfade records stats` lists them" if not made.read else "see the reasons above"
    )
    return failed(f"Nothing to train on: 0 of {made.read} exchanges. hint: {hint}", arguments)


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
    _show(arguments.folder, made, as_json=arguments.json)
    _warn_of_stale(arguments.folder, made)
    return 0


def _warn_of_stale(folder: Path, made: Manifest) -> None:
    if made.stale:
        print(f"STALE: {made.stale} exchanges of {folder} were erased since. hint: build it again", file=sys.stderr)


def _validate(arguments: argparse.Namespace) -> int:
    name: str | None = arguments.shape
    files: list[Path] = [arguments.path]
    if arguments.path.is_dir():
        made = _manifest(arguments.path)
        _warn_of_stale(arguments.path, made)
        name = name or made.dataset_format
        files = [arguments.path / file.name for file in made.files]
    if name is None:
        raise ValueError(f"{arguments.path} is one file. hint: name its --format: {', '.join(FORMATS)}")
    shape = format_named(name)
    faults = [
        (path, fault)
        for path in files
        for fault in check_file(path, shape, least=shape.least if path.stem == "train" else 1)
    ]
    if arguments.json:
        print(json.dumps([{"file": str(path), "line": fault.line, "fault": fault.text} for path, fault in faults]))
    else:
        for path, fault in faults[:_SHOWN_FAULTS]:
            print(f"{path}:{fault.line}: {fault.text}")
        if len(faults) > _SHOWN_FAULTS:
            print(f"… and {len(faults) - _SHOWN_FAULTS} more", file=sys.stderr)
    said = f"{len(faults)} faults in {len(files)} files"
    if faults:
        return failed(said, arguments)
    print(said, file=sys.stderr)
    return 0


def _manifest(folder: Path) -> Manifest:
    """A folder's manifest.

    Raises:
        ValueError: it has none.
    """
    try:
        return manifest.read(folder)
    except (FileNotFoundError, msgspec.MsgspecError) as error:
        raise ValueError(f"{folder} is no dataset of ours. hint: name a folder that `dataset build` printed") from error


def _show(folder: Path, made: Manifest, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"folder": str(folder), **msgspec.to_builtins(made)}))
        return
    print(folder)
    for file in made.files:
        print(f"  {file.examples:8} {file.split}  {file.name}")
    for reason, count in sorted(made.left_out.items(), key=lambda item: -item[1]):
        print(f"  {count:8} left out: {reason}")
    print(f"  {made.read:8} exchanges of {made.route or 'no route'}, {made.dataset_format}")
