"""What the journal adds up to."""

import msgspec
import pytest

from gateway.control.recorder.tally import MAX_MODELS, Tally, expose
from gateway.telemetry.metrics import BY_NAME, MAX_SERIES, PREFIX, MetricOwner
from records.exchange import Attempt, Gap
from records.pricing import PriceBook
from records.record_maker import RecordMaker, RoutePrices
from records.redact import Redactor
from shadow.mirror import row_of
from tests.fakes.exchanges import AT, chat_request, chat_stream, exchange
from tests.rooms.drawing import drawn
from tests.rooms.scraped import values

MAKER = RecordMaker(
    b"p" * 32, Redactor(), PriceBook({"openai": "https://api.openai.com/v1"}), {"": RoutePrices("openai")}
)


def tally(*metas: dict[str, object]) -> Tally:
    made = Tally()
    for number, meta in enumerate(metas):
        made.add(MAKER.record(exchange(number, **meta)))
    return made


def test_whose_baseline_answered_for_which_model():
    """Each route with the models that its baseline was asked for, without a candidate's and what has no route."""
    made = tally(
        {"route": "support", "variant": "baseline"},
        {"route": "support", "variant": "candidate"},
        {"route": "", "variant": "baseline"},
    )
    made.count("requests_total", ("chat", "candidate", "tuned", "2xx"))
    assert made.baseline_models() == [("support", "gpt-4o")]


def test_what_alerts_look_at_is_there_from_the_start():
    """Losses, drops and votes are series with 0 before the first; what was counted stays, and nothing is new twice."""
    made = Tally()
    made.lose("damaged", 3)
    assert made.begin(["support"])
    assert not made.begin(["support"])
    assert values(made, "journal_lost_total")["damaged",] == 3
    assert values(made, "journal_lost_total")["disk_full",] == 0
    assert values(made, "shadow_total")["support", "candidate", "dropped", "queue_full"] == 0
    assert values(made, "feedback_total")["support", "candidate", "down"] == 0


def test_counters():
    """Exchanges, tokens and money by route, variant and model; why the candidate did not answer."""
    made = tally({}, {}, {"status": 500, "response": b"{}"}, {"why": "fallback", "reason": "timeout"}, {"status": 0})
    arm = ("support", "baseline")

    assert values(made, "requests_total") == {
        (*arm, "gpt-4o", "2xx"): 3,
        (*arm, "gpt-4o", "5xx"): 1,
        (*arm, "gpt-4o", "none"): 1,
    }
    assert values(made, "tokens_total")[*arm, "gpt-4o", "prompt"] == 80
    assert values(made, "cost_usd_total") == {(*arm, "gpt-4o"): pytest.approx(4 * 0.00011)}
    assert values(made, "counterfactual_cost_usd_total") == {arm: pytest.approx(4 * 0.00011)}
    assert values(made, "fallbacks_total") == {("support", "timeout"): 1}
    full = {"why": "busy", "reason": "saturated"}
    kept_away = tally({"why": "breaker"}, {"why": "breaker"}, {"why": "busy"}, full, {"why": "killed"})
    assert values(kept_away, "fallbacks_total") == {
        ("support", "breaker"): 2, ("support", "busy"): 1, ("support", "saturated"): 1,
    }  # fmt: skip
    assert values(tally({"why": "ineligible", "reason": "images"}), "ineligible_total") == {("support", "images"): 1}
    assert values(tally({"why": "slice", "reason": ""}), "ineligible_total") == {("support", "slice"): 1}


def test_what_a_candidate_in_vain_costs_in_time_is_shown():
    """From its start to its failure, once for each request that fell back; the baseline's own time is not in it."""
    tried = [
        Attempt("candidate", "vllm", None, "first_byte_timeout", started_s=0.1, ended_s=2.1),
        Attempt("baseline", "openai", 200, started_s=2.1, ended_s=9.0),
    ]
    made = tally({"why": "fallback", "reason": "first_byte_timeout", "attempts": tried}, {})
    (found,) = made.histograms[PREFIX + "fallback_wait_seconds"].values()
    assert (sum(found.counts), found.total) == (1, pytest.approx(2.0))


def test_answers_without_a_price():
    """An answer of known tokens and unknown price is counted, by model; a failure without tokens is none."""
    made = tally({"upstream": "nobody"}, {}, {"status": 500, "response": b"{}"})
    assert sum(values(made, "unpriced_total").values()) == 1
    assert "unpriced_total" not in str(tally({}).counters)


def test_background_calls():
    """What became of each background call by route, purpose and reason; what the calls and the judge cost."""
    made = Tally()
    made.add_comparison(row_of(drawn(), "answered", "", at=1.0, cost_usd=0.25, judge_cost_usd=0.5))
    made.add_comparison(row_of(drawn(), "dropped", "queue_full", at=1.0))
    made.add_comparison(row_of(drawn(asked="baseline_again"), "answered", "", at=1.0))

    assert values(made, "shadow_total") == {
        ("support", "candidate", "answered", ""): 1,
        ("support", "candidate", "dropped", "queue_full"): 1,
        ("support", "baseline_again", "answered", ""): 1,
    }
    assert values(made, "shadow_cost_usd_total") == {("support", "candidate"): 0.25}
    assert values(made, "judge_cost_usd_total") == {("support",): 0.5}


def test_histograms():
    """Times fall into their buckets, an edge belonging to the one below it; sums are the times'."""
    made = tally({"total_s": 0.5}, {"total_s": 0.9}, {"total_s": 10_000.0}, {"total_s": 1.0, "outcome": "app_gone"})
    arm = ("support", "baseline")
    buckets = values(made, "request_seconds_bucket")

    assert [buckets[*arm, edge] for edge in ("0.3", "0.5", "0.8", "1.0", "7680.0", "+Inf")] == [0, 1, 1, 2, 2, 3]
    assert values(made, "request_seconds_count") == {arm: 3}
    assert values(made, "request_seconds_sum") == {arm: pytest.approx(10_001.4)}
    assert values(made, "overhead_seconds_count") == {(): 4}


def test_only_streams_have_a_first_token():
    """Of whole bodies the first byte says nothing of the first token."""
    made = tally({}, {"response": chat_stream("a", "b"), "streamed": True})

    assert values(made, "time_to_first_token_seconds_count") == {("support", "baseline"): 1}


def test_models_that_apps_make_up():
    """Only names that an upstream answered for have series, and only so many of them."""
    made = tally(*({"model": f"made-up-{number}", "status": 404} for number in range(20)))
    assert {key[2] for key in values(made, "requests_total")} == {"other"}

    made = tally(*({"model": f"model-{number}"} for number in range(MAX_MODELS + 20)))
    assert len(values(made, "requests_total")) == MAX_MODELS + 1


def test_series_are_bounded():
    """Beyond the bound a value is counted, under another name."""
    made = Tally()
    for number in range(MAX_SERIES + 50):
        made.count("ineligible_total", (f"route-{number}", "images"))

    found = values(made, "ineligible_total")
    assert len(found) == MAX_SERIES + 1
    assert found["other", "other"] == 50


def test_labels_keep_their_text():
    """Quotes, line ends and our own separator in a name do not break the page."""
    made = tally({"model": 'a"b\\c\nd'}, {"model": "a\x1fb"}, {"route": ""})

    assert {key[2] for key in values(made, "requests_total")} == {'a"b\\c\nd', "a b", "gpt-4o"}


def test_losses():
    """What is missing is counted by its reason."""
    made = Tally()
    made.add_gap(Gap(AT, "disk_full", exchanges=3, bodies=2))
    made.lose("damaged", 0)

    assert values(made, "journal_lost_total") == {("disk_full",): 5}


def test_a_tally_outlives_its_process():
    """What is written down and read again counts on."""
    made = tally({}, {"request": chat_request("b"), "response": chat_stream("a", "b"), "streamed": True})
    again = msgspec.json.decode(msgspec.json.encode(made), type=Tally)
    again.add(MAKER.record(exchange(7)))
    made.add(MAKER.record(exchange(7)))

    assert expose(again) == expose(made)


def test_every_family_is_the_recorders():
    """Nothing here is computed by another process too."""
    made = tally({}, {"response": chat_stream("a", "b"), "streamed": True})
    names = {*made.counters, *made.histograms}

    assert {BY_NAME[name].owner for name in names} == {MetricOwner.RECORDER}


def test_what_was_not_read_is_counted_by_kind():
    """Each oddity of an exchange adds to its kind's counter."""
    tally = Tally()
    tally.add_odd({"not_utf8": 2, "not_json": 1})
    tally.add_odd({"not_json": 1})

    assert tally.counters["crossfade_unread_total"] == {"not_utf8": 2, "not_json": 2}
