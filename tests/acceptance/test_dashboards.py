"""Every query of every dashboard and alert, asked of a real Prometheus that scrapes a gateway under traffic.

Beside the gateway's page stands that of the other side's books (`ledger_page.py`), under the same names: each query is
asked of both, and has to say the same; what the tiles make of it is added up by hand. `make dashboards` prints the
tables.
"""

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway import clock
from tests.acceptance import ledger_table, ledger_traffic, prometheus_server
from tests.acceptance.ledger_case import RENT_USD_PER_S
from tests.acceptance.ledger_money import MoneyLine, money, money_table
from tests.acceptance.ledger_page import Books
from tests.acceptance.ledger_room import LedgerRoom, kept
from tests.acceptance.ledger_table import Asked, Line, Risen, alert_lines, engine_lines, expressions, lines, tile_lines
from tests.acceptance.prometheus_server import Prometheus, promtool, scraping
from tests.fakes import engine_pages
from tests.rooms.waiting import PATIENCE_S

DEPLOY = Path(__file__).parents[2] / "deploy" / "prometheus"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not prometheus_server.is_installed(), reason="no Prometheus is here: make dashboards"),
]
ALL = tuple(expressions())
HELD_EXPRS = tuple(asked for asked in ALL if "shadow_queue" in asked.expr or "shadow_in_flight" in asked.expr)
BROKEN_EXPRS = tuple(asked for asked in ALL if "breaker_open" in asked.expr)
LATER = {*HELD_EXPRS, *BROKEN_EXPRS}
"""What is 0 while all is well: it has a time of its own."""
ZERO = ("lost_total", "_lag_seconds")
"""What is 0, as it should be: nothing is lost, nobody is late. Alerts' tests make these happen."""


@dataclass(slots=True)
class Seen:
    """What was measured, and what both sides said of it."""

    room: LedgerRoom
    prometheus: Prometheus
    ports: dict[str, int]
    since: float
    """A quiet moment before the measured traffic, in Unix seconds."""
    before: Books
    """As they were then."""
    held: list[Line] = field(default_factory=list[Line])
    rows: list[Line] = field(default_factory=list[Line])
    money: list[MoneyLine] = field(default_factory=list[MoneyLine])
    ill: list[Line] = field(default_factory=list[Line])

    def agree(self, asked: tuple[Asked, ...], *, explained: bool) -> list[Line]:
        """Show the books, and ask until both sides say the same; else what they said last."""
        until_s = clock.monotonic() + PATIENCE_S
        while True:
            books = self.room.books()
            if explained:
                self.room.add_explained(books)
            books.add("looks_total", next(self.room.numbers))
            self.room.page.text = books.text()
            self._await_scrape(books.values["crossfade_looks_total"][()])
            at = clock.wall()
            width = f"{math.ceil(at - self.since)}s"
            rows = [row for each in asked for row in self._lines(each, width, at)]
            if explained:
                risen = Risen(self.before, books, math.ceil(at - self.since))
                rows += tile_lines(rows, risen, RENT_USD_PER_S)
            if all(row.is_equal for row in rows) or clock.monotonic() > until_s:
                return [*rows, *(alert_lines(self.prometheus, at) if explained else ())]

    def _lines(self, asked: Asked, width: str, at: float) -> list[Line]:
        if asked.is_of_engines:
            return engine_lines(self.prometheus, asked, width, at, self.ports)
        return lines(self.prometheus, asked, width, at)

    def _await_scrape(self, look: float) -> None:
        """Until the page that is shown now was scraped, and the gateway's after it."""
        self.prometheus.await_value("crossfade_looks_total", look)
        shown_at = clock.wall()
        self.prometheus.await_value(f"max(timestamp(crossfade_leader)) > bool {shown_at!r}", 1.0)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """All of it, once both sides had the time to say the same."""
    folder = tmp_path_factory.mktemp("ledger")
    with kept(folder) as room, engine_pages.showing() as engines:
        ledger_traffic.begin(room)
        room.page.text, room.page.live = room.books().text(), room.live
        others = {"ledger": room.page.port, **engines}
        with scraping(folder, room.serving.admin_port, others=others) as prometheus:
            for job in (ledger_table.OURS, ledger_table.THEIRS):
                prometheus.await_scrapes(3, f'crossfade_weight_ratio{{job="{job}"}}')
            made = Seen(room, prometheus, dict(engines), clock.wall(), room.books())
            ledger_traffic.measure(room)
            with ledger_traffic.holding(room):
                made.held = made.agree(HELD_EXPRS, explained=False)
            room.settle()
            room.close_hours()
            room.settle()
            made.rows = made.agree(ALL, explained=True)
            made.money = money(room)
            with ledger_traffic.refusing(room):
                made.ill = made.agree(BROKEN_EXPRS, explained=False)
            yield made


def test_the_rules_do_what_their_tests_say() -> None:
    """Promtool accepts the configuration and the alerts, and the alerts fire when they should and not before."""
    for command in (
        ("check", "config", DEPLOY / "prometheus.yml"),
        ("check", "rules", DEPLOY / "rules" / "crossfade.yml"),
        ("test", "rules", DEPLOY / "rules.test.yml"),
    ):
        told = promtool(*command)
        assert told.returncode == 0, told.stdout + told.stderr


def test_the_metrics_are_as_prometheus_wants_them(seen: Seen) -> None:
    """Promtool finds nothing to complain of in what the admin port exposes."""
    told = promtool("check", "metrics", stdin=seen.room.serving.admin("/metrics").content)
    assert (told.returncode, told.stdout + told.stderr) == (0, b"")


def test_what_waits_is_what_the_servers_have_not_been_asked(seen: Seen) -> None:
    """While a candidate does not answer, the queue and what is under way are as its server knows them."""
    sys.stdout.write("\nWhile a candidate holds its answer:\n\n" + ledger_table.table(seen.held))
    assert [row for row in seen.held if not row.is_equal] == []
    for asked in HELD_EXPRS:
        assert any(row.ours for row in seen.held if row.asked == asked), asked


def test_a_candidate_that_is_asked_no_more_is_seen(seen: Seen) -> None:
    """Its breaker is open for each route that would ask it, and for no other."""
    sys.stdout.write("\nWhile a candidate fails:\n\n" + ledger_table.table(seen.ill))
    assert [row for row in seen.ill if not row.is_equal] == []
    for asked in BROKEN_EXPRS:
        assert any(row.ours for row in seen.ill if row.asked == asked), asked


def test_every_query_says_what_the_other_side_knows(seen: Seen) -> None:
    """Each series of each query is that of the books; and none is without a number that is not 0, but what has none."""
    sys.stdout.write("\n" + ledger_table.table(seen.rows))
    assert {row.asked for row in seen.rows} >= set(ALL)
    assert [row for row in seen.rows if not row.is_equal] == []
    nothing = [each for each in ALL if each not in LATER and not any(r.ours for r in seen.rows if r.asked == each)]
    assert [each for each in nothing if not any(name in each.expr for name in ZERO)] == []


def test_money_is_the_same_by_every_door(seen: Seen) -> None:
    """The books, /metrics, `records stats`, `savings`, the API, the console and its twins agree to the cent."""
    rows = seen.money
    sys.stdout.write("\n" + money_table(rows))
    assert [row for row in rows if not row.is_equal] == []
    assert any(row.what == "baseline alone" and row.told["/metrics"] > 1 for row in rows)
