"""`crossfade savings`: the money of each route, as the console has it."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from gateway.admin.figure_views import BackgroundDayView, CostDayView, CostView, PaidHoursView
from gateway.cli.main import main
from gateway.cli.savings import by_route
from tests.rooms.console_house import ConsoleHouse, house

DAY = date(2026, 11, 30)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[ConsoleHouse]:
    """A house without a record yet."""
    with house(tmp_path) as found:
        yield found


def money(route: str, variant: str, cost: float | None, alone: float | None, unpriced: int = 0) -> CostDayView:
    saved = alone - cost if alone is not None and cost is not None else None
    return CostDayView(
        day=DAY, route=route, variant=variant, model="m", exchanges=10, prompt_tokens=1, completion_tokens=1,
        cost_usd=cost, counterfactual_usd=alone, saved_usd=saved, unpriced=unpriced,
    )  # fmt: skip


def cost(days: list[CostDayView], background: list[BackgroundDayView], hours: list[PaidHoursView]) -> CostView:
    return CostView(
        since=None, cost_usd=0.0, counterfactual_usd=0.0, saved_usd=0.0, background_usd=0.0, unpriced=0, days=days,
        background=background, hours=hours,
    )  # fmt: skip


def test_a_candidate_has_saved_what_is_left_after_its_shadow_and_judge():
    """The baseline's own answers save nothing; where a shadow costs more than is saved, the route is below zero."""
    shadow = [
        BackgroundDayView(day=DAY, route=route, asked="candidate", calls=5, cost_usd=0.5, judge_cost_usd=judged)
        for route, judged in (("b", 0.25), ("c", 0.5))
    ]
    days = [
        money("b", "candidate", 0.1, 0.4), money("a", "baseline", 2.0, 2.0), money("a", "candidate", 1.0, 5.0),
        money("a", "candidate", None, None, unpriced=3), money("", "baseline", 9.0, 9.0),
    ]  # fmt: skip
    first, last, unserved = by_route(cost(days, shadow, []))

    assert (first.route, first.answered, first.spent_usd, first.baseline_alone_usd) == ("a", 20, 3.0, 7.0)
    assert (first.saved_usd, first.background_usd, first.net_usd, first.unpriced) == (4.0, 0.0, 4.0, 3)
    assert (last.route, last.background_usd) == ("b", 0.75)
    assert last.net_usd == pytest.approx(0.3 - 0.75)
    assert (unserved.route, unserved.answered, unserved.net_usd) == ("c", 0, -1.0)


def test_savings_agree_with_the_records(
    home: ConsoleHouse, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """To the last digit, as a table and as JSON."""
    monkeypatch.setenv("COLUMNS", "400")
    home.furnish()
    rows = home.place.rows("route, variant, cost_usd, counterfactual_cost_usd")
    told = [(variant, float(str(cost or 0)), float(str(alone or 0))) for route, variant, cost, alone in rows if route]

    assert main(["savings", "--data", str(home.data.root), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["route"], found["answered"]) == ("triage", 1)
    assert found["background_usd"] == pytest.approx(0.000004 * 4 + 0.0002)
    assert found["net_usd"] == pytest.approx(found["saved_usd"] - found["background_usd"])
    assert found["spent_usd"] == pytest.approx(sum(cost for _, cost, _ in told))
    assert found["baseline_alone_usd"] == pytest.approx(sum(alone for _, _, alone in told))
    assert found["saved_usd"] == pytest.approx(sum(alone - cost for who, cost, alone in told if who == "candidate"))
    assert found["saved_usd"]

    assert main(["savings", "triage", "--data", str(home.data.root)]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == [
        "ROUTE",
        "ANSWERED",
        "SPENT",
        "BASELINE",
        "ALONE",
        "SAVED",
        "SHADOW,",
        "JUDGE",
        "NET",
    ]
    assert out.splitlines()[1].startswith("triage")


def test_savings_of_nothing_say_where_to_look(home: ConsoleHouse, capsys: pytest.CaptureFixture[str]):
    """No route has traffic yet, or none in that time; a time that is none is refused."""
    home.record()

    assert main(["savings", "--data", str(home.data.root)]) == 0
    said = capsys.readouterr()
    assert (said.out, "crossfade routes" in said.err) == ("", True)
    assert main(["savings", "nope", "--data", str(home.data.root)]) == 1
    assert "no route is called 'nope'. hint: there are triage" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        main(["savings", "--data", str(home.data.root), "--since", "soon"])
    assert stopped.value.code == 2
    assert "soon" in capsys.readouterr().err


def test_stats_of_what_is_not_there_do_not_say_that_nothing_is_recorded(
    home: ConsoleHouse, capsys: pytest.CaptureFixture[str]
):
    """A filter that nothing meets is told as such, with where to look, and without what all servers cost."""
    home.furnish()
    assert main(["records", "stats", "--model", "nope", "--data", str(home.data.root)]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == (
        "", "No recorded exchange is like that. hint: `crossfade records stats` lists routes\n",
    )  # fmt: skip
