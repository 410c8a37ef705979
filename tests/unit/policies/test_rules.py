"""What a policy comes to: defaults that are the design's, keys that change with any part, ladders that only climb."""

from dataclasses import fields, replace

import pytest

from policies.rules import (
    DAY_S,
    HOUR_S,
    PPM,
    CandidateKey,
    Detectors,
    Gates,
    Guards,
    Held,
    Ladder,
    Latency,
    RollbackSettings,
    Rules,
    Stage,
    Units,
    default_hold_s,
)


@pytest.mark.parametrize("part", [field.name for field in fields(CandidateKey)])
def test_any_part_of_a_candidate_changes_its_key(part: str):
    """Revision, baseline, prompt, judge and decoding each make another candidate."""
    key = CandidateKey("vllm/a", "1", "gpt-4o", "p1", "j1", "{}")
    other = replace(key, **{part: "x"})
    assert other.digest != key.digest
    assert len(key.digest) == 12


@pytest.mark.parametrize(
    ("gate", "limit_s"),
    [
        (Latency(), 3.0),
        (Latency(ratio=2.0), 5.0),
        (Latency(limit_s=0.8), 0.8),
        (Latency(measure="total"), None),
        (Latency(quantile=0.9), None),
    ],
)
def test_a_frozen_latency_limits_what_it_was_measured_for(gate: Latency, limit_s: float | None):
    """An edited ratio counts at once; another quantile or another time needs the baseline's anew."""
    assert Held(latency_s=2.5, latency_of=Latency().what).limit_s(gate) == limit_s
    assert Held().limit_s(gate) == gate.limit_s


def test_a_key_is_not_fooled_by_where_its_parts_end():
    """Two keys whose parts join to the same text are two keys."""
    assert CandidateKey("a", "bc").digest != CandidateKey("ab", "c").digest


def test_the_defaults_are_the_designs():
    """A short policy gets the margins, stages and times of decisions D.2."""
    rules = Rules("r", CandidateKey("c"))
    gates = rules.gates
    assert gates == Gates()
    assert gates.quality
    assert gates.errors
    assert gates.latency
    assert (gates.quality.margin, gates.errors.margin, gates.latency.quantile, gates.latency.ratio) == (
        0.05,
        0.01,
        0.95,
        1.2,
    )
    assert {gate.alpha for gate in (gates.quality, gates.errors, gates.latency)} == {0.05}
    assert (gates.harm_alpha, gates.latency.freeze_units, gates.latency.warmup) == (0.01, 1000, 100)
    assert [stage.weight_ppm for stage in rules.ladder.stages] == [0, 10_000, 50_000, 250_000, 500_000, PPM]
    assert [stage.hold_s for stage in rules.ladder.stages] == [0.0, HOUR_S, HOUR_S, DAY_S, DAY_S, DAY_S]
    assert [stage.reverse_shadow_ppm for stage in rules.ladder.stages] == [0, 0, 0, 50_000, 50_000, 50_000]
    assert {(stage.min_units, stage.max_units, stage.max_s) for stage in rules.ladder.stages} == {
        (100, 20_000, 14 * DAY_S)
    }
    assert rules.rollback == RollbackSettings(10_000.0, DAY_S, 3)
    assert (rules.guards.distinct_ratio, rules.guards.top_share, rules.guards.top_ratio) == (0.5, 0.05, 3.0)
    assert (rules.guards.drop_rate, rules.guards.srm_alpha, rules.guards.unit_share) == (0.01, 0.001, 0.01)
    assert (rules.units, rules.detectors, rules.guards) == (Units(1800.0, 20), Detectors(0.02, 0.02), Guards())


def test_holds_grow_with_the_weight():
    """No hold in the shadow, an hour below a quarter, a whole day from there."""
    assert [default_hold_s(ppm) for ppm in (0, 249_999, 250_000)] == [0.0, HOUR_S, DAY_S]


def test_a_stage_serves_its_weight_less_the_holdback():
    """What is held back stays with the baseline, and a stage is called by its weight."""
    full = Stage(PPM, holdback_ppm=20_000)
    assert (full.served_ppm, full.label, Stage(0).label, Stage(25_000).label) == (980_000, "100%", "shadow", "2.5%")
    assert Stage(10_000, holdback_ppm=20_000).served_ppm == 0


@pytest.mark.parametrize("weights", [(), (10_000,), (0, 50_000, 50_000), (0, 50_000, 10_000), (0, PPM + 1)])
def test_a_ladder_that_does_not_climb_from_nothing_is_refused(weights: tuple[int, ...]):
    """Traffic before evidence, twice the same weight, a way down, or more than all are no ladders."""
    with pytest.raises(ValueError, match="a ladder starts at weight 0 and rises"):
        Ladder(tuple(Stage(weight) for weight in weights))
