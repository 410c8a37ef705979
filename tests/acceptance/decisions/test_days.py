"""Whole days and budgets: what is good by night alone is not promoted, and whoever is good is, in time."""

from dataclasses import replace

import numpy as np
import pytest

from policies import stats
from policies.rules import DAY_S, Errors, Gates, Guards, Ladder, Quality, Rules, Stage, Units
from policies.simulate import simulate
from policies.terms import Move, Outcome
from tests.acceptance.decisions import days as d
from tests.acceptance.decisions import measures as m
from tests.rooms.pair_events import KEY, pair


@pytest.mark.parametrize(("day", "per_day"), [(d.SHORT_NIGHT, 1000), (d.SHORT_NIGHT, 3000), (d.LONG_NIGHT, 1000)])
def test_who_is_good_by_night_alone_is_not_promoted(day: d.Day, per_day: int):
    """At a day's end at most 5 % are wrong, over two weeks; at any moment of the first night nearly all."""
    rng = np.random.default_rng([18, 21])
    assert m.at_most_five_percent(d.by_whole_days(rng, 1000, (day,), per_day))
    assert d.at_any_time(rng, 100, day, per_day) > 0.5


def test_who_turns_bad_within_its_first_day_is_not_promoted():
    """Good for 500 conversations of a thousand, bad from then on: at most 5 %, where the moment's certificate errs."""
    rng = np.random.default_rng([18, 22])
    first = d.turning(500, 1000)
    assert m.at_most_five_percent(d.by_whole_days(rng, 1000, (first, d.BAD), 1000))
    assert d.at_any_time(rng, 200, first, 1000) > 0.4


def test_who_is_good_advances_on_the_first_day():
    """At 3,000 conversations a day nine of ten do; at 1,000 half of them, and nine of ten by the second."""
    rng = np.random.default_rng([18, 23])
    assert (d.by_whole_days(rng, 1000, (d.STEADY,), 3000) == 1).mean() >= 0.9
    busy = d.by_whole_days(rng, 1000, (d.STEADY,), 1000)
    assert np.median(busy) == 1
    assert np.quantile(busy, 0.9) <= 2


def test_its_own_conversations_are_asked_again_until_that_is_certified():
    """At 25 % of 4,000 a day nine of ten are certified within three days; by a twentieth of them hardly any."""
    found, few = (d.by_whole_days(np.random.default_rng([18, 13]), 500, (d.STEADY,), n) for n in (1000, 50))
    assert (found <= 3).mean() >= 0.9
    assert (few <= 3).mean() < 0.2
    assert d.reverse_calls() == (1.0, 0.05)


RULES = Rules(
    "r", KEY, Gates(Quality(), None, Errors(margin=0.2), None), Guards(outputs="observed", unit_share=1.0),
    ladder=Ladder((Stage(0, days=1, by_pairs=True), Stage(50_000, days=0, by_pairs=True), Stage(1_000_000))),
    units=Units(close_after_s=1.0),
)  # fmt: skip


def test_the_core_waits_for_the_day_where_the_moment_would_do():
    """The very story, through evidence, gates and ladder: promoted in the night by the moment, by whole days never."""
    rng = np.random.default_rng([18, 24])
    night, day = (rng.choice([-1.0, 0.0, 1.0], 250, p=d.chances(mean)) for mean in (0.15, -0.20))
    events = [pair(f"u{n}", n * DAY_S / 500, q=float(q)) for n, q in enumerate([*night, *day])]
    moment = replace(RULES, ladder=Ladder(tuple(replace(stage, days=None) for stage in RULES.ladder.stages)))
    assert simulate(moment, events, timed=True).moves[0].decision.move is Move.ADVANCE
    held = simulate(RULES, [*events, pair("end", 1.02 * DAY_S, q=-1.0)], timed=True)
    assert Outcome.PROMOTE not in [each.decision.outcome for each in held.moves]


@pytest.mark.parametrize("sd", [0.3, 0.4, 0.5])
def test_who_equals_the_baseline_hardly_ever_spends_a_budget(sd: float):
    """At most one in a hundred of 300 runs is undecided after twice what nine of ten need."""
    assert d.spent(np.random.default_rng([18, 25]), 300, sd) <= 0.01


@pytest.mark.parametrize(("sd", "margin"), [(0.3, 0.05), (0.3, 0.1), (0.4, 0.05), (0.5, 0.1)])
def test_certificates_are_near_what_one_planned_look_needs(sd: float, margin: float):
    """Nine of ten equal candidates within 2.25 times a fixed test's size, and within 15 % of what is planned for."""
    found = m.first_certified(
        m.three_points(np.random.default_rng([18, 26]), 500, 2600, mean=0.0, sd=sd), -margin, -1.0
    )
    n90 = float(np.quantile(found, 0.9, method="lower"))
    planned = stats.units_needed(sd, margin)
    assert planned is not None
    assert n90 == pytest.approx(planned, rel=0.15)
    assert n90 <= 2.25 * d.fixed_n(sd, margin)
