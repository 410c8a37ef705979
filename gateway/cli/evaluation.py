"""`crossfade eval`: questions of one's own: add, list, sample, run."""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from gateway import clock
from gateway.adapters.ray_data import RayError
from gateway.cli import context, evaluation_run, layout
from gateway.cli.failure import failed
from gateway.cli.known_routes import slip
from gateway.cli.replay import ReplayError
from gateway.config.settings_file import SettingsError
from gateway.control.publish.policy_folder import PolicyTextError
from gateway.node.datadir import DataDirError
from gateway.node.moments import since
from gateway.node.pepper import pepper_of
from gateway.node.plain_error import hinted
from records.evaluation import files, sets
from records.evaluation.sample import sample
from records.evaluation.sets import EvalSet
from records.store import Store
from shadow.compare import answer


def run(arguments: argparse.Namespace) -> int:
    """Do it; 1: refused, or failing."""
    try:
        return {"add": _add, "list": _list, "sample": _sample, "run": evaluation_run.run}[arguments.action](arguments)
    except (SettingsError, DataDirError, PolicyTextError, RayError, ReplayError, ValueError) as error:
        return failed(error, arguments)
    except duckdb.Error as error:
        return failed(f"{error}. hint: is the path right, and may this user read and write there?", arguments)
    except OSError as error:
        return failed(hinted(error, "is the path right, and may this user read and write there?"), arguments)


def _add(arguments: argparse.Namespace) -> int:
    path: Path = arguments.file
    rows, settings = list(files.read_file(path)), context.settings(arguments)
    about = EvalSet(arguments.name or path.stem, arguments.route, 0, 0, "", clock.wall(), path.name, ())
    sets.check(about, rows)
    if wrong := slip(arguments.route, arguments):
        return failed(wrong, arguments)
    data = context.made(arguments)
    found = sets.register(data.root, rows, about, pepper_of(settings, data))
    if arguments.json:
        print(json.dumps(_fields(found, [])))
        return 0
    print(found.name)
    again = len(rows) - len({row.id for row in rows})
    left_out = f"; {again} said the same as another, and {'counts' if again == 1 else 'count'} once" if again else ""
    said = f"{found.rows} row{'' if found.rows == 1 else 's'} of {found.route}, {found.labelled} labelled"
    print(f"{said}{left_out}", file=sys.stderr)
    return 0


def _list(arguments: argparse.Namespace) -> int:
    root = context.data(arguments).root
    found = [(each, sets.runs_of(root, each.name)) for each in sets.registered(root)]
    if arguments.json:
        print(json.dumps([_fields(each, runs) for each, runs in found]))
        return 0
    if not found:
        print("No evaluation set is registered. `crossfade eval sample` draws one to label.", file=sys.stderr)
        return 0
    head = ("SET", "ROUTE", "ROWS", "LABELLED", "RUNS", "LAST")
    rows = [_row(each, runs) for each, runs in found]
    print("\n".join(layout.table([head, *rows], right=(2, 3, 4), cut=(0, 1, 5))))
    return 0


def _row(each: EvalSet, runs: list[sets.EvalRun]) -> tuple[str, ...]:
    last = "; ".join(f"{score.variant} {_number(score.mean)}" for score in runs[-1].scores) if runs else "-"
    return each.name, each.route, f"{each.rows:,}", f"{each.labelled:,}", f"{len(runs):,}", last


def _sample(arguments: argparse.Namespace) -> int:
    drawn = sample(
        Store(context.data(arguments).records, context.warn_of_damage),
        arguments.route,
        since=since(arguments.since, now=clock.wall()) or 0.0,
        rows=arguments.rows,
        salt=arguments.salt,
    )
    rows = labelled = 0
    for line in drawn:
        print(json.dumps(line | {"answer": _said(line)}, ensure_ascii=False))
        rows, labelled = rows + 1, labelled + (line["expected"] is not None)
    if not rows:
        none = f"Nothing is recorded of {arguments.route or 'no route'}. hint: `crossfade records stats` lists routes"
        return failed((arguments.route and slip(arguments.route, arguments)) or none, arguments)
    print(
        f"{rows} questions, {labelled} with a user's correction. Write the others' labels into `expected`, then "
        "`crossfade eval add`",
        file=sys.stderr,
    )
    return 0


def _said(line: Mapping[str, Any]) -> str | None:
    """What the model said, as a label says it: its text, or its calls as JSON."""
    found = answer.read(line["path"], msgspec.json.encode(line["answer"])).answer
    if found is None:
        return None
    calls = [{"name": call.name, "arguments": _parsed(call.arguments)} for call in found.calls]
    return json.dumps(calls, ensure_ascii=False) if calls else found.text or found.refusal


def _parsed(arguments: str) -> object:
    try:
        return msgspec.json.decode(arguments)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return arguments


def _fields(found: EvalSet, runs: list[sets.EvalRun]) -> dict[str, object]:
    fields = msgspec.to_builtins(found) | {"runs": msgspec.to_builtins(runs)}
    del fields["prompt_hashes"]
    return fields


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
