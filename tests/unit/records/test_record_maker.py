"""Rows made of exchanges."""

import base64
import gzip
import hashlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.exchange import FeedbackFrame
from records.pricing import Override, PriceBook
from records.record import Record
from records.record_maker import RecordMaker, RoutePrices, bare
from records.redact import Redactor
from tests.fakes.exchanges import AT, chat_answer, chat_request, chat_stream, exchange, head

UPSTREAMS = {"openai": "https://api.openai.com/v1", "vllm": "http://127.0.0.1:8000/v1"}
PRICES = PriceBook(UPSTREAMS, (Override("vllm", "triage-7b", 0.1, 0.2),))
ROUTES = {"": RoutePrices("openai"), "support": RoutePrices("openai", None, "triage-7b")}
MAKER = RecordMaker(b"p" * 32, Redactor(), PRICES, ROUTES)


def record(*args: Any, **fields: Any) -> Record:
    return MAKER.record(exchange(1, *args, **fields))


def test_bodies_are_kept_as_they_came():
    """Where nothing had to be redacted the JSON is the very text, and its hash that of the bytes sent."""
    request, answer = chat_request(), chat_answer()
    row = record(request, answer)

    assert row.request_json == request.decode()
    assert row.response_json == answer.decode()
    assert row.request_sha256 == hashlib.sha256(request).hexdigest()
    assert row.response_sha256 == hashlib.sha256(answer).hexdigest()
    assert (row.complete, row.finish_reason, row.stream, row.consent) == (True, "stop", False, "train")


def test_streams_are_put_together():
    """A stream's row has the answer whole, its hash is of the bytes sent, and its pace is known."""
    stream = chat_stream("Bon", "jour")
    row = record(chat_request(), stream, streamed=True, chunk_times_us=[300_000, 500_000, 900_000])
    answer = json.loads(row.response_json or "")

    assert answer["choices"][0]["message"]["content"] == "Bonjour"
    assert row.response_sha256 == hashlib.sha256(stream).hexdigest()
    assert (row.stream, row.complete, row.usage_source) == (True, True, "estimated")
    assert row.completion_tokens == 2
    assert row.tpot_ms == pytest.approx(600.0)
    assert row.chunk_times_us == "[300000,500000,900000]"


@pytest.mark.parametrize("surface", ["chat", "completions", "responses"])
def test_log_probabilities_spell_out_no_secret(surface):
    """Where an answer had something to hide, its tokens one by one are not kept either; others' are."""
    hidden = "gh" + "p_" + "0123456789abcdefghijklmnopqrstuvwxyz"
    pieces = ["use ", *(hidden[place : place + 4] for place in range(0, len(hidden), 4))]
    listed = [{"token": piece, "logprob": -0.5, "bytes": list(piece.encode())} for piece in pieces]
    target, answer = {
        "chat": (
            "/v1/chat/completions",
            {"choices": [{"message": {"content": "".join(pieces)}, "logprobs": {"content": listed}}]},
        ),
        "completions": (
            "/v1/completions",
            {"choices": [{"text": "".join(pieces), "logprobs": {"tokens": pieces, "token_logprobs": [-0.5]}}]},
        ),
        "responses": (
            "/v1/responses",
            {"output": [{"content": [{"type": "output_text", "text": "".join(pieces), "logprobs": listed}]}]},
        ),
    }[surface]
    row = record(response=json.dumps(answer).encode(), target=target)
    other = record(response=json.dumps(answer).replace("ghp_", "word").encode(), target=target)

    assert "4567" not in (row.response_json or "")
    assert "[SECRET_1]" in (row.response_json or "")
    assert '"4567"' in (other.response_json or "")


@pytest.mark.parametrize("target", ["/v1/messages", "/v1/chat/completions"])
def test_a_secret_cut_across_another_apis_events_is_hidden(target):
    """Whether its events are kept as lines or as a list, what they say in pieces is redacted as a whole."""
    hidden = "gh" + "p_" + "0123456789abcdefghijklmnopqrstuvwxyz"
    events = [{"type": "text", "delta": {"text": hidden[place : place + 5]}} for place in range(0, len(hidden), 5)]
    row = record(
        response=b"".join(b"data: %b\n\n" % json.dumps(one).encode() for one in events), streamed=True, target=target
    )

    assert "56789" not in (row.response_json or "") and "abcde" not in (row.response_json or "")
    assert (row.response_json or "").count("[SECRET_1]") == 1


def test_redaction_runs_through_request_and_answer():
    """The same person is the same placeholder on both sides; nothing of them is in any column."""
    row = record(
        chat_request("I am anna@example.com", user="anna-7"),
        chat_answer("Hello anna@example.com"),
        request_head=head(("user-agent", "mailer bob@example.com")),
    )
    whole = msgspec.json.encode(row)

    assert "I am [EMAIL_1]" in (row.request_json or "")
    assert "Hello [EMAIL_1]" in (row.response_json or "")
    assert f"[USER_{row.user_id}]" in (row.request_json or "")
    assert json.loads(row.redactions_json)["email"] >= 2
    assert b"example.com" not in whole
    assert b"anna" not in whole


@pytest.mark.parametrize(
    ("fields", "request_fields", "consent"),
    [
        ({}, {}, ("train", "")),
        ({"no_train": True}, {}, ("none", "header")),
        ({}, {"store": False}, ("none", "store_false")),
        ({}, {"store": True}, ("train", "")),
    ],
)
def test_consent(fields, request_fields, consent):
    """An app's no is kept with where it was said."""
    row = record(chat_request(**request_fields), **fields)

    assert (row.consent, row.consent_source) == consent


def test_store_false_may_be_allowed():
    """The settings may say that store: false is about OpenAI's own storage."""
    maker = RecordMaker(b"p" * 32, Redactor(), PRICES, ROUTES, honor_store_false=False)

    assert maker.record(exchange(1, chat_request(store=False))).consent == "train"


@pytest.mark.parametrize(
    ("fields", "complete"),
    [
        ({"outcome": "app_gone"}, False),
        ({"outcome": "lost_worker"}, False),
        ({"outcome": "upstream_broken"}, False),
        ({"status": 500}, False),
        ({"status": 204}, True),
    ],
)
def test_complete(fields, complete):
    """Complete is what the app got in full, of a good answer with its own end."""
    assert record(**fields).complete == complete
    assert not record(chat_request(), chat_stream("Bon", finish=None), streamed=True).complete


def test_costs():
    """The baseline's answer costs what the book says; a candidate's its own price, beside the baseline's."""
    baseline = record()
    candidate = record(variant="candidate", upstream="vllm")
    unknown = record(variant="candidate", upstream="vllm", route="other")

    assert baseline.cost_usd == baseline.counterfactual_cost_usd == pytest.approx((20 * 2.5 + 6 * 10) / 1e6)
    assert candidate.cost_usd == pytest.approx((20 * 0.1 + 6 * 0.2) / 1e6)
    assert candidate.counterfactual_cost_usd == baseline.cost_usd
    assert candidate.price_version == "override"
    assert unknown.cost_usd is None
    assert record(status=500, response=b"{}").cost_usd is None


def test_an_answer_is_priced_by_what_it_names_itself():
    """The tier that served and the model that answered; of a candidate's both are the app's words, and say nothing."""
    used = {"prompt_tokens": 1_000_000, "completion_tokens": 0}
    said = {"model": "gpt-4o-2024-05-13", "service_tier": "priority"}
    answer = json.dumps(json.loads(chat_answer()) | {"usage": used} | said).encode()

    baseline = record(chat_request(service_tier="flex"), answer)
    assert (baseline.service_tier, baseline.cost_usd) == ("priority", pytest.approx(8.75))
    candidate = record(chat_request(service_tier="flex"), answer, variant="candidate", upstream="vllm")
    assert candidate.cost_usd == pytest.approx(0.1)
    assert candidate.counterfactual_cost_usd == pytest.approx(2.5)


def test_what_was_not_read_as_it_should_stand_is_counted_by_kind():
    """Of question and answer together; a coding that nobody undoes is one, too."""
    asked = chat_request("half \ud83d")
    answer = chat_answer().replace(b"on its way", b"on its \xff way")
    reading = MAKER.read(exchange(1, asked, answer))
    assert set(reading.odd) == {"half_character", "not_utf8"}
    told = head(("content-type", "application/json"), ("content-encoding", "nonsense"))
    assert MAKER.read(exchange(1, response_head=told)).odd == {"coding": 1}


def test_bytes_that_are_no_text_are_kept_as_base64():
    """Of a body that says it is words; what can be read in it is redacted all the same."""
    told = head(("content-type", "text/plain"))
    row = record(chat_request(), b"anna@example.com \xff", response_head=told, status=502)
    kept = base64.b64decode(json.loads(row.response_json or "")["base64"])
    assert kept == b"[EMAIL_1] \xff"


def test_whom_the_shadow_asks_is_told_by_the_routes_prices():
    """A route's candidate, or its baseline; of a route that nobody knows there is none."""
    maker = RecordMaker(b"p" * 32, Redactor(), PRICES, {"r": RoutePrices("openai", candidate_upstream="vllm")})
    assert maker.upstream_asked("r", of_candidate=True) == "vllm"
    assert maker.upstream_asked("r", of_candidate=False) == "openai"
    assert maker.upstream_asked("gone", of_candidate=True) == ""


def test_usage_that_only_the_engine_told():
    """Tokens that the app was not told are taken from what the worker noted."""
    usage = b'{"prompt_tokens":11,"completion_tokens":3,"total_tokens":14}'
    row = record(chat_request(), chat_stream("a"), streamed=True, variant="candidate", upstream="vllm", usage=usage)

    assert (row.prompt_tokens, row.completion_tokens, row.usage_source) == (11, 3, "reported")


def test_compressed_bodies():
    """An answer that was sent compressed is read from a copy; its hash stays that of the bytes sent."""
    body = gzip.compress(chat_answer(), mtime=0)
    told = head(("Content-Type", "application/json"), ("Content-Encoding", "gzip"))
    row = record(chat_request(), body, response_head=told)

    assert row.response_json == chat_answer().decode()
    assert row.response_sha256 == hashlib.sha256(body).hexdigest()
    assert row.prompt_tokens == 20


@pytest.mark.parametrize(
    ("body", "kind", "kept"),
    [
        (b"<html>bad gateway</html>", "text/html", '"<html>bad gateway</html>"'),
        (b"\xff\xfe\x00", "audio/mpeg", None),
        (b"{", "application/json", '"{"'),
        (b"", "application/json", None),
    ],
)
def test_answers_that_are_no_json(body, kind, kept):
    """Text is kept as a JSON string, so that the column is JSON throughout; binary is known by its hash."""
    row = record(chat_request(), body, response_head=head(("content-type", kind)), status=502)

    assert row.response_json == kept
    assert row.response_sha256 == hashlib.sha256(body).hexdigest()


def test_errors_have_their_words_in_columns():
    """An upstream's error object is told by type and code."""
    error = b'{"error":{"message":"no","type":"invalid_request_error","param":null,"code":"model_not_found"}}'
    row = record(chat_request(), error, status=404)

    assert (row.error_type, row.error_code, row.complete) == ("invalid_request_error", "model_not_found", False)


def test_bodies_may_be_sampled():
    """A share of exchanges keeps its bodies, all their row; which do does not depend on the order."""
    maker = RecordMaker(b"p" * 32, Redactor(), PRICES, ROUTES, sample_ppm=300_000)
    rows = [maker.record(exchange(number)) for number in range(400)]
    kept = [row.id for row in rows if row.request_json is not None]

    assert 80 < len(kept) < 160
    assert [maker.record(exchange(number)).id for number in range(400) if rows[number].response_json] == kept


@given(
    st.binary(max_size=80), st.binary(max_size=80), st.sampled_from(["application/json", "text/event-stream", "x/y"])
)
def test_any_bytes_make_a_row(request, answer, kind):
    """Whatever apps and upstreams send, there is a row, and its JSON columns are JSON."""
    row = record(request, answer, response_head=head(("content-type", kind)))

    for text in (row.request_json, row.response_json, row.attempts_json, row.redactions_json):
        assert text is None or json.loads(text) is not Ellipsis


def test_deep_json():
    """JSON nested deeper than anything of use is kept as text or not at all, and stops nothing."""
    for levels in (300, 400, 500, 600, 2000):
        for opened, closed in ((b"[", b"]"), (b'{"a":', b"}")):
            deep = b'{"messages":' + opened * levels + b"1" + closed * levels + b"}"
            assert record(deep, deep).request_bytes == len(deep)


def test_bare_rows():
    """Where bodies cannot be read, all that stands beside them is still a row."""
    made = exchange(1)

    assert (bare(made.meta).id, bare(made.meta).status, bare(made.meta).request_json) == (made.meta.id, 200, None)


def test_votes():
    """Feedback is a row, redacted; what is none is None."""
    body = b'{"request_id":"x","score":-0.5,"label":"bad","comment":"I am a@b.de","corrected_output":{"to":"a@b.de"}}'
    vote = MAKER.vote(FeedbackFrame("x", AT, "k", body))

    assert vote is not None
    assert (vote.exchange_id, vote.score, vote.label, vote.comment) == ("x", -0.5, "bad", "I am [EMAIL_1]")
    assert vote.corrected_output_json == '{"to":"[EMAIL_1]"}'
    assert MAKER.vote(FeedbackFrame("x", AT, "k", b"[]")) is None
