"""Guards: what is caught, what is only suspected, and what healthy traffic never sets off."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from policies.evidence import Evidence
from policies.guards import FLAGS, describe, watch
from policies.names import OTHERS
from policies.results import GuardResult
from policies.rules import Guards, Rules
from policies.terms import Owner, Verdict
from tests.rooms.pair_events import RULES, answer, evidence, filled, own, pair


def guard(name: str, found: Evidence) -> GuardResult:
    return next(result for result in watch(found) if result.guard == name)


def counted(rules: Rules = RULES, weight_ppm: int = 0, **counts: int) -> Evidence:
    found = evidence(rules, weight_ppm)
    found.counts.update(counts)
    return found


def answered(ours: dict[str, int], theirs: dict[str, int], rules: Rules = RULES) -> Evidence:
    found = counted(rules, outputs=sum(ours.values()))
    found.outputs_candidate.update(ours)
    found.outputs_baseline.update(theirs)
    return found


def distinct(n: int) -> dict[str, int]:
    return dict.fromkeys((f"a{i}" for i in range(n)), 1)


def guarded(**changes: object) -> Rules:
    return replace(RULES, guards=replace(Guards(), **changes))  # pyright: ignore[reportArgumentType]


def test_every_guard_speaks_every_time():
    """One result each, under its own name."""
    names = [result.guard for result in watch(evidence())]
    last = ["drops", "unscored", "abstained", "controls", "incident", "judge_bias", "concentration", "shares"]
    assert names == ["outputs", "length", *FLAGS, *last]


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("A perfectly fine answer.", ()),
        ("", ("empty",)),
        (" \n\t ", ("empty",)),
        ("I'm sorry, but I can't help with that.", ("refusal",)),
        ("I’m very sorry", ("refusal",)),
        ("Sorry, no.", ("refusal",)),
        ("I am unable to answer", ("refusal",)),
        ("I am not able to answer", ("refusal",)),
        ("i apologise for", ("refusal",)),
        ("I apologize for", ("refusal",)),
        ("As an AI language model", ("refusal",)),
        ("Unfortunately, I cannot say", ("refusal",)),
        ("*I cannot say*", ("refusal",)),
        ("The word: I'm sorry", ()),
        ("I cannot", ()),
        ("I am happy", ()),
        ("buy it now and " * 8, ("loop",)),
        ("buy it now and " * 7, ()),
        ("la " * 11, ("loop",)),
        ("la " * 10, ()),
        ("once upon a time " * 8 + "x y z " * 9 + " ".join(map(str, range(60))), ()),
    ],
)
def test_what_is_wrong_with_an_answer_is_described(text: str, flags: tuple[str, ...]):
    """Empty, refusing and looping answers are told; ordinary ones are not, nor those that only quote."""
    assert describe(text).flags == flags


def test_a_description_keeps_no_text():
    """A digest that ignores case and space, a length, and what the shadow saw."""
    one, other = describe("Hello  World"), describe(" hello world\n", seen=("truncated",))
    assert one.digest == other.digest != describe("hello word").digest
    assert (len(one.digest), one.length, other.flags) == (16, 11, ("truncated",))
    assert describe("\ud800").length == 1


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"),
    [
        (distinct(100), distinct(100), Verdict.PASS),
        (distinct(49), distinct(49), Verdict.INCONCLUSIVE),
        (distinct(50), distinct(50), Verdict.PASS),
        ({"same": 35}, distinct(35), Verdict.FAIL),
        ({"same": 8}, distinct(8), Verdict.INCONCLUSIVE),
        ({"same": 6} | distinct(44), distinct(50), Verdict.INCONCLUSIVE),
        ({"same": 5} | distinct(95), distinct(100), Verdict.PASS),
        ({"same": 60} | distinct(140), distinct(200), Verdict.FAIL),
        ({"a": 300, "b": 200, "c": 100}, {"a": 250, "b": 250, "c": 100}, Verdict.PASS),
        ({f"x{i}": 2 for i in range(50)} | {"x": 1}, distinct(101), Verdict.PASS),
        ({f"x{i}": 3 for i in range(40)}, distinct(120), Verdict.FAIL),
        ({f"x{i}": 3 for i in range(30)}, distinct(90), Verdict.INCONCLUSIVE),
    ],
)
def test_outputs_must_vary_as_the_baselines_do(ours: dict[str, int], theirs: dict[str, int], verdict: Verdict):
    """One answer for everything is a breach within tens of pairs; a classifier's few labels are not."""
    result = guard("outputs", answered(ours, theirs))
    assert result.verdict is verdict
    assert f"{len(ours)} distinct of {sum(ours.values())} (baseline {len(theirs)})" in result.reason


def test_the_null_model_is_stopped_whatever_the_judge_says():
    """A constant string is certain to be one after about thirty pairs."""
    first = next(n for n in range(1, 99) if guard("outputs", answered({"x": n}, distinct(n))).verdict is Verdict.FAIL)
    assert first <= 35


@pytest.mark.parametrize(("outputs", "required"), [("required", True), ("observed", False)])
def test_outputs_are_required_where_a_judge_can_be_gamed(outputs: str, required: bool):  # noqa: FBT001 -- a parameter
    """Where answers are compared by rule, their outputs need not be seen; a suspicion counts all the same."""
    rules = guarded(outputs=outputs)
    assert guard("outputs", evidence(rules)) == GuardResult(
        "outputs", Verdict.INCONCLUSIVE, "outputs: none seen yet", required
    )
    assert guard("outputs", answered(distinct(10), distinct(10), rules)).required is required
    assert guard("outputs", answered(distinct(100), distinct(100), rules)).required is required
    assert guard("outputs", answered({"same": 6} | distinct(44), distinct(50), rules)).required


SAME = guarded(same_answers=0.25)


def said(ours: Callable[[int], str], theirs: Callable[[int], str], n: int, rules: Rules = SAME) -> Evidence:
    """Evidence of `n` mirrored pairs, each of another conversation; the answers are numbered."""
    return filled(
        [pair(f"u{i}", output_candidate=answer(ours(i)), output_baseline=answer(theirs(i))) for i in range(n)],
        rules,
    )


def labels(i: int) -> str:
    return f"label {i * 37 % 77}"


@pytest.mark.parametrize(
    ("ours", "theirs", "n", "verdict", "word"),
    [
        (labels, labels, 200, Verdict.PASS, ": certified"),
        (labels, labels, 40, Verdict.INCONCLUSIVE, ": not certified yet"),
        (labels, labels, 1, Verdict.INCONCLUSIVE, "no two answers to different requests yet among 1"),
        (lambda _: "one", labels, 40, Verdict.FAIL, "it surely gives the same answer too often"),
        (lambda _: "one", lambda _: "two", 200, Verdict.PASS, ": certified"),
        (lambda _: "one", lambda i: "one" if i % 20 else labels(i), 400, Verdict.PASS, ": certified"),
        (lambda i: "one" if i % 4 else labels(i), labels, 400, Verdict.FAIL, "too often"),
        (lambda i: "one" if i % 5 == 0 else str(i), str, 400, Verdict.INCONCLUSIVE, "is 20.0% of 400 (baseline 0.2%)"),
        (lambda i: str(i % 30), str, 600, Verdict.INCONCLUSIVE, "are worth 30 different ones (baseline 600)"),
        (lambda i: str(i % 60), lambda i: str(i % 100), 600, Verdict.PASS, ": certified"),
        (lambda i: "one" if i % 20 == 0 else str(i), str, 3000, Verdict.PASS, ": certified"),
    ],
)  # fmt: skip
def test_a_constant_answer_is_a_breach_where_that_is_certified(
    ours: Callable[[int], str], theirs: Callable[[int], str], n: int, verdict: Verdict, word: str
):
    """Held against how often the baseline's own answers are the same; what only looks so blocks, with its reason."""
    result = guard("outputs", said(ours, theirs, n))
    assert result.verdict is verdict, result.reason
    assert word in result.reason


def test_a_few_labels_less_convict_nobody():
    """A tune that is right and leaves out the baseline's stray words: a breach by the rule of before, none by this."""
    tune, stray = (lambda i: f"label {i % 20}"), (lambda i: f"label {i % 20}" if i % 10 else f"stray {i}")
    assert guard("outputs", said(tune, stray, 1000)).verdict is Verdict.PASS
    assert guard("outputs", said(tune, stray, 1000, RULES)).verdict is Verdict.FAIL


def test_the_guard_of_outputs_says_what_it_saw():
    """Both shares, how many were held against each other, and what is allowed."""
    assert guard("outputs", said(lambda _: "one", labels, 100)).reason == (
        "outputs: two answers to different requests are the same in 100.0% of 50 (baseline 0.0%), allowed 25% more: "
        "it surely gives the same answer too often"
    )


@pytest.mark.parametrize(("outputs", "required"), [("required", True), ("observed", False)])
def test_a_suspicion_blocks_where_a_score_can_be_gamed_and_else_is_said(outputs: str, required: bool):  # noqa: FBT001
    """Where answers are compared by rule a constant answer certifies nothing anyway."""
    rules = guarded(same_answers=0.25, outputs=outputs)
    for n in (0, 1, 20, 400):
        found = said(lambda i: "one" if i % 5 == 0 else str(i), str, n, rules)
        assert (guard("outputs", found).verdict, guard("outputs", found).required) == (Verdict.INCONCLUSIVE, required)
    assert guard("outputs", said(labels, labels, 400, rules)).required is required


def test_a_record_convicts_as_its_evidence_does():
    """Of a thousand names a record keeps a hundred, and what the guard goes by whole."""
    for ours in (lambda i: str(i % 900), lambda i: str(i % 130), lambda _: "one"):
        found = said(ours, str, 1000)
        assert guard("outputs", found.closed()) == guard("outputs", found)


def test_a_policy_without_a_share_lets_no_answer_come_twice():
    """With `top_share: 0` the number of different answers is held to the baseline's, however many those are."""
    rules = guarded(same_answers=0.25, top_share=0.0, top_ratio=100.0)
    assert guard("outputs", said(lambda i: str(i % 400), str, 1000, rules)).verdict is Verdict.INCONCLUSIVE
    assert guard("outputs", said(lambda i: str(i % 600), str, 1000, rules)).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [
        (0.49, Verdict.INCONCLUSIVE),
        (0.52, Verdict.PASS),
        (1.0, Verdict.PASS),
        (1.95, Verdict.PASS),
        (2.1, Verdict.INCONCLUSIVE),
    ],
)
def test_the_median_length_stays_near_the_baselines(ratio: float, verdict: Verdict):
    """Between half and twice the baseline's; outside, advancing waits."""
    found = evidence()
    found.histograms["length_ratio"] = {}
    found._spread("length_ratio", [ratio])
    result = guard("length", found)
    assert (result.verdict, result.required) == (verdict, True)
    assert result.reason.endswith("times the baseline's, allowed 0.5 to 2")


def test_length_that_was_not_measured_is_not_required():
    """Without outputs there is no ratio to judge."""
    assert guard("length", evidence()) == GuardResult(
        "length", Verdict.INCONCLUSIVE, "length: not measured", required=False
    )


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize(
    ("ours", "theirs", "n", "verdict"),
    [
        (0, 0, 0, Verdict.PASS),
        (0, 5, 100, Verdict.PASS),
        (5, 5, 100, Verdict.PASS),
        (4, 0, 100, Verdict.PASS),
        (8, 0, 100, Verdict.INCONCLUSIVE),
        (8, 0, 49, Verdict.PASS),
        (40, 0, 100, Verdict.FAIL),
        (40, 36, 100, Verdict.PASS),
        (120, 40, 400, Verdict.FAIL),
    ],
)
def test_each_flaw_is_compared_with_the_baselines(flag: str, ours: int, theirs: int, n: int, verdict: Verdict):
    """More refusals, loops and the like than the baseline's, beyond the slack: suspected early, certified later."""
    found = answered(distinct(n), distinct(n))
    found.counts.update({f"{flag}_candidate": ours, f"{flag}_baseline": theirs})
    result = guard(flag, found)
    assert result.verdict is verdict
    assert result.reason.startswith(f"{flag}: {ours} of {n}, baseline {theirs}")
    assert sum(each.verdict is not Verdict.PASS for each in watch(found) if each.guard in FLAGS) == (
        verdict is not Verdict.PASS
    )


@pytest.mark.parametrize(
    ("ours", "theirs", "n", "verdict"),
    [
        (0, 0, 400, Verdict.PASS),
        (60, 60, 200, Verdict.PASS),
        (0, 150, 200, Verdict.PASS),
        (12, 6, 100, Verdict.INCONCLUSIVE),
        (12, 6, 49, Verdict.PASS),
        (40, 2, 100, Verdict.FAIL),
    ],
)
def test_a_candidate_that_apps_hang_up_on_is_caught(ours: int, theirs: int, n: int, verdict: Verdict):
    """More often than on the baseline beyond what is allowed: suspected early, certified later."""
    rules = guarded(hang_ups=0.05)
    sides = ((Owner.CANDIDATE, ours), (Owner.BASELINE, theirs))
    events = [
        own(side, f"{side}{i}", **({"left": "reading", f"error_{side}": None} if i < left else {}))
        for side, left in sides
        for i in range(n)
    ]
    result = guard("hang_ups", filled(events, rules, 500_000))
    assert result.verdict is verdict
    assert result.reason.startswith(
        f"hang_ups: apps hung up on {ours / n:.1%} of the candidate's answers ({n} units), on {theirs / n:.1%} of the "
        f"baseline's ({n} units), allowed 5.0% more"
    )


def test_without_both_variants_nobody_is_hung_up_on_more_often():
    """In the shadow the baseline alone serves; and rules of before ask nothing."""
    assert guard("hang_ups", filled([own(Owner.BASELINE)], guarded(hang_ups=0.05))).verdict is Verdict.PASS
    alone = filled([own(Owner.CANDIDATE, left="reading", error_candidate=None)], guarded(hang_ups=0.05), 500_000)
    assert guard("hang_ups", alone).reason == "hang_ups: no conversations of both variants yet"


@pytest.mark.parametrize(
    ("name", "wrong", "of", "limit"),
    [
        ("drops", "dropped", "pairs", 1),
        ("drops", "lost", "pairs", 1),
        ("unscored", "unscored", "pairs", 5),
        ("abstained", "abstained", "pairs", 5),
        ("controls", "controls_failed", "controls", 10),
    ],
)
def test_measuring_that_goes_wrong_blocks(name: str, wrong: str, of: str, limit: int):
    """At its limit the measuring is trusted, one more is too many; nothing measured is nothing wrong."""
    assert guard(name, counted(**{of: 100, wrong: limit})).verdict is Verdict.PASS
    over = guard(name, counted(**{of: 100, wrong: limit + 1}))
    assert (over.verdict, over.reason) == (Verdict.INCONCLUSIVE, f"{name}: {limit + 1} of 100 {of}, allowed {limit}%")
    assert guard(name, evidence()).verdict is Verdict.PASS


def test_a_candidate_without_room_for_its_requests_does_not_advance():
    """It is no harm: the baseline answered. At the limit it is fine; and rules of before ask nothing."""
    events = [
        own(Owner.CANDIDATE, f"u{i}", **({"busy": True, "error_candidate": None} if i < 2 else {})) for i in range(100)
    ]
    room = filled(events[1:], guarded(busy_rate=0.02), 500_000)
    assert guard("busy", room).verdict is Verdict.PASS
    none = guard("busy", filled(events, guarded(busy_rate=0.01), 500_000))
    assert (none.verdict, none.reason) == (Verdict.INCONCLUSIVE, "busy: 2 of 100 assigned, allowed 1%")
    assert "busy" not in {each.guard for each in watch(filled(events, weight_ppm=500_000))}


def test_lost_and_dropped_pairs_count_together():
    """Whatever was not compared counts as dropped."""
    assert guard("drops", counted(pairs=100, dropped=1, lost=1)).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("failed", "asked", "verdict"),
    [
        (0, 0, Verdict.PASS),
        (5, 100, Verdict.PASS),
        (8, 100, Verdict.PASS),
        (20, 100, Verdict.INCONCLUSIVE),
        (7, 7, Verdict.INCONCLUSIVE),
    ],
)
def test_beside_a_baseline_that_is_down_nothing_is_earned(failed: int, asked: int, verdict: Verdict):
    """A baseline that surely fails too often blocks; a few failures do not."""
    result = guard("incident", counted(baseline_failed=failed, baseline_asked=asked))
    assert (result.verdict, result.required) == (verdict, True)
    assert result.reason == f"incident: the baseline failed {failed} of {asked} requests, allowed 5%"


def test_a_judge_that_people_contradict_does_not_count():
    """Where labels are asked for, the judge's bias must be certified small."""
    rules = guarded(judge_bias=0.05)
    assert guard("judge_bias", evidence()) == GuardResult(
        "judge_bias", Verdict.PASS, "judge_bias: no human labels asked for", required=False
    )
    assert guard("judge_bias", evidence(rules)).reason == "judge_bias: no human labels yet"
    assert guard("judge_bias", evidence(rules)).verdict is Verdict.INCONCLUSIVE
    for counts, verdict in (
        ({0: 2000}, Verdict.PASS),
        ({0: 20}, Verdict.INCONCLUSIVE),
        ({20: 2000}, Verdict.INCONCLUSIVE),
        ({-20: 2000}, Verdict.INCONCLUSIVE),
    ):
        found = evidence(rules)
        found.histograms["judge_bias"] = counts
        assert guard("judge_bias", found).verdict is verdict
    found.histograms["judge_bias"] = {20: 2000}
    assert "of people on 2000 units, allowed 0.05" in guard("judge_bias", found).reason
    assert "within [+0.1" in guard("judge_bias", found).reason
    live = next(each for each in watch(evidence(rules), labels={0: 2000}) if each.guard == "judge_bias")
    assert live.verdict is Verdict.PASS
    more = evidence(rules)
    more.histograms["judge_bias"] = {0: 1000}
    both = next(each for each in watch(more, labels={0: 1000}) if each.guard == "judge_bias")
    assert (both.verdict, both.reason) == (live.verdict, live.reason)
    assert more.histogram("judge_bias") == {0: 1000}


def test_one_busy_unit_blocks():
    """A unit that surely carries more than one percent of the route is no sample of it; chance alone blocks nothing."""
    found = counted(requests=2000)
    found.requests.update({"busy": 100, "other": 1900, OTHERS: 1})
    busy = guard("concentration", found)
    assert (busy.verdict, busy.required) == (Verdict.INCONCLUSIVE, True)
    assert busy.reason.endswith("; give the app's sessions an id (assign.by)")
    even = counted(requests=150)
    even.requests.update(dict.fromkeys(map(str, range(149)), 1) | {"x": 2})
    assert guard("concentration", even) == GuardResult(
        "concentration", Verdict.PASS, "concentration: the busiest unit made 2 of 150 requests, allowed 1%"
    )
    others = counted(requests=2000)
    others.requests.update({OTHERS: 1990, "a": 10})
    assert guard("concentration", others).verdict is Verdict.PASS
    assert guard("concentration", evidence()).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("ours", "theirs", "weight_ppm", "verdict"),
    [
        (10_400, 9_600, 500_000, Verdict.INCONCLUSIVE),
        (10_050, 9_950, 500_000, Verdict.PASS),
        (200, 19_800, 10_000, Verdict.PASS),
        (400, 19_600, 10_000, Verdict.INCONCLUSIVE),
        (0, 20_000, 0, Verdict.PASS),
        (20_000, 0, 1_000_000, Verdict.PASS),
        (0, 0, 500_000, Verdict.PASS),
    ],
)
def test_units_are_shared_as_the_stage_says(ours: int, theirs: int, weight_ppm: int, verdict: Verdict):
    """A split that surely is not the stage's makes the arms incomparable; where one arm has all there is none."""
    found = counted(weight_ppm=weight_ppm, units_candidate=ours, units_baseline=theirs)
    result = guard("shares", found)
    assert result.verdict is verdict
    assert result.reason.startswith(
        f"shares: {ours} of {ours + theirs} units to the candidate, meant {weight_ppm / 10_000:.1f}%"
    )


def test_an_absurd_split_overflows_nothing():
    """A million units to the wrong side give a number."""
    found = counted(weight_ppm=10_000, units_candidate=10**6, units_baseline=0)
    assert guard("shares", found).verdict is Verdict.INCONCLUSIVE


def test_requests_that_all_ask_the_same_may_be_answered_the_same():
    """Traffic of one prompt has nothing to be held against: that blocks nobody, unless what little there is differs."""
    events = [
        pair(f"u{i}", prompt="p", output_candidate=answer("one"), output_baseline=answer("two")) for i in range(60)
    ]
    assert guard("outputs", filled(events[:49], SAME)).verdict is Verdict.INCONCLUSIVE
    assert guard("outputs", filled(events, SAME)) == GuardResult(
        "outputs", Verdict.PASS, "outputs: nearly all of 60 requests ask the same, and may be answered the same"
    )
    other = pair("v", prompt="q", output_candidate=answer("one"), output_baseline=answer("three"))
    assert guard("outputs", filled([*events, other], SAME)).verdict is Verdict.INCONCLUSIVE
