"""`crossfade records`: what was recorded: tail, show, stats, forget."""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from gateway import clock
from gateway.cli import context
from gateway.cli.failure import failed
from gateway.config.settings_file import SettingsError
from gateway.node.datadir import DataDirError, secret
from gateway.node.pepper import pepper_of
from records import forgetting
from records.erasure import FILE, Kind, Subject
from records.forgetting import Erasure
from records.request_facts import user_hash
from records.store import Store

_TAIL = "id, arrived_at, route, variant, why, model_requested, status, outcome, completion_tokens, cost_usd, total_ms"
_STATS = """
SELECT route, variant, count(*) AS exchanges, count(*) FILTER (WHERE complete) AS complete,
       count(*) FILTER (WHERE status >= 500 OR status = 0) AS failed,
       count(*) FILTER (WHERE consent = 'none') AS not_for_training,
       count(DISTINCT conversation_id) AS conversations, sum(prompt_tokens)::BIGINT AS prompt_tokens,
       sum(completion_tokens)::BIGINT AS completion_tokens, sum(cost_usd) AS cost_usd,
       count(*) FILTER (WHERE cost_usd IS NULL AND prompt_tokens IS NOT NULL) AS unpriced,
       quantile_cont(total_ms, 0.5) AS total_ms_p50, quantile_cont(total_ms, 0.95) AS total_ms_p95,
       min(arrived_at) AS first_at, max(arrived_at) AS last_at
FROM exchanges GROUP BY ALL ORDER BY exchanges DESC
"""
_HOURS = """
SELECT upstream, CASE WHEN count(*) = count(replicas) THEN max(replicas) END AS replicas,
       sum(busy_s) / 3600 AS busy_hours, sum(idle_s) / 3600 AS idle_hours, sum(paid_usd) AS paid_usd,
       sum(paid_usd * busy_s / (busy_s + idle_s)) AS busy_usd, sum(paid_usd * idle_s / (busy_s + idle_s)) AS idle_usd,
       sum(answers)::BIGINT AS answers, sum(charged_usd) AS charged_usd,
       sum(paid_usd) / nullif(sum(answers), 0) AS usd_per_answer, min(since_at) AS first_at, max(until_at) AS last_at
FROM gpu_hours_all GROUP BY upstream ORDER BY paid_usd DESC
"""


def run(arguments: argparse.Namespace) -> int:
    """Do it; 1: refused, or nothing found."""
    try:
        return {"tail": _tail, "show": _show, "stats": _stats, "forget": _forget}[arguments.action](arguments)
    except (SettingsError, DataDirError) as error:
        return failed(error, arguments)
    except (OSError, duckdb.Error) as error:
        return failed(f"{error}. hint: if files were just merged, do it again", arguments)


def _tail(arguments: argparse.Namespace) -> int:
    query = f"SELECT {_TAIL} FROM exchanges WHERE ? IS NULL OR route = ? ORDER BY id DESC LIMIT ?"  # noqa: S608 -- our own columns
    rows = _query(arguments, query, [arguments.route, arguments.route, arguments.lines])[::-1]
    for row in rows:
        if arguments.json:
            print(_line(row))
            continue
        cost = "-" if row["cost_usd"] is None else f"${row['cost_usd']:.5f}"
        print(
            f"{row['arrived_at']:%Y-%m-%d %H:%M:%S}  {row['id']}  {row['route'] or '-':16}  {row['variant']:9}  "
            f"{row['status']:3}  {row['outcome']:15}  {row['total_ms']:8.0f} ms  {cost:>10}  {row['model_requested']}"
        )
    return 0


def _show(arguments: argparse.Namespace) -> int:
    rows = _query(arguments, "SELECT * FROM joined WHERE id = ?", [arguments.id])
    if not rows:
        return failed(f"No exchange {arguments.id} is recorded. hint: it takes a second or two to get here", arguments)
    row = {name: _parsed(name, value) for name, value in rows[0].items()}
    if arguments.json:
        print(_line(row))
        return 0
    for name, value in row.items():
        text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
        print(f"{name}: {value if isinstance(value, str | datetime) else text}")
    return 0


def _parsed(name: str, value: object) -> object:
    """A JSON column as what it says."""
    return json.loads(value) if name.endswith("_json") and isinstance(value, str) else value


def _stats(arguments: argparse.Namespace) -> int:
    if arguments.hours:
        return _hours(arguments)
    rows = _query(arguments, _STATS, [])
    if arguments.json:
        print(_line(rows))
        return 0
    print(f"{'route':20} {'variant':9} {'exchanges':>9} {'complete':>9} {'failed':>7} {'tokens':>12} {'cost':>11}  p95")
    for row in rows:
        tokens = (row["prompt_tokens"] or 0) + (row["completion_tokens"] or 0)
        cost = "-" if row["cost_usd"] is None else f"${row['cost_usd']:.4f}"
        print(
            f"{row['route'] or '-':20} {row['variant']:9} {row['exchanges']:9} {row['complete']:9} {row['failed']:7} "
            f"{tokens:12} {cost:>11}  {row['total_ms_p95']:.0f} ms"
        )
    if not rows:
        print("Nothing is recorded yet.", file=sys.stderr)
    if paid := _query(arguments, _HOURS, []):
        print()
        _print_hours(paid)
    return 0


def _hours(arguments: argparse.Namespace) -> int:
    """What was paid by the hour."""
    rows = _query(arguments, _HOURS, [])
    if arguments.json:
        print(_line(rows))
        return 0
    _print_hours(rows)
    if not rows:
        print("No hours are recorded. hint: state them under `prices.candidate` in crossfade.yaml", file=sys.stderr)
    return 0


def _print_hours(rows: Sequence[dict[str, Any]]) -> None:
    print(
        f"{'paid by the hour':20} {'replicas':>8} {'busy h':>9} {'idle h':>9} {'busy':>11} {'idle':>11} {'answers':>9}"
        "  per answer"
    )
    for row in rows:
        each = "-" if row["usd_per_answer"] is None else f"${row['usd_per_answer']:.5f}"
        busy, idle = f"${row['busy_usd']:.4f}", f"${row['idle_usd']:.4f}"
        print(
            f"{row['upstream']:20} {row['replicas'] or 'unknown':>8} "
            f"{row['busy_hours']:9.2f} {row['idle_hours']:9.2f} {busy:>11} {idle:>11} "
            f"{row['answers']:9}  {each}"
        )
    if any(row["replicas"] is None for row in rows):
        print(
            "Where replicas are unknown one is charged. hint: state `replicas` under `prices.candidate`",
            file=sys.stderr,
        )


def _forget(arguments: argparse.Namespace) -> int:
    data = context.data(arguments)
    kind: Kind
    if arguments.user is not None:
        pepper = secret(data.root / "pepper") if arguments.data else pepper_of(context.settings(arguments), data)
        kind, value = "user", user_hash(arguments.user, pepper)
    elif arguments.key is not None:
        kind, value = "key", arguments.key
    elif arguments.conversation is not None:
        kind, value = "conversation", arguments.conversation
    else:
        kind, value = "exchange", arguments.id
    done = _remove(Store(data.records), Subject(kind, value, clock.wall()), data.root / "replays")
    if arguments.json:
        found = {"kind": kind, "value": value, "removed": done.exchanges, "set_aside": done.set_aside}
        found["stale_datasets"] = done.stale
        print(json.dumps(found))
    else:
        print(f"{done.exchanges} exchanges removed; nothing more will be recorded of this {kind}")
    for path in done.set_aside:
        print(
            f"ALARM: {data.records / path} cannot be read, and may hold rows of this {kind}. hint: it is set aside and "
            "goes with its date; delete it, or restore it from a backup to where it was and forget again",
            file=sys.stderr,
        )
    for folder in done.stale:
        print(
            f"STALE: {folder} holds exchanges of this {kind}: it is marked; build it again, and delete its copies",
            file=sys.stderr,
        )
    print(
        "Journals that are not yet recorded go within the hour. Datasets of earlier versions, and copies, keep what "
        "they hold: build them again.",
        file=sys.stderr,
    )
    return 0


def _remove(store: Store, subject: Subject, replays: Path) -> Erasure:
    """First nothing more of them is recorded, then what there is goes: cut off in between, the recorder goes on."""
    with store.held():
        try:
            forgetting.wish(store, subject)
            return forgetting.carry_out(store, replays)
        except msgspec.MsgspecError as error:
            path = store.root / FILE
            raise DataDirError(f"{path} is damaged. hint: restore it from a backup, or remove it") from error


def _query(arguments: argparse.Namespace, query: str, parameters: Sequence[object]) -> list[dict[str, Any]]:
    def rows(views: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
        found = views.execute(query, list(parameters) or None)
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    return Store(context.data(arguments).records, context.warn_of_damage).ask(rows)


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
