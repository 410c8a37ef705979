"""The judge: asked in both orders, drawn by lot, checked by controls, and paid for."""

import asyncio
import json
from collections.abc import Callable

import pytest

from shadow.compare.pair import ModelAnswer, Pair, Score
from shadow.judge import Bench, JudgeScorer, VerdictCost
from shadow.judging import prompt
from shadow.judging.controls import EXAM, Trust
from shadow.judging.prompt import Style
from shadow.ports import Model, ModelCall, ModelReply
from tests.fakes.judges import Purse, ScriptedJudge, Seen, StubJudge, completion, read
from tests.rooms.judge_cases import pair

KEY = b"secret"
TRUSTED = Trust(EXAM, (True,) * EXAM)
UNCHECKED = next(f"id-{n}" for n in range(100) if not TRUSTED.due(f"id-{n}"))


def judge(
    model: Model, *, trust: Trust = TRUSTED, sample_ppm: int = 1_000_000, budget: Purse | None = None
) -> JudgeScorer:
    told = Bench("third", Style("judge-1"), sample_ppm, KEY, salt="route")

    def cost_usd(heard: ModelReply, _: int) -> VerdictCost:
        return VerdictCost(0.01, 0.01) if heard.is_good else VerdictCost()

    return JudgeScorer(model, told, budget or Purse(), cost_usd, trust)


def prefers(word: str) -> StubJudge:
    """A judge to whom an answer is worth something if it has the word in it."""
    return StubJudge(lambda _, answer: float(word in answer), keep=True)


def sound(word: str) -> StubJudge:
    """A judge that knows what is asked, and of two right answers likes the one with the word in it."""

    def quality(question: str, answer: str) -> float:
        number = question.split()[1].rstrip(":")
        right = " ".join(f"word{number}x{place}" for place in range(12)) in answer
        return right + 0.5 * (right and word in answer)

    return StubJudge(quality, keep=True)


def unchecked(number: int = 1) -> Pair:
    """A pair that no control goes with."""
    found = pair(number)
    return Pair(found.asked, found.baseline, found.candidate, id=UNCHECKED)


@pytest.mark.parametrize(("word", "q"), [("Here", 1.0), ("words are", -1.0), ("nowhere", 0.0)])
async def test_both_orders_decide(word: str, q: float):
    """Winning both is 1, losing both is -1, a tie is 0; every question is asked of the judge's own upstream."""
    model = prefers(word)
    score = await judge(model).score(unchecked())
    assert (score.q, score.p_sample, score.abstained, score.control) == (q, 1.0, False, None)
    assert len(model.asked) == (2 if q else 1), "a tie decides by itself"
    orders = [read(body).answers for body in model.asked]
    assert not q or orders[0] == orders[1][::-1]


async def test_a_judge_that_likes_a_place_says_nothing_of_the_answers():
    """First in both orders is a tie; so is second."""
    for place in (0, 1):
        score = await judge(ScriptedJudge([lambda seen: seen.verdicts[place]])).score(unchecked())  # noqa: B023 -- asked within
        assert (score.q, score.abstained) == (0.0, False)
        assert sorted(score.told["orders"]) == ["baseline", "candidate"]


async def test_which_order_comes_first_is_a_hash():
    """Neither side stands first more often."""
    first = 0
    for number in range(200):
        model = prefers("Here")
        await judge(model, trust=Trust(suspended=False, asked=EXAM)).score(pair(number))
        first += "Here" in read(model.asked[0]).answers[0]
    assert 70 < first < 130


async def test_the_lot_is_drawn_by_id_before_anything_else():
    """What it does not fall on scores 0 with the same probability, and asks nobody."""
    model, drawn = sound("Here"), 0
    ours = judge(model, sample_ppm=250_000)
    for number in range(800):
        before = len(model.asked)
        score = await ours.score(pair(number))
        assert score.p_sample == 0.25
        if score.told["drawn"]:
            drawn += 1
            assert score.q == 1.0
        else:
            assert (score.q, score.abstained, len(model.asked)) == (0.0, False, before)
    assert 150 < drawn < 250


@pytest.mark.parametrize(
    ("heard", "tries"),
    [
        (ModelReply(0, b"", "timeout"), 3),
        (ModelReply(500, b"{}"), 3),
        (ModelReply(429, b"{}"), 3),
        (ModelReply(400, b"", "bad_request", blamed="model"), 1),
        (ModelReply(200, completion("[[A]]")), 3),
        (ModelReply(200, b"{"), 3),
    ],
)
async def test_a_judge_that_says_nothing_of_use_abstains(heard: ModelReply, tries: int):
    """Failures and other words are no verdict, in either order; what may still be answered is asked three times."""
    for script in ([heard], [lambda seen: seen.verdicts[0], heard]):
        model = ScriptedJudge(script)
        score = await judge(model).score(unchecked())
        assert (score.q, score.abstained, score.control) == (None, True, None)
        assert score.told["why"] == "no_verdict"
        assert len(model.asked) == len(script) - 1 + tries


async def test_a_verdict_that_comes_at_the_third_try_counts():
    """One that is missing counts at its worst, so a hiccup of the judge's upstream is not left at one question."""
    hiccup = ModelReply(503, b"{}")
    model = ScriptedJudge([hiccup, hiccup, lambda seen: seen.verdicts[2]])
    score = await judge(model).score(unchecked())
    assert (score.q, score.abstained, len(model.asked)) == (0.0, False, 3)


async def test_nobody_asks_again_without_money():
    """A budget that is spent ends the asking."""
    model = ScriptedJudge([ModelReply(200, completion("[[A]]"))])
    assert (await judge(model, budget=Purse(0.005)).score(unchecked())).q is None
    assert len(model.asked) == 1


async def test_a_field_that_the_upstream_refuses_is_left_out_from_then_on():
    """As some models refuse a temperature; the question is asked again without it, once for each field."""

    class Picky:
        """Refuses what it does not know, one field at a time."""

        def __init__(self) -> None:
            self.bodies: list[bytes] = []

        async def ask(self, ask: ModelCall) -> ModelReply:
            self.bodies.append(ask.body)
            fields = json.loads(ask.body)
            for name in ("temperature", "response_format"):
                if name in fields:
                    return ModelReply(400, b"", "bad_request", blamed=name)
            return ModelReply(200, completion(read(ask.body).verdicts[2]))

    model = Picky()
    ours = judge(model)
    assert (await ours.score(unchecked())).q == 0.0
    assert len(model.bodies) == 3
    assert (await ours.score(unchecked())).q == 0.0
    assert len(model.bodies) == 4
    assert ours.style.without == {"temperature", "response_format"}


async def test_a_field_that_is_refused_for_ever_ends_in_silence():
    """An upstream that blames what it was not sent is not asked again and again."""
    model = ScriptedJudge([ModelReply(400, b"", "bad_request", blamed="temperature")])
    assert (await judge(model).score(unchecked())).abstained
    assert len(model.asked) == 2


async def test_what_is_too_long_to_ask_is_an_abstention():
    """Nothing is cut and nobody is asked."""
    model = prefers("Here")
    long = pair(1, candidate="x" * prompt.MAX_BYTES)
    score = await judge(model).score(Pair(long.asked, long.baseline, long.candidate, UNCHECKED))
    assert (score.abstained, model.asked) == (True, [])


async def test_the_first_pairs_come_with_an_examination():
    """Several controls each; the judge that gets them right is trusted, and what it said of the pairs counts."""
    model = sound("words are")
    ours = judge(model, trust=Trust())
    scores = [await ours.score(pair(number)) for number in range(EXAM // 5)]
    assert [score.q for score in scores] == [-1.0] * len(scores)
    assert all(score.control for score in scores)
    assert all(len(score.told["controls"]) == 5 for score in scores)
    assert ours.trust.examined
    assert len(model.asked) == 2 * (len(scores) + EXAM)


BAD: dict[str, Callable[[Seen], int]] = {
    "likes length": lambda seen: int(len(seen.answers[1]) > len(seen.answers[0])),
    "likes the first": lambda seen: 0,
    "sees no difference": lambda seen: 2,
    "likes the shorter": lambda seen: int(len(seen.answers[1]) < len(seen.answers[0])),
    "likes what talks to it": lambda seen: next((n for n in (0, 1) if "better" in seen.answers[n]), 2),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_judge_is_suspended_in_its_examination(name: str):
    """From then on each pair is an abstention that says so, and nobody is asked any more."""
    model = ScriptedJudge([lambda seen: seen.verdicts[BAD[name](seen)]])
    ours = judge(model, trust=Trust())
    scores = [await ours.score(pair(number)) for number in range(12)]
    assert ours.trust.suspended
    assert False in [score.control for score in scores]
    asked = len(model.asked)
    last = await ours.score(pair(99))
    assert (last.q, last.abstained, last.told["why"], len(model.asked)) == (None, True, "suspended", asked)
    assert last.told["trust"].startswith("suspended: ")


async def test_a_win_that_was_for_something_else_does_not_count():
    """An answer that wins beside another request's real answer, too, has won by a trick: even an unknown one."""
    model = StubJudge(lambda _, answer: float("zq!" in answer), keep=True)
    ours = judge(model)
    for number in range(30):
        ours.pool.add(pair(number))
    tricks = [pair(number, candidate=f"zq! trust me {number}") for number in range(100, 140)]
    scores = [await ours.score(each) for each in tricks]
    whys = [score.told.get("why") for score in scores]
    assert "unearned_win" in whys
    assert "suspended" in whys
    assert sum(score.q == 1.0 for score in scores) < 12


async def test_controls_that_nobody_answers_say_nothing_of_the_judge():
    """A judge that is down is no bad judge."""
    ours = judge(ScriptedJudge([ModelReply(503, b"")]), trust=Trust())
    score = await ours.score(pair(1))
    assert (score.control, score.abstained, ours.trust) == (None, True, Trust())
    assert [control["right"] for control in score.told["controls"]] == [None] * 5


async def test_every_call_is_paid_from_the_budget():
    """Controls included; when it is spent nobody is asked, and the pair is not scored."""
    purse = Purse(0.11)
    ours = judge(sound("words are"), trust=Trust(), budget=purse)
    score = await ours.score(pair(1))
    assert score.cost_usd == pytest.approx(0.12)
    assert purse.left_usd == pytest.approx(-0.01)
    poor = await ours.score(pair(2))
    assert (poor.q, poor.abstained, poor.cost_usd, poor.told["why"]) == (None, False, 0.0, "budget")


async def test_a_judge_that_takes_too_long_abstains():
    """All questions about a pair have one deadline together."""

    class Silent:
        """Never answers."""

        async def ask(self, ask: ModelCall) -> ModelReply:
            await asyncio.Event().wait()
            raise AssertionError

    ours = JudgeScorer(
        Silent(), Bench("third", Style("judge-1"), 1_000_000, KEY, total_s=0.01), Purse(), lambda *_: VerdictCost()
    )
    score = await ours.score(pair(1))
    assert (score.q, score.abstained, score.told["why"]) == (None, True, "timeout")


async def test_only_so_many_questions_are_on_their_way():
    """However many controls there are."""
    most = 0

    class Counting:
        """Says how many it is asked at once."""

        open = 0

        async def ask(self, ask: ModelCall) -> ModelReply:
            nonlocal most
            self.open += 1
            most = max(most, self.open)
            await asyncio.sleep(0)
            self.open -= 1
            return ModelReply(200, completion(read(ask.body).verdicts[2]))

    told = Bench("third", Style("judge-1"), 1_000_000, KEY, in_flight=2)
    await JudgeScorer(Counting(), told, Purse(), lambda *_: VerdictCost()).score(pair(1))
    assert most == 2


async def test_what_is_told_holds_no_text():
    """Version, verdicts and controls by name; nothing of the request, the answers, tags or the key."""
    score: Score = await judge(prefers("Here"), trust=Trust()).score(pair(1))
    told = json.dumps(score.told)
    assert score.told["version"] == prompt.version("judge-1", "")
    assert "word1x" not in told
    assert "question" not in told


def test_a_judge_without_a_secret_is_a_bug():
    """Its tags could be guessed."""
    with pytest.raises(ValueError, match="secret"):
        Bench("third", Style("judge-1"), 1_000_000, b"")


async def test_an_answer_may_be_empty():
    """The null answer is a real case: it is asked about as any other."""
    model = prefers("words are")
    null = pair(1, candidate="")
    score = await judge(model).score(Pair(null.asked, null.baseline, ModelAnswer(""), UNCHECKED))
    assert score.q == -1.0
