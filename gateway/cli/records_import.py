"""`crossfade records import`: other systems' logs into the records, so that data starts before the gateway did."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from gateway import clock
from gateway.cli import context, layout
from gateway.cli.failure import failed
from gateway.cli.known_routes import slip
from gateway.cli.replay import row_inputs
from gateway.config.settings import Settings
from gateway.config.surroundings import surroundings
from gateway.control.publish.policy_compiler import PolicyReader
from gateway.control.publish.policy_folder import PolicyFolder
from gateway.control.publish.table import base_table
from gateway.control.row_maker import maker_for
from gateway.node.datadir import DataDirError
from policies.matching import find
from policies.request.body import Call, read_body
from records.importers.intake import ImportCount, LogImport, RouteOf
from records.importers.reading import rows_of
from records.importers.sources import source_named
from records.store import Store

_SHOWN_BROKEN = 20
_EMPTY_HINT = "is it empty, or a CSV without a line of names above its rows? Export it again"


def run(arguments: argparse.Namespace) -> int:
    """Do it. 0: every row was taken in, or need not be; 1: a row is broken, there is none, or nothing could be done.

    Raises:
        OSError, duckdb.Error, SettingsError, DataDirError: it cannot be done, or only a part of it was.
    """
    settings = context.settings(arguments)
    if arguments.upstream and arguments.upstream not in settings.upstreams:
        known = ", ".join(sorted(settings.upstreams))
        raise DataDirError(f"--upstream {arguments.upstream}: no such upstream. hint: there are {known}")
    _require_files(arguments.files)
    if arguments.route and (wrong := slip(arguments.route, arguments)):
        print(f"WARNING: {wrong}", file=sys.stderr)  # its policy may be written later, from these very records
    route_of: RouteOf = (lambda _path, _body: arguments.route) if arguments.route else _matched(settings)
    empty = [str(path) for path in arguments.files if next(rows_of(path), None) is None]
    if len(empty) == len(arguments.files):
        return failed(f"No rows are in {', '.join(empty)}. hint: {_EMPTY_HINT}", arguments)
    now, data = clock.wall(), context.made(arguments)
    intake = LogImport(
        Store(data.records),
        maker_for(row_inputs(settings, data), base_table(settings, data.run)),
        arguments.source,
        source_named(arguments.source),
        route_of,
        now,
        now - settings.capture.retention,
        upstream=arguments.upstream or "",
        trains=not arguments.no_train,
    )
    shown: list[str] = []
    for broken in intake.take(arguments.files):
        if len(shown) < _SHOWN_BROKEN:
            shown.append(str(broken))
            if not arguments.json:
                print(broken, file=sys.stderr)
    return _end(intake.count, shown, arguments, settings, empty=empty)


def _require_files(paths: list[Path]) -> None:
    """Let only files go on, before anything is written.

    Raises:
        DataDirError: one is none.
    """
    missing = [path for path in paths if not path.is_file()]
    if missing:
        what, hint = "no such file", "docs/importing.md says how to get one; nothing was imported"
        if missing[0].is_dir():
            what = "a folder, and no file"
        elif missing[0].exists():
            what, hint = "it is no file", "write it to a file first: it is read twice"
        raise DataDirError(f"{missing[0]}: {what}. hint: {hint}")


def _end(
    count: ImportCount, shown: list[str], arguments: argparse.Namespace, settings: Settings, *, empty: list[str]
) -> int:
    """Say what was taken in. `shown`: broken rows that were told of; `empty`: files without a row."""
    if arguments.json:
        print(json.dumps(asdict(count) | {"broken_rows": shown, "empty_files": empty}, ensure_ascii=False))
    else:
        print(_told(count, days=settings.capture.retention / 86_400))
        for path in empty:
            print(f"WARNING: no rows are in {path}. hint: {_EMPTY_HINT}", file=sys.stderr)
        if count.broken > len(shown):
            print(f"… and {count.broken - len(shown)} broken rows more", file=sys.stderr)
    if count.broken == count.rows:
        return failed(f"No row could be read. hint: is it an export of {arguments.source}?", arguments)
    return 1 if count.broken else 0


def _matched(settings: Settings) -> RouteOf:
    """The routes that the policies would have given; headers and keys are in no log, and match nothing.

    Raises:
        DataDirError: a policy does not load.
    """
    folder = PolicyFolder(settings.policies, PolicyReader(surroundings(settings), str(settings.policies)).compile)
    folder.read()
    if errors := folder.errors():
        raise DataDirError(f"{errors[0]}. hint: mend it, or name the route of all rows with --route")
    routes = folder.routes()

    def matched(path: str, raw: bytes) -> str:
        body = read_body(raw) if raw else None
        route = find(routes, Call(path, {}, body, body_bytes=len(raw))) if body is not None else None
        return route.name if route is not None else ""

    return matched


def _told(count: ImportCount, *, days: float) -> str:
    lines = [f"{count.imported} exchanges imported of {count.rows} rows, {count.votes} of them with feedback"]
    lines += [f"{count.known} were there already"] if count.known else []
    lines += (
        [f"{count.without_prompt} came without their prompt: they count for volume and spend alone"]
        if count.without_prompt
        else []
    )
    lines += (
        [f"{count.expired} are older than capture.retention ({days:g} days), and were left out: raise it to keep them"]
        if count.expired
        else []
    )
    lines += [f"{count.forgotten} are of who is forgotten, and were left out"] if count.forgotten else []
    lines += [f"{many} passed over: {what}" for what, many in count.passed_over.most_common()]
    lines += [f"broken: {layout.counted(count.broken, 'row')}"] if count.broken else []
    return "\n".join(lines)
