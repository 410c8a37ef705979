"""OTLP's messages: what is posted to a collector, and what it says to that. The only door to `opentelemetry`.

Source: OpenTelemetry protocol specification 1.8; `opentelemetry/proto/trace/v1/trace.proto`.
"""

from collections.abc import Iterable, Mapping, Sequence

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2 as wire

from gateway.control.exporter.names import AttributeValue, Convention, SpanFacts, attributes
from gateway.control.exporter.spans import Span, SpanEvent

_KINDS = {"server": wire.Span.SPAN_KIND_SERVER, "client": wire.Span.SPAN_KIND_CLIENT}
_SAMPLED, _SAYS_REMOTE, _REMOTE = 0x1, 0x100, 0x200
"""Bits of a span's flags: W3C's, whether it is known where the parent was, and that it was elsewhere."""


def span_message(span: Span, conventions: Sequence[Convention]) -> wire.Span:
    """One span."""
    return wire.Span(
        trace_id=bytes.fromhex(span.trace_id),
        span_id=bytes.fromhex(span.span_id),
        parent_span_id=bytes.fromhex(span.parent_id),
        flags=_SAMPLED | _SAYS_REMOTE | (_REMOTE if span.is_parent_remote else 0),
        name=span.name,
        kind=_KINDS[span.kind],
        start_time_unix_nano=span.start_ns,
        end_time_unix_nano=span.end_ns,
        attributes=_attributes(span.facts, conventions),
        events=[_event(event, conventions) for event in span.events],
        links=[
            wire.Span.Link(trace_id=bytes.fromhex(trace), span_id=bytes.fromhex(linked), flags=_SAMPLED)
            for trace, linked in span.links
        ],
        status=wire.Status(code=wire.Status.STATUS_CODE_ERROR) if span.is_failed else None,
    )


def request_body(spans: Iterable[wire.Span], resource: Mapping[str, str], version: str) -> bytes:
    """What is posted."""
    scoped = wire.ScopeSpans(scope=InstrumentationScope(name="crossfade", version=version), spans=spans)
    about = Resource(attributes=[_pair(name, value) for name, value in resource.items()])
    return ExportTraceServiceRequest(
        resource_spans=[wire.ResourceSpans(resource=about, scope_spans=[scoped])]
    ).SerializeToString()


def rejected(body: bytes) -> int:
    """How many spans a collector did not want of what it took; what is no answer of OTLP's rejects nothing."""
    try:
        return ExportTraceServiceResponse.FromString(body).partial_success.rejected_spans
    except DecodeError:
        return 0


def _attributes(facts: SpanFacts, conventions: Sequence[Convention]) -> list[KeyValue]:
    return [_pair(name, value) for name, value in attributes(facts, conventions)]


def _event(event: SpanEvent, conventions: Sequence[Convention]) -> wire.Span.Event:
    return wire.Span.Event(
        name=event.name, time_unix_nano=event.at_ns, attributes=_attributes(event.facts, conventions)
    )


def _pair(name: str, value: AttributeValue) -> KeyValue:
    return KeyValue(key=name, value=_value(value))


def _value(value: AttributeValue) -> AnyValue:
    match value:
        case bool():  # which is an int, too
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case str():
            return AnyValue(string_value=_utf8(value))
        case _:
            return AnyValue(array_value=ArrayValue(values=[AnyValue(string_value=_utf8(each)) for each in value]))


def _utf8(text: str) -> str:
    """Text that can stand in a message: half a surrogate pair, as a cut JSON may hold, cannot."""
    return text.encode("utf-8", "replace").decode()
