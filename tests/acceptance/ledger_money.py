"""The same money by every door: the books, /metrics, the command line, the console's page and its twins."""

import csv
import io
import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.acceptance.ledger_case import POLICIES, RENTED
from tests.acceptance.ledger_room import LedgerRoom

CENT = 0.01
DOORS = ("the books", "/metrics", "records stats", "savings", "API", "cost.json", "cost.csv", "console")
Sums = dict[str, float]
ROW = re.compile(r'<tr><th scope="row">([a-z]+)</th>.*?data-label="Spent">([^<]+)<', re.DOTALL)


@dataclass(frozen=True, slots=True)
class MoneyLine:
    """What one route's answers cost, or its background, by each door that says it."""

    what: str
    route: str
    told: Mapping[str, float]

    @property
    def is_equal(self) -> bool:
        """To the cent."""
        values = self.told.values()
        return len(values) > 1 and max(values) - min(values) < CENT

    def __str__(self) -> str:
        """A line of the table."""
        cells = (f"{self.told[door]:.4f}" if door in self.told else "" for door in DOORS)
        return f"| {self.what} | {self.route} | {' | '.join(cells)} | {'yes' if self.is_equal else 'NO'} |\n"


def money(room: LedgerRoom) -> list[MoneyLine]:
    """Of every route; the books do not say what an answer of a server that is paid by the hour bears."""
    books = room.books()

    def by_hand(name: str) -> Sums:
        found: Sums = defaultdict(float)
        for labels, value in books.values[f"crossfade_{name}"].items():
            found[dict(labels)["route"]] += value
        return found

    def scraped(name: str) -> Sums:
        return {route: room.counted(name, route=route) for route in POLICIES}

    view = room.serving.admin("/api/v1/cost").json()
    twin = room.serving.admin("/cost.json").json()
    rows = list(csv.DictReader(io.StringIO(room.serving.admin("/cost.csv").text)))
    stats = json.loads(_told(room, "records", "stats", "--json"))
    savings = json.loads(_told(room, "savings", "--json"))
    page = room.serving.admin("/cost?by=route").text
    spent = {
        "the books": by_hand("cost_usd_total"), "/metrics": scraped("cost_usd_total"),
        "records stats": _sums(stats, "cost_usd"), "savings": _sums(savings, "spent_usd"),
        "API": _sums(view["days"], "cost_usd"), "cost.json": _sums(twin["days"], "cost_usd"),
        "cost.csv": _sums(rows, "cost_usd"), "console": _shown(page.partition('id="beside"')[0]),
    }  # fmt: skip
    del spent["the books"][RENTED]
    alone = {
        "the books": by_hand("counterfactual_cost_usd_total"), "/metrics": scraped("counterfactual_cost_usd_total"),
        "savings": _sums(savings, "baseline_alone_usd"), "API": _sums(view["days"], "counterfactual_usd"),
        "cost.json": _sums(twin["days"], "counterfactual_usd"), "cost.csv": _sums(rows, "counterfactual_usd"),
    }  # fmt: skip
    shadow, judge = "shadow_cost_usd_total", "judge_cost_usd_total"
    beside = {
        "the books": _added(by_hand(shadow), by_hand(judge)), "/metrics": _added(scraped(shadow), scraped(judge)),
        "savings": _sums(savings, "background_usd"),
        "API": _added(_sums(view["background"], "cost_usd"), _sums(view["background"], "judge_cost_usd")),
        "cost.json": _added(_sums(twin["background"], "cost_usd"), _sums(twin["background"], "judge_cost_usd")),
    }  # fmt: skip
    sums_of = (("spent", spent), ("baseline alone", alone), ("shadow and judge", beside))
    return [
        MoneyLine(what, route, {door: sums[route] for door, sums in doors.items() if route in sums})
        for what, doors in sums_of
        for route in POLICIES
    ]


def money_table(rows: Sequence[MoneyLine]) -> str:
    """All of it."""
    return f"| what | route | {' | '.join(DOORS)} | equal |\n|{'---|' * (len(DOORS) + 3)}\n" + "".join(map(str, rows))


def _told(room: LedgerRoom, *words: str) -> str:
    told = room.serving.crossfade(*words)
    assert told.returncode == 0, told.stderr
    return told.stdout


def _sums(rows: Sequence[Mapping[str, Any]], name: str) -> Sums:
    found: Sums = defaultdict(float)
    for row in rows:
        found[str(row["route"])] += float(str(row[name] or 0.0))
    return found


def _added(one: Sums, other: Sums) -> Sums:
    return {route: one.get(route, 0.0) + other.get(route, 0.0) for route in POLICIES}


def _shown(page: str) -> Sums:
    found: Sums = defaultdict(float)
    for route, text in ROW.findall(page):
        found[route] += float(text.replace("$", "").replace(",", ""))
    return found
