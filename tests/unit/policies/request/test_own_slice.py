"""The slice that a worker tells of a request, and that the evidence tells as well."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.request.body import Call, read_body
from policies.request.own_slice import own_slice
from shadow.request_slices import slices_of
from tests.fakes.exchanges import exchange

TOOL = {"type": "function", "function": {"name": "search"}}
by = st.sampled_from(["tool", "length", "header:x-team", "metadata:team"])
values = st.one_of(st.none(), st.integers(), st.text(max_size=50), st.sampled_from(["sales", "none", "other"]))
tools = st.sampled_from([None, [], [TOOL], [TOOL, TOOL], [{"type": "function", "name": "buy"}], "x", [1], {"a": 1}])


def asked(fields: dict[str, Any], headers: dict[bytes, bytes] | None = None, *, size: int | None = None) -> Call:
    raw = json.dumps({"model": "m", "messages": [{"role": "user", "content": "u"}], **fields}).encode()
    body = read_body(raw)
    assert body is not None
    return Call("/v1/chat/completions", headers or {}, body, body_bytes=len(raw) if size is None else size)


@pytest.mark.parametrize(
    ("dimension", "call", "slice_"),
    [
        ("tool", asked({"tools": [TOOL]}), "tool=search"),
        ("tool", asked({"tools": [TOOL], "tool_choice": {"type": "function", "name": "buy"}}), "tool=buy"),
        ("tool", asked({"tools": [TOOL, {"type": "function", "name": "buy"}]}), "tool=several"),
        ("tool", asked({}), "tool=none"), ("tool", asked({"tools": "x"}), "tool=other"),
        ("length", asked({}, size=3_001), "length=medium"), ("length", asked({}, size=24_001), "length=long"),
        ("header:x-team", asked({}, {b"x-team": b"sales"}), "header:x-team=sales"),
        ("header:x-team", asked({}, {b"x-team": b"ann@x.com"}), "header:x-team=other"),
        ("header:x-team", asked({}), "header:x-team=none"),
        ("metadata:team", asked({"metadata": {"team": "sales"}}), "metadata:team=sales"),
        ("metadata:team", asked({"metadata": {"team": 4}}), "metadata:team=other"),
    ],
)  # fmt: skip
def test_every_request_has_one_slice(dimension: str, call: Call, slice_: str) -> None:
    """What is not stated is none, and what cannot be told, or is no plain word, is other."""
    assert own_slice(dimension, call) == slice_


@given(by, values, values, tools)
def test_a_worker_tells_what_the_evidence_tells(dimension: str, header: Any, stated: Any, offered: Any) -> None:
    """Whatever a request says: what is certified of a slice is of the very requests that move with it."""
    value = str(header).replace("\r", "").replace("\n", "").strip().encode("utf-8")
    fields = {"metadata": {"team": stated}, "tools": offered}
    call = asked(fields, {} if header is None else {b"x-team": value})
    head = b"" if header is None else b"X-Team: first\r\nX-Team: " + value + b"\r\n"
    found = exchange(1)
    meta = msgspec.structs.replace(found.meta, request_head=head, request_bytes=call.body_bytes)
    told = slices_of(msgspec.structs.replace(found, meta=meta), call.body, (dimension,))

    assert told == (own_slice(dimension, call),)
