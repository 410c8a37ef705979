"""Sums over records that the real recorder wrote."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import clock
from gateway.admin.figures import Figures
from gateway.admin.filters import RecordFilter, wanted
from gateway.admin.queries import RecordQueries
from records.gpu_hours import GpuHours
from records.parquet import GPU_HOURS
from records.store import Store
from tests.rooms.console_house import ConsoleHouse, house


@pytest.fixture
def home(tmp_path: Path) -> Iterator[ConsoleHouse]:
    with house(tmp_path) as found:
        found.furnish()
        yield found


@pytest.fixture
def figures(home: ConsoleHouse) -> Figures:
    return Figures(RecordQueries(Store(home.data.records)))


def all_(**words: str) -> RecordFilter:
    return wanted("exchanges", words, now=clock.wall())


def test_the_funnel_adds_up(figures: Figures) -> None:
    """Of all requests: matched, eligible, the candidate's, answered by it; each step with its reasons."""
    funnel = figures.route("triage", all_()).funnel
    assert (funnel.all, funnel.matched, funnel.eligible) == (8, 7, 6)
    assert (funnel.assigned, funnel.answered, funnel.fell_back) == (2, 1, 1)
    assert [(each.why, each.reason, each.n) for each in funnel.ineligible] == [("ineligible", "images", 1)]
    assert [(each.reason, each.n) for each in funnel.fallbacks] == [("first_byte_timeout", 1)]
    assert sum(arm.eligible for arm in figures.arms(all_()) if arm.route == "triage") == funnel.eligible


def test_arms_and_money_agree(figures: Figures, home: ConsoleHouse) -> None:
    """Arms, days and savings are sums over the same rows; saved is the candidate's counterfactual less its cost."""
    arms = {arm.variant: arm for arm in figures.arms(all_()) if arm.route == "triage"}
    assert (arms["baseline"].exchanges, arms["candidate"].exchanges, arms["gateway"].failed) == (5, 1, 1)
    cost = figures.cost(all_(), wanted("comparisons", {}, now=clock.wall()))
    ledger = sum(float(str(row[0])) for row in home.place.rows("cost_usd") if row[0] is not None)
    assert cost.cost_usd == pytest.approx(ledger)
    candidate = arms["candidate"]
    assert candidate.counterfactual_usd is not None
    assert candidate.cost_usd is not None
    assert cost.saved_usd == pytest.approx(candidate.counterfactual_usd - candidate.cost_usd)
    assert [each.saved_usd for each in figures.savings(all_())] == [pytest.approx(cost.saved_usd)]
    assert cost.background_usd == pytest.approx(0.000004 * 4 + 0.0002)


def test_what_the_shadow_was_answered(figures: Figures) -> None:
    """Background calls by who was asked and what became of them."""
    found = figures.shadow(wanted("comparisons", {"route": "triage"}, now=clock.wall()))
    assert [(each.asked, each.came, each.n) for each in found] == [
        ("baseline", "answered", 1), ("baseline_again", "answered", 1), ("candidate", "answered", 2),
        ("candidate", "failed", 1),
    ]  # fmt: skip


def test_requests_without_a_policy(figures: Figures) -> None:
    """Grouped as `crossfade routes` groups them, with how they begin."""
    (found,) = figures.unrouted(all_(), 10).groups
    assert (found.requests, found.model, found.system) == (1, "gpt-4o", "You triage.")


def test_hours_that_were_paid(home: ConsoleHouse) -> None:
    """Servers paid by the hour, busy and idle, with what no answer bears yet; of the window alone."""
    store, now_us = Store(home.data.records), int(clock.wall() * 1e6)
    hours = [
        GpuHours(
            upstream="vllm", since_us=until_us - 60_000_000, until_us=until_us, replicas=1, usd_per_hour=3.6,
            paid_usd=0.06, busy_s=20.0, idle_s=40.0, answers=5, charged_usd=0.05,
        )
        for until_us in (now_us, now_us - 60_000_000, now_us - 90 * 86_400_000_000)
    ]  # fmt: skip
    store.publish(store.stage(GPU_HOURS, hours, "hours"))
    figures = Figures(RecordQueries(store))
    (found,) = figures.cost(all_(since="24h"), wanted("comparisons", {"since": "24h"}, now=clock.wall())).hours
    assert (found.upstream, found.answers, found.busy_s, found.idle_s) == ("vllm", 10, 40.0, 80.0)
    assert found.paid_usd == pytest.approx(0.12)
    assert found.uncharged_usd == pytest.approx(0.02)


def test_what_is_not_yet_charged_is_what_the_last_answer_left(home: ConsoleHouse) -> None:
    """An answer bears the night before the window, too: what is left is what was paid since, and no debt."""
    store, now_us = Store(home.data.records), int(clock.wall() * 1e6)
    charged_usd = {1: 0.04, 2: 7.26, 3: 0.0}
    hours = [
        GpuHours(
            upstream="vllm", since_us=now_us - (minutes + 1) * 60_000_000, until_us=now_us - minutes * 60_000_000,
            replicas=1, usd_per_hour=3.6, paid_usd=0.06, busy_s=0.0, idle_s=60.0, answers=1, charged_usd=usd,
        )
        for minutes, usd in charged_usd.items()
    ]  # fmt: skip
    store.publish(store.stage(GPU_HOURS, hours, "hours"))
    figures = Figures(RecordQueries(store))
    (found,) = figures.cost(all_(since="24h"), wanted("comparisons", {"since": "24h"}, now=clock.wall())).hours
    assert found.uncharged_usd == pytest.approx(0.02)


def test_what_is_kept(figures: Figures) -> None:
    """Rows, rows with their text, and the files they lie in."""
    found = figures.data(all_())
    assert (found.exchanges, found.with_bodies) == (8, 8)
    assert {each.table: each.files > 0 for each in found.tables}["exchanges"]


def test_a_window_leaves_out_what_is_older(figures: Figures) -> None:
    """`until` before the first record finds nothing, and unknown stays unknown."""
    nothing = all_(until="1h")
    assert figures.arms(nothing) == []
    empty = figures.cost(all_(until="1h"), wanted("comparisons", {"until": "1h"}, now=clock.wall()))
    assert (empty.days, empty.cost_usd) == ([], 0.0)


def test_what_was_shed_is_no_call(figures: Figures, home: ConsoleHouse) -> None:
    """The cost page counts calls that were made: those of the rollout's page, whatever became of them."""
    home.compare(home.ask(), None, came="dropped", reason="queue_full", q=None, metric="", agree=None, cost_usd=None)
    home.record()
    now = clock.wall()
    cost = figures.cost(all_(), wanted("comparisons", {}, now=now))
    shadow = figures.shadow(wanted("comparisons", {"route": "triage"}, now=now))
    assert ("candidate", "dropped", 1) in [(each.asked, each.came, each.n) for each in shadow]
    for asked in ("candidate", "baseline", "baseline_again"):
        called = sum(each.n for each in shadow if each.asked == asked and each.came != "dropped")
        assert sum(each.calls for each in cost.background if each.asked == asked) == called, asked
