from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from gateway.control.exporter.names import SpanFacts
from gateway.control.exporter.otlp import rejected, request_body, span_message
from gateway.control.exporter.spans import Span, SpanEvent
from tests.fakes.otlp import attributes_of

TRACE, SPAN, PARENT = "0a" * 16, "0b" * 8, "0c" * 8
FACTS = SpanFacts(
    route="r", status=200, is_shadow=True, weight=0.5, finish_reasons=("stop", "length"), key_name="half \ud83d"
)


def span(**fields: object) -> Span:
    usual: dict[str, object] = {"kind": "client", "name": "n", "start_ns": 1, "end_ns": 2, "facts": FACTS}
    return Span(TRACE, SPAN, PARENT, **(usual | fields))  # type: ignore[arg-type]


def test_a_span_on_the_wire() -> None:
    """Ids are bytes, values have their types, text that is none is mended, and whose parent was elsewhere says so."""
    event = SpanEvent("scored", 3, SpanFacts(score=0.5))
    whole = span(kind="server", is_failed=True, is_parent_remote=True, links=((TRACE, PARENT),), events=(event,))
    found = span_message(whole, ("gen_ai",))
    assert (found.trace_id.hex(), found.span_id.hex(), found.parent_span_id.hex()) == (TRACE, SPAN, PARENT)
    assert (found.kind, found.start_time_unix_nano, found.end_time_unix_nano) == (WireSpan.SPAN_KIND_SERVER, 1, 2)
    assert attributes_of(found.attributes) == {
        "crossfade.route": "r",
        "http.response.status_code": 200,
        "crossfade.shadow": True,
        "crossfade.weight": 0.5,
        "gen_ai.response.finish_reasons": ["stop", "length"],
        "crossfade.key_name": "half ?",
    }
    assert (found.status.code, found.flags) == (Status.STATUS_CODE_ERROR, 0x301)
    assert (found.links[0].trace_id.hex(), found.links[0].span_id.hex()) == (TRACE, PARENT)
    assert [each.name for each in found.events] == ["scored"]
    assert attributes_of(found.events[0].attributes) == {"gen_ai.evaluation.score.value": 0.5}


def test_a_span_that_did_not_fail_says_nothing_of_it() -> None:
    """A status is the app's to set; ours is only that something failed."""
    found = span_message(span(), ())
    assert (found.HasField("status"), found.flags, len(found.links)) == (False, 0x101, 0)


def test_a_post_says_who_it_is_from() -> None:
    """Resource and scope stand once, beside all spans."""
    messages = [span_message(span(), ()), span_message(span(), ())]
    body = request_body(messages, {"service.name": "crossfade"}, "1.2")
    (found,) = ExportTraceServiceRequest.FromString(body).resource_spans
    assert attributes_of(found.resource.attributes) == {"service.name": "crossfade"}
    assert (found.scope_spans[0].scope.name, found.scope_spans[0].scope.version) == ("crossfade", "1.2")
    assert len(found.scope_spans[0].spans) == 2


def test_what_a_collector_rejects_is_read_off_its_answer() -> None:
    """A partial success counts; anything else that was answered rejects nothing."""
    told = ExportTraceServiceResponse()
    told.partial_success.rejected_spans = 3
    assert [rejected(body) for body in (told.SerializeToString(), b"", b"<html>")] == [3, 0, 0]
