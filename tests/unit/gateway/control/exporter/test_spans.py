from typing import Any

import msgspec
import pytest

from gateway.control.exporter.spans import (
    Span,
    SpanTerms,
    UpstreamPlace,
    comparison_spans,
    exchange_spans,
    is_exported,
    server_span_of,
    trace_of,
)
from records.comparison import Comparison
from records.exchange import Attempt, Exchange
from records.pricing import PriceBook
from records.record_maker import RecordMaker, RoutePrices
from records.redact import redactor_for
from records.trace_context import TraceContext
from tests.fakes.exchanges import AT, chat_request, chat_stream, exchange, head

PARENT = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", is_sampled=True)
TRACEPARENT = f"00-{PARENT.trace_id}-{PARENT.span_id}-01"
ROUTES = {
    "": RoutePrices("openai"),
    "support": RoutePrices("openai", "gpt-4o", "tuned", "vllm"),
}
TERMS = SpanTerms({"openai": UpstreamPlace("openai", "api.openai.com", 443), "vllm": UpstreamPlace("vllm")}, ROUTES)
TOLD = SpanTerms(TERMS.upstreams, ROUTES, content=True)
MAKER = RecordMaker(b"pepper", redactor_for(("email",)), PriceBook({"openai": "https://api.openai.com/v1"}), ROUTES)
FALLEN_BACK = [
    Attempt("candidate", "vllm", error="first_byte_timeout", started_s=0.001, ended_s=0.2),
    Attempt("baseline", "openai", 200, started_s=0.2, head_s=0.3, first_byte_s=0.35, ended_s=0.9),
]


def spans_of(made: Exchange, terms: SpanTerms = TERMS, parent: TraceContext | None = PARENT) -> list[Span]:
    return exchange_spans(MAKER.record(made), made.meta.attempts, parent, terms)


def at(seconds: float) -> int:
    return round((AT + seconds) * 1000) * 1_000_000


def test_an_exchange_is_a_tree_in_the_apps_trace() -> None:
    """The exchange is the app's span's child, the call the exchange's; tokens and money stand at the call alone."""
    server, call = spans_of(exchange(request=chat_request(temperature=0.5, max_completion_tokens=9, n=2, seed=True)))
    assert (server.kind, server.name, server.trace_id, server.parent_id) == (
        "server", "POST /v1/chat/completions", PARENT.trace_id, PARENT.span_id
    )  # fmt: skip
    assert (call.kind, call.name, call.trace_id, call.parent_id) == (
        "client", "chat gpt-4o", PARENT.trace_id, server.span_id
    )  # fmt: skip
    assert (server.start_ns, server.end_ns) == (at(0), at(0.9))
    assert (call.start_ns, call.end_ns) == (round(AT * 1e9) + 200_000, at(0.9))
    assert not (server.is_failed or call.is_failed)
    facts = call.facts
    assert (facts.provider, facts.server_address, facts.server_port) == ("openai", "api.openai.com", 443)
    assert (facts.request_model, facts.response_model, facts.response_id) == (
        "gpt-4o", "gpt-4o-2024-11-20", "chatcmpl-1"
    )  # fmt: skip
    assert (facts.input_tokens, facts.output_tokens, facts.total_tokens) == (20, 6, 26)
    assert (facts.finish_reasons, facts.stream, facts.first_chunk_s) == (("stop",), False, None)
    assert (facts.temperature, facts.max_tokens, facts.choice_count, facts.seed) == (0.5, 9, 2, None)
    assert facts.invocation == '{"temperature":0.5,"max_tokens":9,"choice_count":2}'
    assert facts.cost_usd is not None
    assert (server.facts.input_tokens, server.facts.cost_usd) == (None, None)
    assert (server.facts.route, server.facts.weight, server.facts.why) == ("support", 0.05, "assigned")
    assert (server.facts.revision, server.facts.status, server.facts.outcome) == ("2026-11-18", 200, "complete")


def test_a_stream_says_when_its_first_chunk_came() -> None:
    """It is counted from when the upstream was asked."""
    _, call = spans_of(exchange(response=chat_stream("a", "b"), streamed=True))
    assert call.facts.stream is True
    assert call.facts.first_chunk_s == pytest.approx(0.2998)
    attempts = [Attempt("baseline", "openai", 200, started_s=0.1, ended_s=0.9)]  # all of it came at once
    _, call = spans_of(exchange(response=chat_stream("a"), streamed=True, attempts=attempts))
    assert call.facts.first_chunk_s == pytest.approx(0.2)


def test_a_fallback_is_two_calls() -> None:
    """The candidate's call failed with its reason, the baseline's bears what was said."""
    made = exchange(variant="baseline", why="fallback", reason="first_byte_timeout", attempts=FALLEN_BACK)
    server, candidate, baseline = spans_of(made)
    assert (candidate.is_failed, candidate.facts.error, candidate.facts.variant) == (
        True, "first_byte_timeout", "candidate"
    )  # fmt: skip
    assert (candidate.name, candidate.facts.provider, candidate.facts.input_tokens) == ("chat tuned", "vllm", None)
    assert (candidate.end_ns, baseline.start_ns) == (at(0.2), at(0.2))
    assert (baseline.is_failed, baseline.facts.input_tokens, server.is_failed) == (False, 20, False)
    assert (server.facts.why, server.facts.reason) == ("fallback", "first_byte_timeout")
    assert len({span.span_id for span in (server, candidate, baseline)}) == 3


def test_a_candidates_answer_does_not_name_its_model() -> None:
    """It names what the app asked for; the model that was asked is the route's."""
    attempts = [Attempt("candidate", "vllm", 200, started_s=0.0, first_byte_s=0.3, ended_s=0.9)]
    _, call = spans_of(exchange(variant="candidate", upstream="vllm", attempts=attempts))
    assert (call.facts.request_model, call.facts.response_model) == ("tuned", "")
    assert call.facts.revision == "2026-11-18"


@pytest.mark.parametrize(
    ("meta", "server_error", "call_error"),
    [
        ({"status": 500, "attempts": [Attempt("baseline", "openai", 500, started_s=0.0, ended_s=0.1)]}, "500", "500"),
        ({"status": 404, "attempts": [Attempt("baseline", "openai", 404, started_s=0.0, ended_s=0.1)]}, "", "404"),
        ({"outcome": "upstream_broken"}, "upstream_broken", "upstream_broken"),
        ({"outcome": "app_gone"}, "", ""),
        (
            {"outcome": "upstream_error", "variant": "gateway", "status": 502,
             "attempts": [Attempt("baseline", "openai", error="connect")]},
            "upstream_error", "connect",
        ),
    ],
)  # fmt: skip
def test_what_went_wrong_is_said_where_it_did(meta: dict[str, Any], server_error: str, call_error: str) -> None:
    """A call's error is its own; the exchange's only where the app got less than it should."""
    server, call = spans_of(exchange(**meta))
    assert (server.facts.error, server.is_failed) == (server_error, bool(server_error))
    assert (call.facts.error, call.is_failed) == (call_error, bool(call_error))


def test_a_refusal_is_one_span() -> None:
    """Where no upstream was asked there is no call."""
    made = exchange(outcome="refused", variant="gateway", why="refused", reason="overloaded", status=503, attempts=[])
    (server,) = spans_of(made)
    assert (server.is_failed, server.facts.error, server.facts.reason) == (True, "503", "overloaded")


@pytest.mark.parametrize(
    ("target", "body", "names", "operation", "kind"),
    [
        ("/v1/embeddings", {"input": "a"}, ["POST /v1/embeddings", "embeddings m"], "embeddings", "EMBEDDING"),
        ("/v1/responses", {"input": "a"}, ["POST /v1/responses", "chat m"], "chat", "LLM"),
        ("/v1/completions", {"prompt": "a"}, ["POST /v1/completions", "text_completion m"], "text_completion", "LLM"),
        ("/v1/files/file-77/content?x=1", {}, ["POST", "POST"], "", ""),
    ],
)  # fmt: skip
def test_each_endpoint_has_its_operation(
    target: str, body: dict[str, Any], names: list[str], operation: str, kind: str
) -> None:
    """Operations are the conventions'; what is no call of a model is plain HTTP, and no id gets into a span's name."""
    request = msgspec.json.encode({"model": "m", **body})
    server, call = spans_of(exchange(request=request, response=b"{}", target=target, model="", route=""))
    assert [server.name, call.name] == names
    assert (call.facts.operation, call.facts.span_kind) == (operation, kind)
    assert call.facts.embedding_model == ("m" if operation == "embeddings" else "")
    assert server.facts.path == target.partition("?")[0]


def test_a_tunnel_is_a_call_without_a_model() -> None:
    """A WebSocket has no body that could be told of."""
    attempts = [Attempt("baseline", "openai", 101, started_s=0.0, ended_s=60.0)]
    made = exchange(
        request=b"", response=b"", target="/v1/realtime", method="GET", outcome="tunnel", status=101, total_s=60.0,
        attempts=attempts, request_head=head(), model="",
    )  # fmt: skip
    server, call = spans_of(made, parent=None)
    assert (server.name, call.name, call.facts.operation) == ("GET", "GET", "")
    assert call.end_ns - call.start_ns == 60_000_000_000


def test_without_a_trace_context_the_exchange_is_a_trace_of_its_own() -> None:
    """It has no parent, and ids that follow from the exchange's: made again, they are the same."""
    made = exchange()
    first, again, other = (spans_of(one, parent=None) for one in (made, made, exchange(1)))
    assert first == again
    assert first[0].parent_id == ""
    assert first[0].trace_id == trace_of(made.meta.id, None) != other[0].trace_id
    assert not {span.span_id for span in first} & {span.span_id for span in other}


def test_words_are_told_only_if_asked_for() -> None:
    """Without `content` no text of a prompt or an answer is a fact; with it redacted text is."""
    made = exchange(request=chat_request("I am ann@example.com, where is it?"))
    for span in spans_of(made):
        assert "where is it" not in repr(span)
        assert "on its way" not in repr(span)
    server, call = spans_of(made, TOLD)
    assert "ann@example.com" not in repr((server, call))
    assert call.facts.asked[-1].text.endswith("where is it?")
    assert call.facts.said[0].text == "It is on its way."
    assert server.facts.input_text == call.facts.input_text == call.facts.asked[-1].text


@pytest.mark.parametrize("different", [{"no_train": True}, {"request": chat_request(store=False)}])
def test_words_that_may_not_be_kept_for_others_are_not_told(different: dict[str, Any]) -> None:
    """What an app keeps out of datasets is not handed to a collector either."""
    assert spans_of(exchange(**different), TOLD)[1].facts.asked == ()


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"temperature":"hot","seed":1e400,"messages":7}', b"\xff"])
def test_a_body_that_nobody_foresaw_costs_its_facts_alone(body: bytes) -> None:
    """Whatever a request holds, there are spans of it."""
    _, call = spans_of(exchange(request=body, response=b"\xff{"), TOLD)
    assert (call.facts.temperature, call.facts.seed, call.facts.asked) == (None, None, ())


def test_the_sampled_flag_of_the_app_decides() -> None:
    """A parent that is kept is exported and one that is not is not, whatever share is drawn."""
    assert is_exported("x", PARENT, 0)
    assert not is_exported("x", PARENT._replace(is_sampled=False), 1_000_000)


def test_of_other_traces_a_share_is_drawn_by_their_id() -> None:
    """The share comes out, the draw is the same each time, and a larger share keeps all that a smaller one does."""
    ids = [f"exchange-{number}" for number in range(2000)]
    tenth, half = ({each for each in ids if is_exported(each, None, ppm)} for ppm in (100_000, 500_000))
    assert 150 < len(tenth) < 250
    assert tenth < half
    assert all(is_exported(each, None, 1_000_000) and not is_exported(each, None, 0) for each in ids)


def comparison(**fields: Any) -> Comparison:
    usual: dict[str, Any] = {
        "exchange_id": "e1", "asked": "candidate", "route": "support", "unit": "u", "candidate_key": "k",
        "compared_us": int(AT * 1e6), "p_mirror": 1.0, "came": "answered", "status": 200, "total_ms": 500.0,
        "first_byte_ms": 100.0, "prompt_tokens": 20, "completion_tokens": 5, "cost_usd": 0.25, "metric": "judge",
        "q": -0.5, "agree": 0.75, "traceparent": TRACEPARENT,
        "answer_json": '{"choices":[{"message":{"role":"assistant","content":"soon"}}]}',
    }  # fmt: skip
    return Comparison(**(usual | fields))


def test_the_shadow_is_a_trace_of_its_own_with_a_link() -> None:
    """The app's trace does not grow; the link leads to the exchange's span, and the score is an event."""
    (span,) = comparison_spans(comparison(), TERMS)
    assert span.trace_id not in (PARENT.trace_id, trace_of("e1", None))
    assert (span.parent_id, span.links) == ("", ((PARENT.trace_id, server_span_of("e1")),))
    assert (span.kind, span.name, span.end_ns - span.start_ns) == ("client", "chat tuned", 500_000_000)
    facts = span.facts
    assert (facts.is_shadow, facts.upstream, facts.provider, facts.request_model) == (True, "vllm", "vllm", "tuned")
    assert (facts.input_tokens, facts.output_tokens, facts.cost_usd, facts.first_chunk_s) == (20, 5, 0.25, 0.1)
    assert [(event.name, event.facts.score_name, event.facts.score) for event in span.events] == [
        ("gen_ai.evaluation.result", "judge", -0.5)
    ]
    assert (facts.said, comparison_spans(comparison(), TOLD)[0].facts.output_text) == ((), "soon")
    (untraced,) = comparison_spans(comparison(traceparent=""), TERMS)
    assert untraced.links == ((trace_of("e1", None), server_span_of("e1")),)


@pytest.mark.parametrize(
    ("endpoint", "name", "operation", "kind", "embedding_model"),
    [
        ("chat", "chat tuned", "chat", "LLM", ""),
        ("responses", "chat tuned", "chat", "LLM", ""),
        ("embeddings", "embeddings tuned", "embeddings", "EMBEDDING", "tuned"),
        ("other", "POST", "", "", ""),
        ("", "chat tuned", "chat", "LLM", ""),
    ],
)
def test_the_shadows_call_is_of_its_exchanges_operation(
    endpoint: str, name: str, operation: str, kind: str, embedding_model: str
) -> None:
    """As the exchange's own calls are; a row of an earlier version, which does not say, is taken for a chat's."""
    (span,) = comparison_spans(comparison(endpoint=endpoint), TERMS)
    facts = span.facts
    assert (span.name, facts.operation, facts.span_kind, facts.embedding_model) == (
        name, operation, kind, embedding_model
    )  # fmt: skip


def test_each_of_the_shadows_calls_has_ids_of_its_own() -> None:
    """Candidate, reverse shadow and noise floor of one exchange are three traces, and so is each of several candidates.

    A baseline is asked for its model.
    """
    asked = ("candidate", "baseline", "baseline_again")
    found = [comparison_spans(comparison(asked=each), TERMS)[0] for each in asked]
    assert len({span.trace_id for span in found}) == len({span.span_id for span in found}) == 3
    assert [span.facts.upstream for span in found] == ["vllm", "openai", "openai"]
    assert [span.facts.request_model for span in found] == ["tuned", "gpt-4o", "gpt-4o"]
    several = [comparison_spans(comparison(route=f"support@{each}"), TERMS)[0] for each in ("small", "large")]
    assert len({span.trace_id for span in several}) == len({span.span_id for span in several}) == 2


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"came": "failed", "reason": "status", "status": 500, "q": None, "metric": ""}, "status"),
        ({"came": "timed_out", "reason": "", "status": 0, "total_ms": None}, "timed_out"),
        ({"came": "dropped", "reason": "queue_full"}, None),
        ({"came": "skipped", "reason": "budget"}, None),
    ],
)
def test_a_shadow_that_failed_says_so_and_one_that_was_not_asked_is_no_span(
    fields: dict[str, Any], error: str | None
) -> None:
    """What nobody was asked took no time and cost nothing: `/metrics` counts it."""
    found = comparison_spans(comparison(**fields), TERMS)
    assert [span.facts.error for span in found] == ([] if error is None else [error])
    assert all(span.is_failed for span in found)


def test_a_route_that_is_gone_still_has_its_spans() -> None:
    """Prices and models come from the table there is now: what it does not name is left out."""
    nobody = SpanTerms({}, {})
    assert comparison_spans(comparison(), nobody)[0].name == "chat"
    assert [span.name for span in spans_of(exchange(), nobody)] == ["POST /v1/chat/completions", "chat gpt-4o"]
