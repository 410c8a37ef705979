"""`crossfade readiness`: which routes are due for a fine-tune, which are not, and why."""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb
import msgspec

from gateway import clock
from gateway.cli import context
from gateway.cli.failure import failed, unreadable
from gateway.cli.layout import beside, counted
from gateway.config.settings_file import SettingsError
from gateway.console import words
from gateway.control.operations.readiness import look
from gateway.node.datadir import DataDirError
from gateway.supervisor.programs import hourly_prices
from records.readiness import DAY_S, UNROUTED, Readiness, Sign
from records.store import Store

_SIGNALS = {True: "on", False: "off", None: "unknown"}
_CHECKS = {True: "yes", False: "no", None: "unknown"}


def run(arguments: argparse.Namespace) -> int:
    """Print it; 1: the records cannot be read, or say nothing of that route."""
    try:
        settings = context.settings(arguments)
        inputs = settings.readiness.inputs(hourly_prices(settings.prices), str(settings.policies))
        data = context.data(arguments)
        now = clock.wall()

        def found_in(views: duckdb.DuckDBPyConnection) -> list[Readiness]:
            def ask(query: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
                return views.execute(query, list(parameters) or None).fetchall()

            return look(ask, data, inputs, now=now, route=arguments.route)

        found = Store(data.records, context.warn_of_damage).read(found_in)
    except (SettingsError, DataDirError, ValueError, OSError) as error:
        return failed(error, arguments)
    except duckdb.Error as error:
        return unreadable(error, arguments)
    if arguments.route and not found:
        return failed(
            f"Nothing is recorded of {arguments.route}, and no policy has it. hint: `crossfade readiness` lists routes",
            arguments,
        )
    if arguments.json:
        print(json.dumps(msgspec.to_builtins(found)))
        return 0
    if not found:
        print("Nothing is recorded yet.", file=sys.stderr)
    for number, each in enumerate(found):
        print(("\n" if number else "") + _text(each))
    return 0


def _text(found: Readiness) -> str:
    model = found.retirement.model if found.route.startswith(UNROUTED) else ""
    name = f"{found.route} ({model})" if model else found.route
    seen = "no request is recorded"
    if found.requests:
        seen = f"{counted(found.requests, 'request')} in {words.duration(found.days * DAY_S)}"
    lines = [f"{name}: {found.verdict.upper()}   {seen}"]
    lines += [_line("signal", sign, _SIGNALS) for sign in found.signals]
    lines += [_line("check", sign, _CHECKS) for sign in found.checks]
    lines += [beside(f"  {'saving':8} ", _saving(found)), beside(f"  {'retires':8} ", _retires(found))]
    head = f"  {'next':8} "
    lines.append(f"{head}{found.next}" if found.next.startswith("crossfade ") else beside(head, found.next))
    return "\n".join(lines)


def _line(kind: str, sign: Sign, states: dict[bool | None, str]) -> str:
    head = f"  {kind:8} {sign.name:10} {states[sign.holds]:8} "
    return beside(head, f"{sign.reason.removeprefix('unknown: ')}{_trend(sign)}")


def _trend(sign: Sign) -> str:
    """How the later half of the window is beside the earlier one."""
    told = words.halves(sign.before, sign.after, sign.unit)
    return f" ({told})" if told else ""


def _saving(found: Readiness) -> str:
    saving = found.saving
    if saving.saved_usd_per_month is None or saving.candidate_usd_per_month is None:
        return saving.reason
    sign = "-" if saving.saved_usd_per_month < 0 else ""
    text = f"{sign}${abs(saving.saved_usd_per_month):,.2f} a month: {saving.reason}"
    if saving.idle_share is not None:
        text += f", {saving.idle_share:.0%} idle of late"
    if saving.break_even_requests_per_month is not None:
        text += f"; break-even at {saving.break_even_requests_per_month:,.0f} requests a month"
        text += f", there are {saving.requests_per_month:,.0f}"
    if saving.payback_months is not None:
        text += f"; training is paid for after {saving.payback_months:.1f} months"
    return text


def _retires(found: Readiness) -> str:
    left = found.retirement
    if left.shutdown_at is None or left.days_left is None:
        return f"unknown: nothing says when {left.model or 'its model'} is turned off (readiness.shutdown)"
    if left.days_left < 0:
        return f"{left.model} on {_day(left.shutdown_at)}, {-left.days_left:.0f} days ago"
    order = "before" if left.comes_first else "after"
    return (
        f"{left.model} on {_day(left.shutdown_at)}, in {left.days_left:.0f} days: {order} a fine-tune begun now would "
        f"have all traffic ({_day(left.finish_at)})"
    )


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()
