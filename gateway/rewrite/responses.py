"""Responses in the frontier's shape: events keep their names, order and numbers; deltas keep their bytes.

Only events that carry the whole response, or a tool call's id, are written anew, in the fields named here alone.
"""

from typing import Final

import msgspec

from gateway.rewrite.call_ids import signed
from gateway.rewrite.chat import BROKEN
from gateway.rewrite.form import Fault, items_fault
from gateway.rewrite.problem import CandidateFailure, classify_event
from gateway.rewrite.shapes import (
    NULL,
    AnswerShape,
    Fields,
    Response,
    ResponsesEnd,
    ResponsesEvent,
    ResponsesItem,
    ResponsesProblem,
)
from gateway.rewrite.surface import UNREADABLE, is_empty
from policies.routing import Variant
from records.wire.json_reader import read
from records.wire.words import DONE, is_done, is_heartbeat

_EXTRAS: Final = (
    "input_messages",
    "output_messages",
    "kv_transfer_params",
    "prompt_token_ids",
    "metrics",
    "cached_tokens",
)
"""What engines add to a response."""
_ENDS: Final = frozenset({"response.completed", "response.incomplete"})
_ITEM_EVENTS: Final = frozenset({"response.output_item.added", "response.output_item.done"})
_TEXTS: Final = frozenset({
    "response.output_text.delta", "response.refusal.delta", "response.function_call_arguments.delta",
})  # fmt: skip
"""Events whose `delta` SDKs add up as text."""
_SILENT: Final = frozenset({
    "response.created", "response.queued", "response.in_progress", "response.output_item.added",
    "response.content_part.added", "keepalive", "ping",
})  # fmt: skip
"""What an engine says before its first token."""


class ResponseStream:
    """The events of one response. `take` is given one event at a time, and gives it as the app gets it."""

    def __init__(self, asked: AnswerShape, variant: Variant) -> None:
        self.begun = False
        """The first real token has come."""
        self.done = False
        """The answer has ended as it should."""
        self.failure: CandidateFailure | None = None
        self._asked = asked
        self._variant = variant
        self.said_bytes = 0
        """Of what its deltas say so far."""
        self.is_said = False
        """Never: its last event says all of it again."""
        self._cut_call: Fault | None = None
        """What is wrong with a call that is done: only the end says whether it was cut, and vLLM calls each completed.
        """
        self._sequence = -1
        self._worded = False

    @property
    def is_empty(self) -> bool:
        """There were neither words nor calls."""
        return not self._worded

    def take(self, data: bytes, name: str) -> bytes:
        """The app's event for one event's `data`. Sets `failure` instead where the engine broke.

        `name`: the event's, which is its type where the data says none.
        """
        if self.done or is_heartbeat(data) or data.startswith(DONE) or is_done(data):
            return b""
        try:
            return self._take(data, name)
        except UNREADABLE:
            pass  # it is odd, or none
        try:
            return self._take(msgspec.json.encode(read(data)), name)
        except UNREADABLE:
            self.failure = CandidateFailure("failure", "malformed")
            self.done = False
            return b""

    def _take(self, data: bytes, name: str) -> bytes:
        """The app's event.

        Raises:
            UNREADABLE: it is not written as it should be.
        """
        event = msgspec.json.decode(data, type=ResponsesEvent)
        if not event.type and name:
            event.type = name
            data = msgspec.json.encode({"type": name} | msgspec.json.decode(data, type=Fields))
        if event.type in {"error", "response.failed", ""}:
            self.failure = classify_event(data) or CandidateFailure("failure", "error_event")
            return b""
        fault = _event_fault(event, data, self._cut_call)
        if event.type == "response.output_item.done" and fault == "broken_arguments":
            self._cut_call, fault = fault, None
        if fault is not None:
            self.failure = CandidateFailure("failure", fault)
            return b""
        self._sequence = event.sequence_number if event.sequence_number is not None else self._sequence + 1
        self.done = event.type in _ENDS
        self.begun = self.begun or event.type not in _SILENT
        if event.delta is not NULL:
            self.said_bytes += len(event.delta)
        self._worded = self._worded or not (self.done or event.type in _SILENT)
        return b"event: %b\ndata: %b\n\n" % (event.type.encode(), self._adapt(event.type, data))

    def cut(self) -> bytes:
        """The upstream's body has ended; a `failure` if that was too early."""
        if not self.done and self.failure is None:
            self.failure = CandidateFailure("failure", "truncated" if self.begun else "empty")
        return b""

    def broken(self) -> bytes:
        """The event that says that the response broke off, with the next number."""
        problem = ResponsesProblem(self._sequence + 1, message=BROKEN)
        return b"event: error\ndata: %b\n\n" % msgspec.json.encode(problem)

    def _adapt(self, kind: str, data: bytes) -> bytes:
        if kind in _ITEM_EVENTS:
            fields = msgspec.json.decode(data, type=Fields)
            fields["item"] = _sign(fields["item"])
            return msgspec.json.encode(fields)
        if kind in _ENDS or kind in _SILENT:
            fields = msgspec.json.decode(data, type=Fields)
            if "response" in fields:
                fields["response"] = msgspec.Raw(_dress(fields["response"], self._asked, self._variant))
            return msgspec.json.encode(fields)
        return data if b"\n" not in data else msgspec.json.format(data, indent=-1)


def _event_fault(event: ResponsesEvent, data: bytes, cut_call: Fault | None) -> Fault | None:
    """What makes one event unusable, or the answer whose last it is; `cut_call`: what is wrong with one of its calls.

    vLLM says `response.completed` of a response whose status is "incomplete".
    """
    kind = event.type
    if kind in _TEXTS:
        return None if bytes(event.delta).startswith(b'"') else "malformed"
    if kind == "response.output_item.done":
        item = msgspec.json.decode(data, type=Fields).get("item", NULL)
        return items_fault([item], is_cut=False)
    if kind in _ENDS:
        response = msgspec.json.decode(data, type=Fields).get("response")
        if response is None:
            return "malformed"
        end = msgspec.json.decode(response, type=ResponsesEnd)
        is_cut = kind == "response.incomplete" or end.status == "incomplete"
        return items_fault(end.output or (), is_cut=is_cut) or (None if is_cut else cut_call)
    return None


def adapt_whole(body: bytes, asked: AnswerShape, variant: Variant) -> bytes | CandidateFailure:
    """One whole response in the frontier's shape, or why it is none."""
    try:
        response = msgspec.json.decode(body, type=Response)
        if not is_empty(response.error) or response.status in {"failed", "cancelled"}:
            return classify_event(body) or CandidateFailure("failure", "aborted")
        if response.status in {"in_progress", "queued"}:  # nothing that runs in the background is asked of a candidate
            return CandidateFailure("failure", "aborted")
        fault = items_fault(response.output, is_cut=response.status == "incomplete")
        if fault is not None:
            return CandidateFailure("failure", fault)
        return _dress(body, asked, variant)
    except UNREADABLE:
        return classify_event(body) or CandidateFailure("failure", "malformed")


def _dress(response: bytes | msgspec.Raw, asked: AnswerShape, variant: Variant) -> bytes:
    """The response with the fields that must look like the frontier's."""
    fields = msgspec.json.decode(response, type=Fields)
    for name in _EXTRAS:
        fields.pop(name, None)
    if variant.report_model == "requested":
        fields["model"] = msgspec.Raw(msgspec.json.encode(asked.model))
    fields |= asked.echo
    if asked.service_tier:
        fields["service_tier"] = msgspec.Raw(b'"default"')
    items = msgspec.json.decode(fields.get("output", b"[]"), type=list[msgspec.Raw] | None)
    fields["output"] = msgspec.Raw(msgspec.json.encode([_sign(item) for item in items or ()]))
    if "error" in fields and is_empty(fields["error"]):
        fields["error"] = NULL
    return msgspec.json.encode(fields)


def _sign(item: msgspec.Raw) -> msgspec.Raw:
    """The output item, its tool call's id saying who made it."""
    call = msgspec.json.decode(item, type=ResponsesItem)
    if not call.call_id:
        return item
    fields = msgspec.json.decode(item, type=Fields)
    fields["call_id"] = msgspec.Raw(msgspec.json.encode(signed(call.call_id, call.name or "")))
    return msgspec.Raw(msgspec.json.encode(fields))
