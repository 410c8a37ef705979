"""When a stage could be left, in the words that everybody shows."""

import math
from dataclasses import replace

import pytest

from policies.clusters import weight
from policies.forecast import Need, days_text, finish_days, forecast, need_text, units_worth
from policies.results import GateResult, GuardResult, Intake
from policies.rollout import start
from policies.rules import DAY_S
from policies.terms import Phase, Verdict
from tests.rooms.rollouts import GOOD, PASSES, RULES

SHADOW = replace(start(RULES), lived_s=3600.0)


def gate(name: str, to_go: int | None, n: int = 100, **more: object) -> GateResult:
    told = {"estimate": 0.0, "n": n, "units_to_go": to_go} | more
    return GateResult(name, Verdict.INCONCLUSIVE, "more", **told)  # pyright: ignore[reportArgumentType]


def told(*gates: GateResult, units: int = 10_000, **rollout: object) -> str:
    return str(forecast(replace(SHADOW, **rollout), replace(GOOD, gates=gates, units=units)))  # pyright: ignore[reportArgumentType]


def test_the_slowest_gate_at_its_own_pace_makes_the_forecast():
    """Not the one that wants most: the one whose units come slowest."""
    found = told(gate("errors", 900, 9000), gate("quality", 500, 100))
    assert found == "500 units to go for quality, about 5 hours at this pace"
    assert told(gate("quality", 500, 0)) == "500 units to go for quality; none came yet"
    assert told(units=40) == "60 units to go for min_units, about 90 minutes at this pace"
    assert (days_text(1 / 1440), days_text(2 / 1440)) == ("1 minute", "2 minutes")
    assert days_text(0.2 / 1440) == "less than a minute"


def test_never_is_said_where_it_is_never():
    """Whatever else still comes."""
    found = told(gate("errors", 900), gate("quality", None))
    assert found == "never, as it stands: quality: at these estimates no number of units would do"
    assert told(gate("quality", None, estimate=None)) == "not known yet: no evidence of quality"


def test_the_units_to_go_are_those_the_sentence_tells():
    """A table's column beside the sentence counts for the same gate, though another may want more."""
    waits = replace(GOOD, gates=(gate("errors", 900, 9000), gate("quality", 500, 100)), units=10_000)
    found = forecast(SHADOW, waits)
    assert str(found).startswith(f"{found.units_to_go} units to go for quality")
    assert forecast(SHADOW, replace(waits, gates=(PASSES,))).units_to_go == 0


def test_what_is_no_matter_of_units_is_said():
    """A guard that doubts, an alarm or a fault keeps it where it is, whatever its gates say; nobody knows how long."""
    doubt = GuardResult("outputs", Verdict.INCONCLUSIVE, "outputs: none seen yet")
    barred = replace(GOOD, gates=(PASSES,), units=10_000, guards=(doubt,), fault="stale")
    found = forecast(SHADOW, barred)
    assert str(found).startswith("all gates hold; it waits for fault, guard outputs")
    assert found.days is None
    assert "to go for quality, about 5 hours" in (
        told := str(forecast(SHADOW, replace(barred, gates=(gate("quality", 500),))))
    )
    assert told.endswith("; and it waits for fault, guard outputs")


def test_the_pace_is_of_what_units_are_worth():
    """Of users who come again less than their number; of pairs without a time there is none."""
    again = replace(GOOD, gates=(gate("quality", 500, 1000),), units=10_000, intake=Intake(most_worth=50.0))
    assert str(forecast(SHADOW, again)) == "500 units to go for quality, about 10 hours at this pace"
    assert told(gate("quality", 500, 100), lived_s=0.0) == "500 units to go for quality"
    assert told(gate("errors", 900, 9000), gate("quality", 500, 0)) == "500 units to go for quality; none came yet"


def test_a_hold_is_waited_for():
    """It is all there is to wait for, or longer than the gates."""
    hold_s, stages = 7200.0, RULES.ladder.stages
    ladder = replace(RULES.ladder, stages=(stages[0], replace(stages[1], hold_s=hold_s), *stages[2:]))
    left = hold_s - 60.0
    canary = {"ladder": ladder, "stage": 1, "phase": Phase.CANARY, "lived_s": 60.0}
    assert told(**canary).startswith("everything holds; ")
    assert told(gate("quality", 10), **canary).endswith(f"about {days_text(left / DAY_S)} at this pace, by the hold")
    assert told(gate("quality", 10), phase=Phase.ROLLED_BACK) == "rolled_back: nothing comes of more units"
    last = {"stage": len(RULES.ladder.stages) - 1, "phase": Phase.PROMOTED}
    assert told(gate("quality", 10), **last) == "it stands on the ladder's last stage"


def test_the_end_of_the_ladder_is_at_least_the_rest_of_its_least_times_away():
    """This stage's forecast, and the least time of each stage before the last; never stays never; unseen is unknown."""
    stages = (
        RULES.ladder.stages[0],
        *(replace(stage, hold_s=DAY_S, days=None) for stage in RULES.ladder.stages[1:]),
    )
    shadow = replace(SHADOW, ladder=replace(RULES.ladder, stages=stages))

    def days(*gates: GateResult, **rollout: object) -> float | None:
        seen = replace(GOOD, gates=gates, units=10_000)
        return finish_days(replace(shadow, **rollout), seen)  # pyright: ignore[reportArgumentType]

    alone = forecast(shadow, replace(GOOD, gates=(gate("quality", 500, 100),), units=10_000)).days
    assert alone
    assert days(gate("quality", 500, 100)) == pytest.approx(alone + len(stages) - 2)
    assert days(gate("quality", None)) == math.inf
    assert days(gate("quality", None, estimate=None)) is None
    assert days(gate("quality", None), phase=Phase.ROLLED_BACK) is None


def test_whole_days_are_waited_for():
    """Longer than the hold, or until the end of a day that has to hold what is certified since the last one."""
    stages = RULES.ladder.stages
    ladder = replace(RULES.ladder, stages=(replace(stages[0], hold_s=3600.0, days=1), *stages[1:]))
    assert told(PASSES, ladder=ladder, lived_s=DAY_S / 4) == "everything holds; 18h of its hold left"
    assert told(PASSES, ladder=ladder, lived_s=1.25 * DAY_S, held_at_day=()) == "everything holds; 18h of its hold left"
    assert told(PASSES, ladder=ladder, lived_s=1.25 * DAY_S, held_at_day=("quality",)) == "everything holds; enough"


@pytest.mark.parametrize("users", [100, 300, 1000])
def test_what_users_who_come_again_are_worth(users: int):
    """So many units of so many users weigh what was needed; more than 1/rho of each can never be had."""
    for needed in (users // 2, users, 2 * users, 3 * users):
        units = units_worth(needed, users, 0.3)
        assert units is not None
        each, rest = divmod(units, users)
        weighed = sum(users * weight(n, 0.3) for n in range(1, each + 1)) + rest * weight(each + 1, 0.3)
        assert weighed / 1e6 == pytest.approx(needed, rel=0.05)
    assert units_worth(4 * users, users, 0.3) is None
    assert units_worth(4 * users, 0, 0.3) == units_worth(4 * users, users, 0.0) == 4 * users


@pytest.mark.parametrize(
    ("need", "says"),
    [
        (Need("q", 12, 0.5), "12 units, 12 hours"),
        (Need("q", 12, None), "12 units"),
        (Need("q", None, None, "too few users"), "never: too few users"),
        (Need("q", None, None), "never: no number of units would do"),
    ],
)
def test_needs_in_words(need: Need, says: str):
    """Units, days, and never."""
    assert need_text(need) == says


def test_where_slices_move_alone_the_soonest_is_waited_for():
    """Of those that are tested, until the first is certified; what was never seen is not known."""
    partly = {"ladder": replace(RULES.ladder, moves_by="tool")}
    slow, soon = (gate(f"quality@tool={name}", to_go, required=False) for name, to_go in (("a", 900), ("b", 100)))

    assert told(slow, soon, **partly) == "100 units to go for quality@tool=b, about 60 minutes at this pace"
    assert told(slow, replace(soon, units_to_go=0), **partly).startswith("everything holds; ")
    assert told(replace(slow, units_to_go=None), **partly) == "not known yet: no evidence of slices by tool"
    moving = replace(SHADOW.held, moving=("tool=b",))
    assert told(slow, held=moving, **partly).startswith("everything holds; ")
