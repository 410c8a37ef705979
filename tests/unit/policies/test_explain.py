"""Explanations: what people read, what machines read, and records that prove themselves."""

import json
from dataclasses import replace

import pytest

from policies.explain import (
    FORMAT,
    DecisionRecord,
    GivenOrder,
    RecordError,
    decode,
    encode,
    fields,
    intake,
    plain_money,
    record,
    replay,
    summary,
    text,
    votes_text,
)
from policies.results import Intake, Results
from policies.review import Conditions, review
from policies.rollout import Decision, command, revise, start, step
from policies.rules import BETS, BETS_BEFORE, Gates, Guards, Ladder, Latency, Quality, Rules, Stage
from policies.simulate import simulate
from policies.terms import Move, Owner, Phase, Verb
from policies.votes import Voters, weigh
from tests.rooms.pair_events import KEY, RULES, evidence, filled, own, pair

NOON = 1_795_262_520.0
PLAIN = Rules("support.triage", KEY, Gates(latency=None), Guards(outputs="observed"))
STORY = [
    pair(f"u{i}", q={0: 1.0, 1: -1.0}.get(i % 20, 0.0), agree=0.76, agree_again=None if i % 50 else 0.9)
    for i in range(700)
]


VOTED = """\
  ALARM         votes: users dislike the candidate's answers more often than the baseline's, beyond chance: candidate 40.0 bad of 200 voters, 20.0% [10.7%, 32.3%], baseline 50.0 bad of 1000 voters, 5.0% [2.7%, 8.3%]; log10 e 5.89 of 2.00
                only those who vote are heard: this alarms a person, and moves nothing"""  # noqa: E501 -- as printed


def test_votes_are_told_with_how_little_they_mean():
    """The alarm or its silence, the numbers, and that nothing rests on them."""
    assert votes_text(weigh(Voters(200, 40.0), Voters(1000, 50.0))) == VOTED
    assert votes_text(weigh(Voters(), Voters())).startswith("  quiet         votes: nothing to compare yet")


def decided(events: int = 700) -> tuple[Decision, DecisionRecord]:
    found, rollout = filled(STORY[:events], PLAIN), replace(start(PLAIN), lived_s=10.0, seen_at=NOON - 5)
    decision = step(rollout, review(found, rollout, now=NOON, seen=Conditions(NOON - 60)), now=NOON)
    return decision, record(decision, found, Conditions(NOON - 60), version="1.2.3")


PROMOTION = """\
Moved up to 1 %: every check passed on 700 conversations.
ROUTE support.triage  CANDIDATE vllm/triage-7b@2026-11-18  STAGE shadow -> 1%  DECISION PROMOTE  2026-11-21T12:02:00Z  RULE certified
  every required gate is certified on 700 units
  PASS          quality: +0.0000 [-0.0374, +0.0374] on 700 units (better/equal/worse 35/630/35), limit -0.0500, log10 e 2.61 of 1.30: certified
  PASS          errors: +0.0000 [-0.0085, +0.0085] on 700 units (better/equal/worse 0/700/0), limit -0.0100, log10 e 1.67 of 1.30: certified
  INCONCLUSIVE  outputs: none seen yet (not required)
  INCONCLUSIVE  length: not measured (not required)
  PASS          guards: empty, refusal, loop, truncated, language, echo, unknown_tool, leak, drops, unscored, abstained, controls, incident, judge_bias, concentration, shares
  quiet         detector errors: log10 1.37 of 4.00 after 700 requests, tolerance 0.02: quiet
  quiet         detector quality: log10 2.40 of 4.00 after 700 requests, tolerance 0.05: quiet
  likeness      baseline to itself 0.900 on 14 asked twice, candidate to baseline 0.760 on 700 (decides nothing)
  quality       shows that scores are no worse on average; cannot see what the scorer does not see, nor a part of the traffic in which answers are worse
  errors        shows that requests fail no more often; cannot see answers that arrive and are wrong
  every gate at its full alpha, all must pass; attempt 1; looks: continuous"""  # noqa: E501 -- as printed


def test_a_promotion_is_told_with_all_its_numbers():
    """Rule, gates, n, estimate, interval, limit and e-value, each in its line."""
    assert text(decided()[0]) == PROMOTION


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"agree": 0.5}, "baseline to itself not measured, candidate to baseline 0.500 on 1 (decides nothing)"),
        (
            {"agree_again": 0.5},
            "baseline to itself 0.500 on 1 asked twice, candidate to baseline not measured (decides nothing)",
        ),
        ({}, ""),
    ],
)
def test_the_noise_floor_is_told_as_far_as_it_is_known(more: dict[str, float], told: str):
    """Either half may be missing; without both there is no line."""
    results = review(filled([pair(**more)], PLAIN), start(PLAIN), now=NOON, seen=Conditions())
    lines = [line for line in text(step(start(PLAIN), results, now=NOON)).split("\n") if "baseline to itself" in line]
    assert lines == ([f"  likeness      {told}"] if told else [])


def test_a_hold_tells_what_is_missing():
    """The reason names the first thing missing, and its gate's line how many units more."""
    told = text(decided(300)[0])
    assert "DECISION HOLD" in told
    assert "STAGE shadow  DECISION" in told
    assert "errors: +0.0000 [-0.0197, +0.0197] on 300 units" in told
    assert "not certified yet; about 300 more units" in told


def test_a_rollback_tells_its_alarm():
    """A detector's height, its limit and its tolerance stand in the reason and in its line."""
    canary = replace(start(PLAIN), phase=Phase.CANARY, stage=1)
    found = evidence(PLAIN, 10_000)
    for _ in range(4):
        found.observe(own(Owner.CANDIDATE, error_candidate=True))
    decision = step(canary, review(found, canary, now=NOON, seen=Conditions()), now=NOON)
    told = text(decision)
    assert "STAGE 1% -> shadow (rolled_back)  DECISION ROLLBACK" in told
    assert "RULE detector\n  detector errors: log10 5." in told
    assert "\n  ALARM         detector errors: log10 5." in told
    assert "quality: no evidence yet (not required here)" in told


def test_an_operators_word_is_told_without_evidence():
    """Who and why, and no gates that nobody looked at; a candidate without revision is called by its key."""
    rollout = start(replace(PLAIN, key=replace(KEY, revision="")))
    told = text(command(rollout, Verb.HOLD, now=NOON, by="ann", reason="incident 7"))
    assert told == (
        "Paused in the shadow by ann: incident 7. `crossfade resume support.triage --reason …` goes on.\n"
        f"ROUTE support.triage  CANDIDATE vllm/triage-7b@{rollout.key.digest}  STAGE shadow -> shadow (paused)"
        "  DECISION HOLD  2026-11-21T12:02:00Z  RULE operator\n  ann: incident 7"
    )


@pytest.mark.parametrize(
    ("at", "told"), [(float("nan"), "at nan"), (-5.0, "at -5"), (1e12, "at 1e+12"), (0.0, "1970-01-01T00:00:00Z")]
)
def test_a_moment_no_calendar_has_is_told_as_a_number(at: float, told: str):
    """A broken clock breaks no explanation."""
    assert f"  {told}  RULE" in text(replace(decided()[0], at=at))


def test_machines_get_the_same_words():
    """The JSON object holds the decision's fields and the text people read."""
    decision = decided()[0]
    found = json.loads(fields(decision))
    assert found["text"] == text(decision)
    assert (found["outcome"], found["rule"], found["results"]["gates"][0]["n"]) == ("PROMOTE", "certified", 700)


def test_a_record_replays_bit_for_bit():
    """Encoded, decoded and decided again, nothing differs."""
    decision, kept = decided()
    again = decode(encode(kept))
    assert again == kept
    assert replay(again) == decision == again.decision
    assert (again.version, again.format, again.seen.watermark_at) == ("1.2.3", FORMAT, NOON - 60)


def test_a_record_that_was_altered_replays_to_something_else():
    """Counts that do not fit the decision are found out."""
    decision, kept = decided()
    assert kept.evidence
    kept.evidence.histograms["quality"][-200] += 100
    assert replay(kept) != decision


def test_a_record_leaves_open_conversations_out():
    """Only what is decided on is kept."""
    found = filled(STORY[:10], PLAIN)
    found.observe(pair("open"))
    kept = record(step(start(PLAIN), Results(), now=NOON), found, Conditions(), version="1")
    assert kept.evidence
    assert kept.evidence.open == {}


def test_operators_words_replay_too():
    """An order is kept as it was given, and obeyed again; without it nothing comes of the same state."""
    decision = command(start(PLAIN), Verb.PROMOTE, now=NOON, by="ann", reason="trust me")
    kept = DecisionRecord("1", decision, Conditions(), order=GivenOrder(Verb.PROMOTE, "ann", "trust me"))
    assert replay(decode(encode(kept))) == decision
    assert replay(replace(kept, order=None)).move is Move.HOLD


def test_a_word_that_waited_for_no_servers_replays_too():
    """What was skipped is said of what was known beside the evidence."""
    seen = Results(cold="1 of 2 replicas answer")
    decision = command(start(PLAIN), Verb.PROMOTE, now=NOON, by="ann", reason="trust me", seen=seen)
    kept = DecisionRecord("1", decision, Conditions(cold=seen.cold), order=GivenOrder(Verb.PROMOTE, "ann", "trust me"))
    assert replay(decode(encode(kept))) == decision


def test_edits_of_the_policy_replay_too():
    """The edited rules are kept, and stood on again: another candidate, or another ladder."""
    for edited in (replace(PLAIN, key=replace(KEY, revision="2")), replace(PLAIN, ladder=Ladder((Stage(0), Stage(7))))):
        decision = revise(replace(start(PLAIN), phase=Phase.CANARY, stage=2), edited, now=NOON)
        kept = DecisionRecord("1", decision, Conditions(), revised=edited)
        assert replay(decode(encode(kept))) == decision
        assert decision.rollout != decision.before


def test_a_decision_without_evidence_replays_from_what_was_found():
    """A candidate that cannot serve is rolled back on that alone, and again."""
    canary = replace(start(PLAIN), phase=Phase.CANARY, stage=2)
    decision = step(canary, Results(unhealthy="breaker open"), now=NOON)
    assert decision.move is Move.ROLL_BACK
    assert replay(decode(encode(DecisionRecord("1", decision, Conditions())))) == decision


def test_every_part_of_the_evidence_survives_the_record():
    """Latencies, costs, outputs, detectors and frozen limits come back as they were."""
    rules = replace(RULES, gates=Gates(latency=Latency(warmup=0, freeze_units=5)))
    events = [
        pair(f"u{i}", ttft_candidate_s=0.3, ttft_baseline_s=0.4, cost_candidate_usd=1e-4, cost_baseline_usd=1e-3)
        for i in range(30)
    ]
    found, rollout = filled(events, rules), start(rules)
    decision = step(rollout, review(found, rollout, now=1.0, seen=Conditions()), now=1.0)
    assert decision.rollout.held.latency_s
    assert replay(decode(encode(record(decision, found, Conditions(), version="1")))) == decision


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"version": 1}'])
def test_what_is_no_record_is_refused(data: bytes):
    """With a sentence, not a crash."""
    with pytest.raises(RecordError, match="not a decision record"):
        decode(data)


def test_a_newer_record_is_refused():
    """A format from the future is not guessed at."""
    newer = replace(decided()[1], format=FORMAT + 1)
    with pytest.raises(RecordError, match=f"format {FORMAT + 1}, this version reads up to {FORMAT}"):
        decode(encode(newer))


def test_a_simulation_ends_in_one_line():
    """The decision, its unit, and every gate's and guard's row."""
    found = json.loads(summary(simulate(PLAIN, STORY)))
    assert (found["decision"], found["units"], found["stage"], found["rule"]) == ("PROMOTE", 700, "1%", "certified")
    assert found["decided_at_unit"] == 594
    assert simulate(PLAIN, STORY[:593]).decided_at_unit is None
    row = found["gates"][0]
    assert (row["gate"], row["verdict"], row["limit"], row["required"]) == ("quality", "PASS", -0.05, True)
    assert row["lower"] < row["estimate"] < row["upper"]
    assert row["log10_e"] >= 1.3
    assert row["reason"].startswith("quality: ")
    assert {guard["guard"]: guard["verdict"] for guard in found["guards"]}["outputs"] == "INCONCLUSIVE"
    assert found["noise"] == {"n": 594, "agree": 0.76, "again_n": 12, "agree_again": 0.9, "again_usd": None}
    assert {row["detector"]: row["raised"] for row in found["detectors"]} == {"errors": False, "quality": False}


def test_a_simulation_of_nothing_ends_in_one_line_too():
    """HOLD, with no rows."""
    found = json.loads(summary(simulate(PLAIN, [])))
    assert found == {
        "decision": "HOLD", "units": 0, "decided_at_unit": None, "rule": "no data", "reason": "no pair was given",
        "stage": "shadow", "gates": [], "guards": [], "detectors": [],
        "noise": {"n": 0, "agree": None, "again_n": 0, "agree_again": None, "again_usd": None},
    }  # fmt: skip


def test_what_asking_twice_cost_is_told():
    """How many repeat calls, and the money, beside the noise floor."""
    again = [pair(f"u{n}", agree=1.0, agree_again=1.0, cost_again_usd=0.005) for n in range(432)]
    told = text(simulate(PLAIN, again).last or decided()[0])
    assert "432 repeat calls, $2.16" in told


def test_a_split_is_never_shown_without_its_word():
    """In the decision and in the sentence of where it stands."""
    ladder = Ladder((Stage(0, min_units=0), Stage(300_000)), split=True)
    decision = step(start(replace(RULES, gates=Gates(None, None, None, None, None), ladder=ladder)), Results(), now=1.0)

    assert "STAGE shadow (split, uncertified) -> 30% (split, uncertified)" in text(decision)


def test_vectors_are_said_to_be_no_quality():
    """A gate that rests on them certifies index compatibility, in the decision's own words."""
    rules = replace(RULES, gates=replace(RULES.gates, quality=Quality(metric="vectors")))
    rollout = start(rules)
    results = review(filled([pair("u", q=0.0)], rules), rollout, now=0.0, seen=Conditions())
    told = text(step(rollout, results, now=0.0))

    assert "  quality       shows index compatibility: vectors point where the baseline's do; says nothing" in told
    assert "shows that scores are no worse" not in told


def test_slices_are_shown_with_their_numbers():
    """Each is a line with its share, without a lecture of its own."""
    rules = replace(RULES, gates=replace(RULES.gates, slices=("length",)))
    found = filled([pair(f"u{n}", q=0.0, slices=("length=short",)) for n in range(300)], rules)
    rollout = start(rules)
    told = text(step(rollout, review(found, rollout, now=0.0, seen=Conditions()), now=0.0))

    assert "quality@length=short: +0.0000" in told
    assert "; 100% of the units" in told
    assert told.count("shows that scores are no worse") == 1


def test_what_did_not_come_in_is_told():
    """Requests that were told late, and those that were drawn and not asked, with their share and the reasons."""
    assert intake(Intake(100, 0, 50, {})) == []
    late, skipped = intake(Intake(1000, 18, 400, {"budget": 150, "paused": 10}))
    assert late == "18 of 1000 (1.8%) requests were told after their conversation was counted"
    assert skipped == "160 of 400 (40.0%) requests that were drawn were not asked: budget 150, paused 10"


def test_a_record_replays_with_the_grid_of_its_rollout():
    """The bets belong to the record: by the other grid the same evidence is another number."""
    decisions = []
    for bets in (BETS, BETS_BEFORE):
        found = filled([pair(f"u{n}", q=(n % 3 - 1) / 2) for n in range(300)])
        rollout = replace(start(RULES), bets=bets)
        decision = step(rollout, review(found, rollout, now=0.0, seen=Conditions()), now=0.0)
        kept = decode(encode(record(decision, found, Conditions(), version="1")))
        assert kept.decision.before.bets == bets
        assert replay(kept) == decision
        decisions.append(decision)
    assert decisions[0].results.gates != decisions[1].results.gates


def test_small_money_is_told_as_people_write_it() -> None:
    """The record keeps its words, which a replay has to find again; nothing else in a sentence changes."""
    kept = "cost: 0.04 times the baseline's on 223 pairs ($9.7e-06 and $0.00024 each), limit 1, log10 1e-05"
    assert plain_money(kept) == kept.replace("$9.7e-06", "$0.0000097")
