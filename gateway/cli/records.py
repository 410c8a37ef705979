"""`crossfade records`: what was recorded: tail, show, stats, forget; what comes from elsewhere: import, fetch."""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import msgspec

from gateway import clock
from gateway.admin.filters import FilterError
from gateway.cli import context, layout, records_fetch, records_import
from gateway.cli.failure import failed, unreadable
from gateway.cli.known_routes import slip
from gateway.cli.record_filters import filter_of, pepper
from gateway.config.settings_file import SettingsError
from gateway.console.words import money
from gateway.node.datadir import DataDirError
from records import forgetting
from records.erasure import FILE, Kind, Subject
from records.forgetting import Erasure
from records.request_facts import user_hash
from records.store import Store

_TAIL = "id, arrived_at, route, variant, why, model_requested, status, outcome, completion_tokens, cost_usd, total_ms"
_STATS = """
SELECT route, CASE WHEN why = 'imported' THEN why ELSE variant END AS variant, count(*) AS exchanges,
       count(*) FILTER (WHERE complete) AS complete,
       count(*) FILTER (WHERE status >= 500 OR status = 0) AS failed,
       count(*) FILTER (WHERE consent = 'none') AS not_for_training,
       count(DISTINCT conversation_id) AS conversations, sum(prompt_tokens)::BIGINT AS prompt_tokens,
       sum(completion_tokens)::BIGINT AS completion_tokens, sum(cost_usd) AS cost_usd,
       count(*) FILTER (WHERE cost_usd IS NULL AND prompt_tokens IS NOT NULL) AS unpriced,
       quantile_cont(total_ms, 0.5) FILTER (total_ms > 0) AS total_ms_p50,
       quantile_cont(total_ms, 0.95) FILTER (total_ms > 0) AS total_ms_p95,
       min(arrived_at) AS first_at, max(arrived_at) AS last_at
FROM exchanges WHERE {where} GROUP BY ALL ORDER BY exchanges DESC
"""
_HOURS = """
SELECT upstream, CASE WHEN count(*) = count(replicas) THEN max(replicas) END AS replicas,
       sum(busy_s) / 3600 AS busy_hours, sum(idle_s) / 3600 AS idle_hours, sum(paid_usd) AS paid_usd,
       sum(paid_usd * busy_s / (busy_s + idle_s)) AS busy_usd, sum(paid_usd * idle_s / (busy_s + idle_s)) AS idle_usd,
       sum(answers)::BIGINT AS answers, sum(charged_usd) AS charged_usd,
       sum(paid_usd) / nullif(sum(answers), 0) AS usd_per_answer, min(since_at) AS first_at, max(until_at) AS last_at
FROM gpu_hours_all GROUP BY upstream ORDER BY paid_usd DESC
"""


class RecordIdError(ValueError):
    """An id that names no exchange, or several; the message says what to do."""


def run(arguments: argparse.Namespace) -> int:
    """Do it; 1: refused, or nothing found."""
    try:
        return _ACTIONS[arguments.action](arguments)
    except (SettingsError, DataDirError, FilterError, RecordIdError) as error:
        return failed(error, arguments)
    except (OSError, duckdb.Error, msgspec.MsgspecError, UnicodeDecodeError) as error:
        return unreadable(error, arguments)


def _tail(arguments: argparse.Namespace) -> int:
    chosen = filter_of(arguments, now=clock.wall())
    query = f"SELECT {_TAIL} FROM exchanges WHERE {chosen.where} ORDER BY id DESC LIMIT ?"  # noqa: S608 -- our own columns
    rows = _query(arguments, query, [*chosen.parameters, arguments.lines])[::-1]
    if arguments.json:
        for row in rows:
            print(_line(row))
        return 0
    if not rows:
        if arguments.route and (wrong := slip(arguments.route, arguments)):
            return failed(wrong, arguments)
        what = "No recorded exchange is like that" if chosen.conditions else "Nothing is recorded yet"
        print(f"{what}. hint: a new exchange is here after a second or two", file=sys.stderr)
        return 0
    whole = [_WHOLE_HEAD, *map(_whole, rows)]
    narrow = [_NARROW_HEAD, *map(_narrow, rows)]
    if layout.fits(whole):
        print("\n".join(layout.table(whole, right=(5, 7, 8))))
    else:
        print("\n".join(layout.table(narrow, right=(4, 5, 6), cut=(2, 7))))
    return 0


_WHOLE_HEAD = ("TIME", "ID", "ROUTE", "VARIANT", "MODEL", "STATUS", "OUTCOME", "TOOK", "COST")
_NARROW_HEAD = ("TIME", "ID ENDS", "ROUTE", "BY", "STATUS", "TOOK", "COST", "MODEL")
_END = 8
"""Letters of an id that tell it apart; `records show` takes them for the whole."""


def _whole(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        f"{row['arrived_at']:%Y-%m-%d %H:%M:%S}", row["id"], row["route"] or "-", row["variant"],
        row["model_requested"] or "-", str(row["status"]), row["outcome"], _took(row["total_ms"]), _cost(row),
    )  # fmt: skip


def _narrow(row: dict[str, Any]) -> tuple[str, ...]:
    """The same rows within eighty columns; an incomplete answer shows that instead of its status."""
    status = str(row["status"]) if row["outcome"] == "complete" else row["outcome"]
    return (
        f"{row['arrived_at']:%H:%M:%S}", row["id"][-_END:], row["route"] or "-", row["variant"][:4], status,
        _took(row["total_ms"]), _cost(row), row["model_requested"] or "-",
    )  # fmt: skip


def _cost(row: dict[str, Any]) -> str:
    return "-" if row["cost_usd"] is None else f"${row['cost_usd']:.5f}"


def _show(arguments: argparse.Namespace) -> int:
    rows = _meant(arguments, "SELECT * FROM joined")
    if not rows:
        return failed(_none(arguments.id), arguments)
    row = {name: _parsed(name, value) for name, value in rows[0].items()}
    if arguments.json:
        print(_line(row))
        return 0
    for name, value in row.items():
        text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
        print(f"{name}: {value if isinstance(value, str | datetime) else text}")
    return 0


def _meant(arguments: argparse.Namespace, select: str) -> list[dict[str, Any]]:
    """The exchange that `ID` is, or is the end of; none, if no such one is recorded.

    Raises:
        RecordIdError: several end like that.
    """
    rows = _query(arguments, f"{select} WHERE id = ?", [arguments.id])
    if not rows and len(arguments.id) >= _END:
        rows = _query(arguments, f"{select} WHERE ends_with(id, ?) LIMIT 2", [arguments.id])
    if len(rows) > 1:
        raise RecordIdError(f"Several exchanges end in {arguments.id}. hint: `records tail --json` has whole ids")
    return rows


def _none(exchange_id: str) -> str:
    hint = "`crossfade records tail` lists the last; a new one takes a second or two to get there"
    return f"No exchange {exchange_id} is recorded. hint: {hint}"


def _parsed(name: str, value: object) -> object:
    """A JSON column as what it says."""
    return json.loads(value) if name.endswith("_json") and isinstance(value, str) else value


def _stats(arguments: argparse.Namespace) -> int:
    if arguments.hours:
        return _hours(arguments)
    chosen = filter_of(arguments, now=clock.wall())
    rows = _query(arguments, _STATS.format(where=chosen.where), chosen.parameters)
    if arguments.json:
        print(_line(rows))
        return 0
    if rows:
        print("\n".join(layout.table([_STATS_HEAD, *map(_stats_row, rows)], right=(2, 3, 4, 5, 6, 7), cut=(0,))))
    elif arguments.route and (wrong := slip(arguments.route, arguments)):
        return failed(wrong, arguments)
    elif chosen.conditions:  # nor is it of use what all servers cost
        print("No recorded exchange is like that. hint: `crossfade records stats` lists routes", file=sys.stderr)
        return 0
    else:
        print("Nothing is recorded yet.", file=sys.stderr)
    if paid := _query(arguments, _HOURS, []):
        print()
        _print_hours(paid)
    return 0


_STATS_HEAD = ("ROUTE", "VARIANT", "EXCHANGES", "WHOLE", "FAILED", "TOKENS", "COST", "P95")


def _stats_row(row: dict[str, Any]) -> tuple[str, ...]:
    tokens = (row["prompt_tokens"] or 0) + (row["completion_tokens"] or 0)
    cost = "-" if row["cost_usd"] is None else f"${row['cost_usd']:.4f}"
    counts = (f"{row[name]:,}" for name in ("exchanges", "complete", "failed"))
    return row["route"] or "-", row["variant"], *counts, f"{tokens:,}", cost, _took(row["total_ms_p95"])


def _took(ms: float | None) -> str:
    """A duration; `-` where none is known: a log of another system that says none has 0 in the records."""
    return f"{ms:.0f} ms" if ms else "-"


def _hours(arguments: argparse.Namespace) -> int:
    """What was paid by the hour."""
    rows = _query(arguments, _HOURS, [])
    if arguments.json:
        print(_line(rows))
        return 0
    _print_hours(rows)
    if not rows:
        hint = "state `prices.candidate` in crossfade.yaml; an hour is there once it is over"
        print(f"No hours are recorded yet. hint: {hint}", file=sys.stderr)
    return 0


def _print_hours(rows: Sequence[dict[str, Any]]) -> None:
    head = ("PAID BY THE HOUR", "REPLICAS", "BUSY", "IDLE", "BUSY", "IDLE", "ANSWERS", "EACH")
    if rows:
        print("\n".join(layout.table([head, *map(_hours_row, rows)], right=(1, 2, 3, 4, 5, 6, 7), cut=(0,))))
    if any(row["replicas"] is None for row in rows):
        hint = "state `replicas` under `prices.candidate`"
        print(f"Where replicas are unknown one is charged. hint: {hint}", file=sys.stderr)


def _hours_row(row: dict[str, Any]) -> tuple[str, ...]:
    each = "-" if row["usd_per_answer"] is None else money(row["usd_per_answer"])
    hours = (f"{row[name]:.2f} h" for name in ("busy_hours", "idle_hours"))
    paid = (f"${row[name]:.4f}" for name in ("busy_usd", "idle_usd"))
    return row["upstream"], str(row["replicas"] or "unknown"), *hours, *paid, f"{row['answers']:,}", each


def _forget(arguments: argparse.Namespace) -> int:
    data = context.served(arguments)  # elsewhere nobody would heed that they are forgotten
    kind: Kind
    if arguments.user is not None:
        kind, value = "user", user_hash(arguments.user, pepper(arguments))
    elif arguments.key is not None:
        kind, value = "key", arguments.key
    elif arguments.conversation is not None:
        kind, value = "conversation", arguments.conversation
    else:
        kind, value = "exchange", _whole_id(arguments)
    done = _remove(Store(data.records), Subject(kind, value, clock.wall()), data.root / "replays")
    if arguments.json:
        found = {"kind": kind, "value": value, "removed": done.exchanges, "set_aside": done.set_aside}
        found["stale_datasets"] = done.stale
        print(json.dumps(found))
    else:
        print(f"{layout.counted(done.exchanges, 'exchange')} removed; nothing more will be recorded of this {kind}")
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
        "Journals that are not yet recorded go within the hour; an archive follows while the gateway runs. Datasets of "
        "earlier versions, and copies, keep what they hold: build them again.",
        file=sys.stderr,
    )
    return 0


def _whole_id(arguments: argparse.Namespace) -> str:
    """The id of the exchange that is to be forgotten. One that is not recorded yet has to be named whole.

    Raises:
        RecordIdError: nobody can tell which is meant.
    """
    if rows := _meant(arguments, "SELECT id FROM exchanges"):
        return rows[0]["id"]
    try:
        return str(UUID(arguments.id))
    except ValueError as error:
        raise RecordIdError(_none(arguments.id)) from error


def _remove(store: Store, subject: Subject, replays: Path) -> Erasure:
    """Stop recording them, then delete what is recorded; if this is interrupted, the recorder finishes it."""
    with store.held():
        try:
            forgetting.wish(store, subject)
            return forgetting.carry_out(store, replays)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            path = store.root / FILE
            raise DataDirError(f"{path} is damaged. hint: restore it from a backup, or remove it") from error


def _query(arguments: argparse.Namespace, query: str, parameters: Sequence[object]) -> list[dict[str, Any]]:
    def ask(views: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
        found = views.execute(query, list(parameters) or None)
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    return Store(context.data(arguments).records, context.warn_of_damage).read(ask)


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


_ACTIONS = {
    "tail": _tail, "show": _show, "stats": _stats, "forget": _forget, "import": records_import.run,
    "fetch": records_fetch.run,
}  # fmt: skip
