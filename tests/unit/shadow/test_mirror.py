"""Asked again, and put side by side: with a model that says what a test tells it."""

import asyncio
import json
import math
from dataclasses import replace
from typing import Any

import pytest

from records.comparison import Asked, Comparison
from records.pricing import Override, PriceBook
from records.record_maker import RecordMaker
from records.redact import KINDS, Redactor
from shadow.compare import answer
from shadow.compare.pair import Pair, Score
from shadow.lanes import Drawn
from shadow.mirror import Mirror, outcome, pair_of, probability, refusal, row_of
from shadow.patience import PATIENCE_S
from shadow.plan import ShadowRoute
from shadow.ports import ModelReply, Scorer
from shadow.score_pair import Comparing
from tests.fakes.exchanges import chat_request, chat_stream, head
from tests.rooms.drawing import ROUTE, drawn, route
from tests.rooms.scripted_model import Scripted, good

PATH = "/v1/chat/completions"
NOW = 1_795_000_100.0


class Broken:
    """A user's scorer with a mistake in it."""

    async def score(self, pair: Pair) -> Score:
        raise KeyError("priority")


class Slow:
    """A scorer that never comes to an end."""

    async def score(self, pair: Pair) -> Score:
        await asyncio.Event().wait()
        raise AssertionError


def mirror(model: Scripted, scorers: dict[str, Scorer] | None = None, errors: list[str] | None = None) -> Mirror:
    prices = PriceBook({}, (Override("openai", "", 10.0, 20.0), Override("vllm", "tuned", 1.0, 2.0)))
    maker = RecordMaker(b"pepper", Redactor(frozenset(KINDS)), prices, {})

    def comparing(of: ShadowRoute) -> Comparing:
        return Comparing(of.compare, of.metric, files=lambda _: b"", scorers=scorers or {})

    def met_error(operation: str, error: BaseException) -> None:
        (errors if errors is not None else []).append(f"{operation}: {type(error).__name__}")

    return Mirror(model, comparing, maker, lambda: NOW, met_error)


async def test_candidate_beside_the_baseline():
    """The candidate is asked the app's own request, and its answer stands beside the baseline's in one row."""
    model = Scripted(good())
    row = await mirror(model).compare(drawn(model="gpt-4o"))

    assert (row.came, row.asked, row.q, row.agree, row.metric) == ("answered", "candidate", 0.0, 1.0, "exact")
    assert (row.first_byte_ms, row.total_ms, row.timing_void, row.status) == (50.0, 250.0, False, 200)
    assert (row.prompt_tokens, row.completion_tokens) == (20, 6)
    assert row.cost_usd == pytest.approx((20 * 1 + 6 * 2) / 1e6)
    assert row.cost_served_usd == pytest.approx((20 * 10 + 6 * 20) / 1e6)
    assert (row.p_mirror, row.compared_us) == (0.5, int(NOW * 1e6))
    asked = model.asked[0]
    assert (asked.upstream, asked.path, asked.variant) == ("vllm", PATH, ROUTE.candidate)
    assert asked.body == chat_request()


async def test_a_row_says_which_trace_the_app_was_in():
    """Whoever tells of traces links the background call to the app's; without a context there is nothing to link."""
    text = f"00-{'0a' * 16}-{'0b' * 8}-01"
    row = await mirror(Scripted(good())).compare(drawn(request_head=head(("traceparent", text))))
    other = await mirror(Scripted(good())).compare(drawn(request_head=head(("traceparent", "00-1-2-01"))))
    assert (row.traceparent, other.traceparent) == (text, "")


async def test_a_row_says_which_endpoint_was_asked():
    """Whoever tells of calls must not take one of embeddings for a chat."""
    rows = [
        await mirror(Scripted(good())).compare(drawn(target=target))
        for target in (PATH, "/v1/embeddings", "/v1/responses?x=1")
    ]
    assert [row.endpoint for row in rows] == ["chat", "embeddings", "responses"]


async def test_a_path_that_the_candidate_lacks_is_not_held_against_it():
    """Beside a path that it answers it is no pair; whose every path is missing, or who had it before, has failed."""
    missing = ModelReply(404, b"", "no_path")
    elsewhere = drawn(target="/v1/responses", route=route(path=(PATH, "/v1/responses")))
    rows, told = list[Comparison](), mirror(Scripted(missing))
    for heard, call in ((missing, elsewhere), (good(), drawn()), (missing, elsewhere), (missing, drawn())):
        told.model = Scripted(heard)
        rows.append(await told.compare(call))

    assert [(row.came, row.reason) for row in rows] == [
        ("failed", "not_found"), ("answered", ""), ("skipped", "no_path"), ("failed", "not_found"),
    ]  # fmt: skip


async def test_a_candidate_that_starts_up_is_not_failing():
    """After a pause, until its first answer, for as long as the plan allows; where it allows none, all is counted."""
    away, now = ModelReply(503, b"", "overloaded"), NOW
    told = mirror(Scripted(away))
    told.wall = lambda: now
    call = drawn(route=route(cold_s=600.0))
    rows = [await told.compare(call)]
    told.model = Scripted(good())
    now += 90.0
    rows.append(await told.compare(call))
    told.model = Scripted(away)
    now += 1.0
    rows.append(await told.compare(call))
    told.model, now = Scripted(ModelReply(500, b"", "server_error")), now + 90.0
    rows.append(await told.compare(call))
    rows.append(await mirror(Scripted(away)).compare(drawn()))

    assert [(row.came, row.reason) for row in rows] == [
        ("skipped", "cold"), ("answered", ""), ("failed", "overloaded"), ("failed", "server_error"),
        ("failed", "overloaded"),
    ]  # fmt: skip


@pytest.mark.parametrize("usd", [0.25, None])
async def test_a_server_paid_by_the_hour_costs_what_its_answers_do_of_late(usd: float | None):
    """Whatever tokens it used, and none told: by hours, or unknown; never by a list of prices, and never 0."""
    made = mirror(Scripted(good(usage=None)))
    made.maker = replace(made.maker, prices=replace(made.maker.prices, hourly={"vllm": usd}))
    row = await made.compare(drawn(model="gpt-4o"))
    assert row.cost_usd == usd
    assert row.cost_served_usd == pytest.approx((20 * 10 + 6 * 20) / 1e6)
    other = await made.compare(drawn(asked="baseline", variant="candidate", upstream="vllm"))
    assert other.cost_served_usd == usd


async def test_reverse_shadow_turns_the_pair_around():
    """Beside a candidate's answer the baseline is asked; the score stays the candidate's less the baseline's."""
    scored: list[Pair] = []

    class Noting:
        async def score(self, pair: Pair) -> Score:
            scored.append(pair)
            return Score(q=0.25)

    model = Scripted(good("From the baseline."))
    call = drawn(
        asked="baseline", variant="candidate", upstream="vllm", route=route(compare=({"judge": {}},), metric="judge")
    )
    row = await mirror(model, {"judge": Noting()}).compare(call)

    assert (row.asked, row.q, row.p_mirror) == ("baseline", 0.25, 0.05)
    assert model.asked[0].variant == ROUTE.baseline
    assert scored[0].baseline.text == "From the baseline."
    assert scored[0].candidate.text == "It is on its way."


async def test_noise_floor_asks_no_judge():
    """The baseline beside itself is compared by what is pure: nobody pays to judge it."""
    model = Scripted(good("It is on its way!"))
    call = drawn(asked="baseline_again", route=route(compare=({"judge": {}}, {"exact": {}}), metric="judge"))
    row = await mirror(model, {"judge": Broken()}).compare(call)

    assert (row.asked, row.came, row.agree) == ("baseline_again", "answered", 0.0)
    assert row.p_mirror == pytest.approx(0.01)


async def test_placeholders_are_those_of_the_record():
    """What was hidden in the request is hidden by the same name in the background answer."""
    request = chat_request("I am anna@example.com and bob@example.com")
    model = Scripted(good("Hello bob@example.com"))
    row = await mirror(model).compare(drawn(request=request, request_bytes=len(request)))

    assert "bob@example.com" not in (row.answer_json or "")
    assert json.loads(row.answer_json or "")["choices"][0]["message"]["content"] == "Hello [EMAIL_2]"


async def test_a_stream_beside_a_stream():
    """A streamed answer is put together before it is compared."""
    call = drawn(response=chat_stream("It is ", "on its way."), streamed=True)
    row = await mirror(Scripted(good())).compare(call)

    assert (row.q, row.agree) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("heard", "came", "reason"),
    [
        (good(), "answered", ""),
        (ModelReply(0, b"", "total_timeout"), "timed_out", "total_timeout"),
        (ModelReply(200, b"", "first_byte_timeout"), "timed_out", "first_byte_timeout"),
        (ModelReply(0, b"", "unreachable"), "failed", "unreachable"),
        (ModelReply(500, b"", "server_error"), "failed", "server_error"),
        (ModelReply(401, b"", "key_refused"), "skipped", "no_background_key"),
        (ModelReply(403, b"", "key_refused"), "skipped", "no_background_key"),
        (ModelReply(0, b"", "unfit"), "skipped", "unfit"),
        (ModelReply(0, b"", "not_ready"), "skipped", "not_ready"),
        (ModelReply(0, b"", "no_socket"), "skipped", "no_socket"),
        (ModelReply(0, b"", "saturated"), "skipped", "saturated"),
        (ModelReply(200, b"", "long_answer"), "skipped", "long_answer"),
        (ModelReply(200, b'{"choices": []}'), "failed", "no_choice"),
        (ModelReply(302, b""), "failed", "status"),
    ],
)
def test_what_an_answer_counts_as(heard: ModelReply, came: str, reason: str):
    """Deadlines, failures and what was never asked are told apart; an answer that is none failed."""
    assert outcome(heard, answer.read(PATH, heard.body)) == (came, reason)


async def test_a_failed_call_is_a_row():
    """No answer is no pair, and still a row with what is known."""
    row = await mirror(Scripted(ModelReply(503, b"", "overloaded", total_s=0.01))).compare(drawn())

    assert (row.came, row.reason, row.status, row.q, row.metric) == ("failed", "overloaded", 503, None, "")
    assert (row.cost_usd, row.answer_json) == (None, None)
    assert row.cost_served_usd is not None


@pytest.mark.parametrize(
    "made",
    [
        {"outcome": "upstream_error", "status": 502, "response": b'{"error": {"message": "no"}}'},
        {"status": 500, "response": b'{"error": {"message": "no"}}'},
        {"outcome": "upstream_broken"},
        {"response": b"", "response_bytes": 300},
        {"response": b"not json"},
    ],
)
async def test_a_baseline_that_failed_is_not_compared(made: dict[str, Any]):
    """Where the app got no whole answer the candidate is asked all the same, and nothing is scored."""
    row = await mirror(Scripted(good())).compare(drawn(**made))

    assert (row.came, row.q, row.metric, row.total_ms) == ("answered", None, "", 250.0)


async def test_a_scorer_with_a_mistake_costs_its_score_alone():
    """A user's own scorer that raises leaves a row without a score, and is told of."""
    errors: list[str] = []
    call = drawn(route=route(compare=({"python": {}},), metric="python"))
    row = await mirror(Scripted(good("Another.")), {"python": Broken()}, errors).compare(call)

    assert (row.came, row.q, row.metric) == ("answered", None, "")
    assert errors == ["compare: KeyError"]


async def test_a_scorer_without_end_is_left(monkeypatch: pytest.MonkeyPatch):
    """Scoring that never ends is cut, and the row is written."""
    monkeypatch.setattr("shadow.mirror.COMPARE_S", 0.01)
    errors: list[str] = []
    call = drawn(route=route(compare=({"judge": {}},), metric="judge"))
    row = await mirror(Scripted(good("Another.")), {"judge": Slow()}, errors).compare(call)

    assert (row.came, row.q) == ("answered", None)
    assert errors == ["compare: TimeoutError"]


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (drawn(), ""),
        (drawn(target="/v1/chat/completions?beta=true"), ""),
        (drawn(target="/chat/completions"), ""),  # of an app whose base URL has no /v1
        (drawn(target="/v1/chat/completions/"), ""),
        (drawn(target="/v1/responses"), "path"),
        (drawn(request=b"", request_bytes=9_000_000), "not_kept"),
        (drawn(request=b'{"image_url": {"url": "http://x"}}'), "media_url"),
    ],
)
def test_what_nobody_is_asked(call: Drawn, reason: str):
    """Other endpoints, bodies that were not kept and media elsewhere are not mirrored, and it is said why."""
    assert refusal(call) == reason


def test_probabilities():
    """Each purpose has its own lot; the noise floor's is within the mirror's."""
    assert [probability(drawn(asked=asked)) for asked in ("candidate", "baseline", "baseline_again")] == [
        0.5, 0.05, 0.01,
    ]  # fmt: skip


def test_a_row_of_what_was_shed():
    """What was never asked has a row with the reason and nothing made up."""
    row = row_of(drawn(unit="u7"), "dropped", "queue_full", at=NOW)

    assert (row.unit, row.came, row.reason, row.status, row.total_ms) == ("u7", "dropped", "queue_full", 0, None)


def test_no_pair_of_a_request_that_is_none():
    """A request that cannot be read gives no pair."""
    maker, said = RecordMaker(b"p" * 32, Redactor(), PriceBook({}), {}), answer.read(PATH, good().body)
    unreadable = (
        drawn(request=b"[]"),
        drawn(request=b"{"),
        drawn(response_head=head(("content-encoding", "nonsense"))),
    )
    assert [pair_of(one, maker.read(one.exchange), said) for one in unreadable] == [None, None, None]


async def test_background_answers_to_one_request_are_compared_with_each_other():
    """The candidate's with the baseline's second, by whichever row is made last."""
    twice = route(sample_ppm=1_000_000, noise_ppm=1_000_000)
    ours = mirror(Scripted(good()))
    first = await ours.compare(drawn(model="gpt-4o", route=twice))
    second = await ours.compare(drawn(asked="baseline_again", model="gpt-4o", route=twice))
    assert (first.agree_other, second.agree_other) == (None, 1.0)


async def test_nobody_is_scored_for_whom_nobody_waits():
    """What evidence waits for no longer is not scored to its end; recorded traffic is, however old it is."""
    errors: list[str] = []
    made, call = mirror(Scripted(good("Another.")), {"judge": Slow()}, errors), drawn(arrived_at=NOW - PATIENCE_S)
    judged = replace(call, route=route(compare=({"judge": {}},), metric="judge"))
    assert ((await made.compare(judged)).q, errors) == (None, ["compare: TimeoutError"])
    made.patience_s = math.inf
    assert (await made.compare(call)).q is not None


@pytest.mark.parametrize("asked", ["candidate", "baseline", "baseline_again"])
async def test_a_repeat_is_asked_past_caches(asked: Asked):
    """The baseline's second answer must be one: no cache on the way may give back its first."""
    model = Scripted(good("Another."))
    await mirror(model, {}, []).compare(drawn(asked=asked))
    assert [call.past_caches for call in model.asked] == [asked == "baseline_again"]
