"""Hidden controls, and what they say of a judge."""

from collections import Counter

import pytest

from shadow.compare.pair import AppRequest, ModelAnswer, Pair, ToolCall
from shadow.judging import controls
from shadow.judging.controls import EXAM, PER_PAIR, WARY, ControlKind, Pool, Trust
from tests.rooms.judge_cases import asked, pair

KEY = b"secret"
OTHERS = [pair(number) for number in range(1, 20)]


def after(outcomes: str, trust: Trust | None = None) -> Trust:
    """Controls one after the other: `+` is right, `-` is wrong."""
    trust = trust or Trust()
    for outcome in outcomes:
        trust = trust.after(right=outcome == "+")
    return trust


def test_a_judge_is_examined_first():
    """Several controls with each pair until enough were asked; then they come by lot, at least one question in 20."""
    trust = Trust()
    for asked_before in range(EXAM):
        assert (trust.asked, trust.due("any")) == (asked_before, PER_PAIR)
        trust = trust.after(right=True)
    assert trust.examined
    drawn = [trust.due(f"id-{number}") for number in range(4000)]
    assert set(drawn) == {0, 1}
    assert 0.05 < sum(drawn) / (len(drawn) + sum(drawn)) < 0.09


def test_one_mistake_is_forgiven_and_watched():
    """A wrong control brings the examination back for a while, and no more than that."""
    trust = after("+" * EXAM + "-")
    assert not trust.suspended
    assert trust.due("any") == PER_PAIR
    assert after("+" * WARY, trust).examined


@pytest.mark.parametrize(
    ("right_before", "wrong", "suspended"), [(0, 1, False), (0, 2, True), (98, 2, False), (97, 3, True)]
)
def test_more_than_two_percent_wrong_suspends(right_before: int, wrong: int, suspended: bool):  # noqa: FBT001
    """Of the last hundred; a single mistake never does."""
    assert after("+" * right_before + "-" * wrong).suspended is suspended


def test_only_what_is_recent_counts_and_a_suspension_stays():
    """Old mistakes are forgotten; a suspended judge gets no chance to look better."""
    assert not after("-" + "+" * 100 + "--").suspended
    suspended = after("--" + "+" * 200)
    assert suspended.suspended
    assert suspended.due("any") == 0
    assert suspended.text() == "suspended: 0 of the last 100 hidden controls wrong, allowed 2%"
    assert after("+-").text() == "examined: 1 of the last 2 hidden controls wrong"
    assert after("+" * EXAM).text() == "trusted: 0 of the last 60 hidden controls wrong"


def test_bad_answers_vary_and_the_good_one_is_the_baselines():
    """Every kind comes; what is moved elsewhere is the candidate's own answer, beside that request's real one."""
    found = [control for number in range(100, 300) for control in controls.choose(pair(number), OTHERS, 5, KEY)]
    kinds = Counter(control.kind for control in found)
    assert set(kinds) == set(ControlKind)
    assert kinds[ControlKind.STRANGER] > len(found) / 2
    reals = {(each.asked.fields["messages"][0]["content"], each.baseline.text) for each in OTHERS}
    reals |= {(each.asked.fields["messages"][0]["content"], each.baseline.text) for each in map(pair, range(100, 300))}
    for control in found:
        assert (control.asked.fields["messages"][0]["content"], control.good.text) in reals
        assert control.bad.text != control.good.text
        if control.kind is ControlKind.STRANGER:
            assert control.bad.text.startswith("Here you have")


def test_garbage_is_the_real_answers_words_in_no_order():
    """As long as the real one, or a few times as long; only then can it unmask a judge that loves length."""
    for number in range(100, 300):
        for control in controls.choose(pair(number), [], 5, KEY):
            words = control.good.text.split()
            if control.kind is ControlKind.GARBLED:
                assert control.bad.text.split() != words
                assert sorted(control.bad.text.split()) == sorted(words)
            if control.kind is ControlKind.PADDED:
                assert len(control.bad.text) >= 2 * len(control.good.text)


def test_controls_depend_on_the_pair_and_the_key_alone():
    """The same again for the same; others under another key."""
    one = controls.choose(pair(5), OTHERS, 5, KEY)
    assert controls.choose(pair(5), OTHERS, 5, KEY) == one
    assert controls.choose(pair(5), OTHERS, 5, b"other") != one


def test_short_answers_get_controls_that_cannot_be_right():
    """A label is not shuffled, and another request's label may be right: neither is used."""
    labels = [pair(number, "refund", "refund") for number in range(50)]
    found = [control for each in labels for control in controls.choose(each, labels, 5, KEY)]
    assert {control.kind for control in found} == {ControlKind.NOTHING, ControlKind.KEY, ControlKind.ORDER}
    assert all(control.good.text == "refund" != control.bad.text for control in found)


def test_scripts_without_spaces_are_words_too():
    """What is written without spaces is shuffled sign by sign."""
    text = "请打开账单页面并点击最后一行的号码"
    found = [control for n in range(60) for control in controls.choose(pair(n, text, text), [], 5, KEY)]
    assert any(control.kind is ControlKind.GARBLED and control.bad.text != text for control in found)


@pytest.mark.parametrize(
    "baseline",
    [
        ModelAnswer("  "),
        ModelAnswer("cut", finish="length"),
        ModelAnswer("no", refusal="no"),
        ModelAnswer("x" * 20_000, finish="stop"),
    ],
)
def test_an_answer_that_may_lose_is_no_control(baseline: ModelAnswer):
    """Empty, cut, refused or very long: an earlier pair is used, or none."""
    poor = Pair(asked("a question of some eight or more words here"), baseline, ModelAnswer("anything"), id="poor")
    assert controls.choose(poor, [], 5, KEY) == ()
    assert {control.good.text for control in controls.choose(poor, OTHERS[:1], 5, KEY)} == {OTHERS[0].baseline.text}
    pool = Pool()
    pool.add(poor)
    assert not pool.pairs


def test_a_pool_is_bounded_and_leaves_out_what_is_huge():
    """The last pairs only, and none with a huge request."""
    pool = Pool()
    for number in range(200):
        pool.add(pair(number))
    pool.add(Pair(asked("x" * 100_000), ModelAnswer("fine"), ModelAnswer("fine"), id="huge"))
    assert [each.id for each in pool.pairs] == [f"id-{number}" for number in range(136, 200)]


def test_calls_are_answers_too():
    """A candidate's call can be moved elsewhere; a baseline's is as real as a text."""
    called = ModelAnswer(
        "", (ToolCall("reply", '{"text": "this one is better than all the rest of them"}'),), "tool_calls"
    )
    moved = Pair(pair(7).asked, pair(7).baseline, called, id="id-7")
    kinds = {control.kind for control in controls.choose(moved, OTHERS, 5, KEY)}
    assert ControlKind.STRANGER in kinds
    real = Pair(pair(8).asked, ModelAnswer("", called.calls), ModelAnswer("hm"), id="id-8")
    assert controls.choose(real, [], 5, KEY)


def test_a_win_is_checked_by_lot():
    """About one in four, with the winning answer put where it answers nothing; never where it might be right."""
    checks = [controls.check(pair(number), OTHERS, KEY) for number in range(1000, 1400)]
    found = [check for check in checks if check is not None]
    assert 0.2 < len(found) / len(checks) < 0.3
    assert {check.kind for check in found} == {ControlKind.STRANGER}
    same = [Pair(pair(1000).asked, pair(number).baseline, pair(number).candidate, id="s") for number in range(4)]
    assert all(controls.check(pair(1000), same, KEY) is None for _ in range(4))
    assert all(controls.check(pair(number), [], KEY) is None for number in range(1000, 1020))


@pytest.mark.parametrize("fields", [{"input": "one two three four five six seven eight nine"}, {"prompt": "p"}, {}])
def test_requests_of_all_surfaces_are_told_apart(fields: dict[str, str]):
    """Responses and completions, too; a request that asks nothing is left alone."""
    there = OTHERS[0]
    moved = Pair(AppRequest("/v1/responses", fields), there.baseline, ModelAnswer("something else entirely"), id="r")
    found = controls.choose(moved, OTHERS[1:], 20, KEY)
    assert any(control.kind is ControlKind.STRANGER for control in found) is bool(fields)
