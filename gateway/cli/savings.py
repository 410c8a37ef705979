"""`crossfade savings`: what candidates saved, by route, less what their shadow and their judge cost."""

import argparse
import json
import sys
from collections.abc import Collection
from dataclasses import asdict, dataclass

import duckdb

from gateway import clock
from gateway.admin.figure_views import CostView
from gateway.admin.figures import Figures
from gateway.admin.filters import FilterError, wanted
from gateway.admin.queries import RecordQueries, TooSlowError
from gateway.cli import context, layout
from gateway.cli.failure import failed, unreadable
from gateway.cli.known_routes import slip
from gateway.config.settings_file import SettingsError
from gateway.console.words import money
from gateway.node.datadir import DataDirError
from records.store import Store

HEAD = ("ROUTE", "ANSWERED", "SPENT", "BASELINE ALONE", "SAVED", "SHADOW, JUDGE", "NET")
NARROW_HEAD = ("ROUTE", "ANSWERED", "SPENT", "BASELINE", "SAVED", "SHADOW", "NET")
"""The same where lines would be wider than the terminal."""


@dataclass(frozen=True, slots=True)
class RouteSavings:
    """One route's money in a window, in US dollars."""

    route: str
    answered: int
    """By the candidate."""
    spent_usd: float
    """For all answers of the route, whoever gave them."""
    baseline_alone_usd: float
    """What the baseline would have charged for the same answers."""
    saved_usd: float
    background_usd: float
    """The shadow's and the judge's calls, which no app asked for."""
    net_usd: float
    unpriced: int
    """Answers without a price: they count nowhere."""


def run(arguments: argparse.Namespace) -> int:
    """Print it; 1: the records cannot be read, or there is no such route."""
    asked = {"since": arguments.since} | ({"route": arguments.route} if arguments.route else {})
    try:
        data, now = context.data(arguments), clock.wall()
        figures = Figures(RecordQueries(Store(data.records, context.warn_of_damage)))
        cost = figures.cost(wanted("exchanges", asked, now=now), wanted("comparisons", asked, now=now))
        found = by_route(cost)
        wrong = slip(arguments.route, arguments) if arguments.route and not found else None
    except (SettingsError, DataDirError, FilterError, TooSlowError, OSError) as error:
        return failed(error, arguments)
    except duckdb.Error as error:
        return unreadable(error, arguments)
    if wrong:
        return failed(wrong, arguments)
    if arguments.json:
        print(json.dumps([asdict(each) for each in found]))
    elif not found:
        print(_nothing(arguments.route), file=sys.stderr)
    else:
        everything = [_savings("all", cost, {each.route for each in found})] if len(found) > 1 else []
        rows = [*map(_row, [*found, *everything])]
        head = HEAD if layout.fits([HEAD, *rows]) else NARROW_HEAD
        print("\n".join(layout.table([head, *rows], right=range(1, len(HEAD)), cut=(0,))))
        _tell_gaps(sum(each.unpriced for each in found), cost)
    return 0


def _nothing(route: str | None) -> str:
    if route:
        return f"No request of {route} is recorded in this time. hint: `--since all`; `crossfade status` lists routes"
    return "No request of a route is recorded in this time. hint: `--since all`, or `crossfade routes`"


def by_route(cost: CostView) -> list[RouteSavings]:
    """A window's money by route, the largest net first; traffic of no route is left out."""
    routes = sorted({each.route for each in (*cost.days, *cost.background) if each.route})
    return sorted((_savings(route, cost, {route}) for route in routes), key=lambda each: -each.net_usd)


def _savings(name: str, cost: CostView, routes: Collection[str]) -> RouteSavings:
    days = [day for day in cost.days if day.route in routes]
    ours = [day for day in days if day.variant == "candidate"]
    saved = sum(day.saved_usd or 0.0 for day in ours)
    beside = sum((each.cost_usd or 0.0) + each.judge_cost_usd for each in cost.background if each.route in routes)
    return RouteSavings(
        name,
        answered=sum(day.exchanges for day in ours),
        spent_usd=sum(day.cost_usd or 0.0 for day in days),
        baseline_alone_usd=sum(day.counterfactual_usd or 0.0 for day in days),
        saved_usd=saved,
        background_usd=beside,
        net_usd=saved - beside,
        unpriced=sum(day.unpriced for day in days),
    )


def _row(found: RouteSavings) -> tuple[str, ...]:
    amounts = (found.spent_usd, found.baseline_alone_usd, found.saved_usd, found.background_usd, found.net_usd)
    return found.route, f"{found.answered:,}", *map(money, amounts)


def _tell_gaps(unpriced: int, cost: CostView) -> None:
    """What the table does not hold."""
    if unpriced:
        hint = "state it in `prices` of crossfade.yaml"
        print(f"{unpriced:,} answers have no price and count nowhere. hint: {hint}", file=sys.stderr)
    if (idle := sum(each.uncharged_usd for each in cost.hours)) > 0:
        print(
            f"{money(idle)} were paid for servers by the hour, of any route, and are in no answer's cost yet",
            file=sys.stderr,
        )
