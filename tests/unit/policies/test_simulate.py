"""Simulation: recorded pairs through the functions that decide in production."""

from dataclasses import replace

import pytest

from policies.events import PairEvent
from policies.rules import DAY_S, PPM, Errors, Gates, Guards, Ladder, Latency, Quality, RollbackSettings, Rules, Stage
from policies.simulate import Moment, Simulation, simulate, summarise, walk, walk_several
from policies.terms import Move, Outcome, Phase, Verdict
from tests.rooms.pair_events import KEY, answer, pair
from tests.rooms.policy_files import rules

LADDER = Ladder((Stage(0, min_units=50), Stage(500_000, min_units=50), Stage(1_000_000)))
PLAIN = Rules(
    "triage", KEY, Gates(Quality(margin=0.1), None, Errors(margin=0.1), None), Guards(outputs="observed"),
    ladder=LADDER,
)  # fmt: skip


def ties(n: int, **more: object) -> list[PairEvent]:
    return [pair(f"u{i}", float(i), **more) for i in range(n)]


def test_nothing_decides_nothing():
    """Without pairs there is no decision, and certainly no promotion."""
    assert simulate(PLAIN, []) == Simulation(Outcome.HOLD, 0, None, None, None, ())
    assert list(walk(PLAIN, [])) == []
    assert simulate(PLAIN, [], timed=True).units == 0


def test_a_good_candidate_climbs_and_every_move_is_kept():
    """It leaves the shadow when its gates are certified, and the outcome names the last move."""
    found = simulate(PLAIN, ties(400))
    assert found.outcome is Outcome.PROMOTE
    assert [moment.decision.move for moment in found.moves] == [Move.ADVANCE, Move.ADVANCE]
    assert found.moves[0].unit == 57
    assert found.decided_at_unit == found.moves[-1].unit
    assert found.deciding == found.moves[-1].decision
    assert found.units == 400
    assert found.last
    assert found.last.rollout.phase is Phase.PROMOTED


def test_a_bad_candidate_is_rejected_and_the_rest_is_not_read():
    """The simulation ends with the rollout."""
    found = simulate(PLAIN, ties(400, q=-1.0))
    assert (found.outcome, found.units) == (Outcome.REJECTED, found.decided_at_unit)
    assert found.units < 50
    assert found.deciding
    assert found.deciding.results.gates[0].verdict is Verdict.FAIL
    assert found.last
    assert found.last.rollout.phase is Phase.REJECTED


@pytest.mark.parametrize(
    ("missing", "outcome"),
    [
        ({}, Outcome.PROMOTE),
        ({"ttft_candidate_s": 9.0}, Outcome.HOLD),
        ({"output_candidate": None}, Outcome.HOLD),
        ({"output_candidate": answer("always the same")}, Outcome.REJECTED),
        ({"error_candidate": True}, Outcome.REJECTED),
        ({"dropped": True}, Outcome.REJECTED),
        ({"abstained": True}, Outcome.HOLD),
    ],
)
def test_a_judge_alone_promotes_nobody(missing: dict[str, object], outcome: Outcome):
    """However much it prefers the candidate: errors, latency and the outputs have to be seen, and to be good."""
    judged = rules(
        "gates: {latency: {ttft_p95: 1s, warmup: 0}, errors: {margin: 5%}}",
        compare="[{judge: {upstream: claude, model: j, sample: 100%}}]",
    )
    whole = {"q": 1.0, "ttft_candidate_s": 0.2, "ttft_baseline_s": 0.2}
    pairs = [
        pair(f"u{i}", **whole | {"output_candidate": answer(f"a{i}"), "output_baseline": answer(f"b{i}")} | missing)
        for i in range(140)
    ]
    assert simulate(judged, pairs).outcome is outcome


def test_a_canary_that_turns_bad_is_rolled_back():
    """Traffic that moved comes back, and that is the outcome."""
    found = simulate(PLAIN, ties(200) + [pair(f"v{i}", q=-1.0) for i in range(200)])
    assert found.outcome is Outcome.ROLLBACK
    assert found.units == found.decided_at_unit
    assert 200 < found.units < 250
    assert found.last
    assert found.last.rollout.weight_ppm == 0


def test_undecided_is_hold():
    """Too few pairs end in HOLD with the last look's evidence, at no unit."""
    found = simulate(PLAIN, ties(20))
    assert (found.outcome, found.decided_at_unit, found.units) == (Outcome.HOLD, None, 20)
    assert found.deciding == found.last
    assert found.last
    assert found.last.results.gates[0].lower is not None


def test_a_unit_is_all_its_pairs_wherever_they_stand():
    """Without times, pairs of one unit are gathered and count once."""
    mixed = [pair(f"u{i % 30}", q=1.0 if i < 30 else 0.0) for i in range(60)]
    found = simulate(PLAIN, mixed)
    assert found.units == 30
    assert found.last
    assert found.last.results.gates[0].estimate == pytest.approx(0.5)


def test_moves_and_every_nth_decision_come_with_intervals():
    """In between looks are quick: same verdicts, no intervals."""
    moments = list(walk(PLAIN, ties(60), every=20))
    shown = [moment.unit for moment in moments if moment.decision.results.gates[0].lower is not None]
    assert [moment.unit for moment in moments] == [*range(1, 61), 60]
    assert shown == [20, 40, 57, 60, 60]


def test_units_are_assigned_by_their_hash():
    """In the canary each arm gets its share of units, whole."""
    last = list(
        walk(replace(PLAIN, ladder=Ladder((Stage(0, min_units=50), Stage(500_000, min_units=10**6)))), ties(1000))
    )[-1]
    shares = next(guard for guard in last.decision.results.guards if guard.guard == "shares")
    assert shares.verdict is Verdict.PASS
    assert "meant 50.0%" in shares.reason


def timed(n: int, start: float = 0.0, every_s: float = 60.0, **more: object) -> list[PairEvent]:
    return [pair(f"t{start}-{i}", start + i * every_s, **more) for i in range(n)]


HELD = replace(
    PLAIN, ladder=Ladder((Stage(0, min_units=50), Stage(500_000, min_units=50, hold_s=7200.0), Stage(1_000_000)))
)


def test_times_make_units_close_and_holds_pass():
    """Half an hour after its last request a unit counts; the hold is lived through in recorded time."""
    found = simulate(HELD, timed(400), timed=True)
    assert [moment.decision.outcome for moment in found.moves] == [Outcome.PROMOTE, Outcome.PROMOTE]
    first, second = (moment.decision.at for moment in found.moves)
    assert first == 60.0 * (57 + 29)
    assert second >= first + 7200.0
    # conversations that were open when a stage ended belong to neither
    assert found.units == 400 - 2 * 30


def test_a_timed_stream_is_shown_every_so_often_too():
    """Each n-th unit's decision comes with its intervals."""
    moments = list(walk(HELD, timed(50), timed=True, every=10))
    shown = [moment.unit for moment in moments if moment.decision.results.gates[0].lower is not None]
    assert shown == [10, 20, 50]


def test_without_times_no_hold_ends():
    """A file that does not say when cannot show that time has passed."""
    found = simulate(HELD, ties(400))
    assert (found.outcome, found.units) == (Outcome.PROMOTE, 400)
    assert len(found.moves) == 1
    assert found.last
    assert found.last.rule == "hold"


def test_pairs_within_a_minute_that_close_nothing_are_not_looked_at_again():
    """A burst is decided on once its time or its units have moved."""
    burst = [pair("one", i / 10) for i in range(100)]
    assert [moment.unit for moment in walk(HELD, burst, timed=True)] == [0, 1, 1]


def test_after_a_cooldown_recorded_time_begins_again():
    """A rolled-back candidate that recovers comes back through the shadow, on its second attempt."""
    rules = replace(PLAIN, rollback=RollbackSettings(cooldown_s=3600.0))
    story = timed(200) + timed(200, 12_000.0, q=-1.0) + timed(300, 40_000.0)
    found = simulate(rules, story, timed=True)
    moves = [moment.decision.move for moment in found.moves]
    assert moves[:3] == [Move.ADVANCE, Move.ROLL_BACK, Move.RESTART] or moves[:4] == [
        Move.ADVANCE,
        Move.ADVANCE,
        Move.ROLL_BACK,
        Move.RESTART,
    ]
    assert found.last
    assert found.last.rollout.attempt >= 2


def test_the_frozen_limit_is_used_from_then_on():
    """The baseline's limit, once set, is carried by the rollout of the simulation."""
    rules = replace(PLAIN, gates=replace(PLAIN.gates, latency=Latency(warmup=0, freeze_units=50)))
    found = simulate(rules, ties(200, ttft_baseline_s=1.0, ttft_candidate_s=0.5))
    assert found.last
    assert found.last.rollout.held.latency_s == pytest.approx(1.0, rel=0.02)


def test_summing_up_takes_the_last_telling_move():
    """A restart is a move, but what it is told as is the rollback before it."""
    moments = list(walk(PLAIN, ties(200) + [pair(f"v{i}", q=-1.0) for i in range(200)]))
    moves = [moment for moment in moments if moment.decision.move is not Move.HOLD]
    restart = replace(moves[-1], decision=replace(moves[-1].decision, move=Move.RESTART, outcome=Outcome.HOLD))
    assert summarise([*moves, restart], moments[-1]).outcome is Outcome.ROLLBACK


def test_whole_days_are_asked_of_timed_pairs_alone():
    """Pairs without times cannot say when a day was over; those with times wait for its end."""
    rules = replace(PLAIN, ladder=Ladder((Stage(0, days=1), Stage(50_000, days=0), Stage(PPM))))
    assert simulate(rules, timed(700)).outcome is Outcome.PROMOTE
    assert simulate(rules, timed(700), timed=True).outcome is Outcome.HOLD
    found = simulate(rules, timed(1600), timed=True)
    assert found.moves[0].decision.at == pytest.approx(DAY_S, abs=3600)


def several(pairs: dict[str, list[PairEvent]], *, timed: bool) -> dict[str, list[Moment]]:
    """What became of each candidate: its moves, and where it ended."""
    of_each = {name: replace(PLAIN, route=f"triage@{name}", key=replace(KEY, revision=name)) for name in pairs}
    if timed:
        together = sorted(
            ((name, each) for name, own in pairs.items() for each in own), key=lambda told: (told[1].at, told[0])
        )
    else:
        together = [(name, each) for name, own in pairs.items() for each in own]
    found: dict[str, list[Moment]] = {name: [] for name in pairs}
    last: dict[str, Moment] = {}
    for moment in walk_several(of_each, together, timed=timed):
        name = moment.decision.before.route.partition("@")[2]
        last[name] = moment
        if moment.decision.move is not Move.HOLD:
            found[name].append(moment)
    return {name: [*moves, last[name]] for name, moves in found.items()}


@pytest.mark.parametrize("timed", [False, True])
def test_of_several_the_best_goes_on_and_the_others_rest(timed: bool):  # noqa: FBT001 -- what differs
    """One climbs; who would have been certified as well rests in the shadow, and who is worse is rejected there."""
    apart = 3600.0 if timed else 1.0
    pairs = {
        name: [replace(pair(f"u{i}", i * apart, q=q), id=f"{i}{name}") for i in range(150)]
        for name, q in (("good", 0.1), ("best", 0.2), ("worse", -0.8))
    }
    found = several(pairs, timed=timed)

    assert [moment.decision.move for moment in found["best"][:-1]][:1] == [Move.ADVANCE]
    assert found["best"][-1].decision.rollout.weight_ppm > 0
    assert [moment.decision.move for moment in found["worse"][:-1]] == [Move.REJECT]
    assert [moment.decision.rule for moment in found["good"]] == ["rests"]
    assert found["good"][-1].unit < 150


def test_where_slices_move_alone_only_they_are_assigned():
    """The good one climbs by itself; of the other no request is the candidate's, at any stage."""
    ladder = replace(LADDER, moves_by="tool")
    partly = replace(PLAIN, gates=replace(PLAIN.gates, slices=("tool",)), ladder=ladder)
    good, bad = (ties(400, slices=(f"tool={name}",), q=q) for name, q in (("good", 0.0), ("bad", -0.5)))
    mixed = [
        replace(each, unit=f"{each.unit}{n}") for pairs in zip(good, bad, strict=True) for n, each in enumerate(pairs)
    ]
    found = simulate(partly, mixed)

    assert [moment.decision.move for moment in found.moves] == [Move.JOIN, Move.ADVANCE, Move.ADVANCE]
    assert found.last
    assert found.last.rollout.held.moving == ("tool=good",)
    assert simulate(PLAIN, mixed).outcome is Outcome.REJECTED
