"""Snapshots: evidence that was put away goes on as if nothing had happened."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.events import PairEvent
from policies.evidence_codec import FORMAT, SnapshotError, decode, encode
from policies.rules import Gates, Held, Ladder, Latency, Quality, Stage, Units, Validity
from policies.terms import Owner
from tests.rooms.pair_events import RULES, answer, evidence

NAN = float("nan")
BUSY = replace(
    RULES,
    gates=Gates(quality=Quality(scale=4.0), validity=Validity(), latency=Latency(warmup=2)),
    units=Units(close_after_s=50.0, max_pairs=3),
)
MAYBE = st.none() | st.booleans()
SECONDS = st.none() | st.floats(0, 1e7) | st.just(NAN)
OUTPUTS = st.none() | st.builds(answer, st.text(max_size=3), st.sampled_from(("refusal", "loop", "empty")))
EVENTS = st.builds(
    PairEvent,
    unit=st.sampled_from("abc"), at=st.floats(0, 300), id=st.text("0123", max_size=2), owner=st.sampled_from(Owner),
    q=st.none() | st.floats(-1, 1) | st.just(NAN), p_sample=st.floats(0.25, 1), error_candidate=MAYBE,
    error_baseline=MAYBE, valid_candidate=MAYBE, valid_baseline=MAYBE, ttft_candidate_s=SECONDS,
    ttft_baseline_s=SECONDS, total_candidate_s=SECONDS, cost_candidate_usd=SECONDS, cost_baseline_usd=SECONDS,
    output_candidate=OUTPUTS, output_baseline=OUTPUTS, dropped=st.booleans(), abstained=st.booleans(), control=MAYBE,
    label=st.none() | st.floats(-1, 1), agree=st.none() | st.floats(0, 1), agree_again=st.none() | st.floats(0, 1),
)  # fmt: skip
HELD = Held(latency_s=0.7, quality=-0.021)


@settings(max_examples=80)
@given(st.lists(EVENTS, max_size=25), st.integers(0, 25), st.sampled_from((0, 10_000, 500_000)))
def test_stopping_and_going_on_changes_nothing(events: list[PairEvent], stop: int, weight_ppm: int):
    """Observed, put away, taken up and observed further: equal in every count, detector and open conversation."""
    straight, broken = evidence(BUSY, weight_ppm), evidence(BUSY, weight_ppm)
    for number, event in enumerate(events):
        for found in (straight, broken):
            found.observe(event, HELD)
            found.advance(10.0 * number)
        if number == stop:
            kept = encode(broken)
            broken = decode(kept, BUSY)
            assert encode(broken) == kept
    for found in (straight, broken):
        found.advance(1e4)
    assert broken == straight


def test_open_conversations_are_part_of_it():
    """What was heard and not yet counted is not lost, nor are the baseline's recent failures."""
    found = evidence(BUSY)
    found.observe(PairEvent("a", 1.0, error_baseline=True))
    again = decode(encode(found), BUSY)
    assert list(again.open) == ["a"]
    assert again.recent.rate == found.recent.rate > 0
    again.advance(51.0)
    assert again.histogram("errors_baseline") == {200: 1}


def test_an_edited_policy_judges_what_was_seen():
    """The rules given stand in the place of those kept."""
    edited = replace(BUSY, gates=Gates(quality=Quality(margin=0.02)))
    again = decode(encode(evidence(BUSY)), edited)
    assert again == evidence(edited)
    assert again.rules is edited


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not a snapshot of evidence"),
        (b"{}", "not a snapshot of evidence"),
        (msgspec.json.encode({"format": FORMAT + 1, "evidence": msgspec.to_builtins(evidence(BUSY))}), "format 2"),
        (encode(evidence(replace(BUSY, route="other"))), "evidence of other"),
        (encode(evidence(replace(BUSY, key=replace(BUSY.key, revision="2")))), "not of this policy"),
        (encode(evidence(replace(BUSY, ladder=Ladder((Stage(0), Stage(7)))), 7)), "7 ppm, which is no stage"),
    ],
)
def test_what_cannot_be_gone_on_from_is_refused(data: bytes, said: str):
    """Garbage, another format, another route or candidate, and a stage that is no more."""
    with pytest.raises(SnapshotError, match=said):
        decode(data, BUSY)
