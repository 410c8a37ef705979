"""What slices a request is of: by its language, length, tools, headers and metadata, and never by a name of anybody."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.request.body import read_body
from shadow.request_slices import slices_of
from tests.fakes.exchanges import exchange

GERMAN = "Bitte sag mir, was die Rechnung kostet und ob sie von dem Kunden auch schon bezahlt ist, für den sie ist."
ENGLISH = "Please tell me what the invoice is for and whether it was paid by the customer that you have on the list."
TOOL = {"type": "function", "function": {"name": "search"}}


def sliced(by: str, *, path: str = "/v1/chat/completions", size: int = 100, head: bytes = b"", **fields: Any) -> str:
    """The value of one dimension of a request with these fields."""
    raw = json.dumps({"model": "m", **fields}).encode()
    found = exchange(1)
    meta = msgspec.structs.replace(found.meta, target=path, request_bytes=size, request_head=head)
    (told,) = slices_of(msgspec.structs.replace(found, meta=meta, request_body=raw), read_body(raw), (by,))
    name, _, value = told.partition("=")
    assert name == by
    return value


def says(text: str) -> list[dict[str, Any]]:
    return [{"role": "system", "content": ENGLISH}, {"role": "user", "content": text}]


@pytest.mark.parametrize(
    ("by", "fields", "value"),
    [
        ("language", {"messages": says(GERMAN)}, "german"), ("language", {"messages": says(ENGLISH)}, "english"),
        ("language", {"messages": says("42")}, "other"), ("language", {}, "other"),
        ("language", {"path": "/v1/responses", "input": GERMAN}, "german"),
        ("tool", {}, "none"), ("tool", {"tools": [TOOL]}, "search"), ("tool", {"tools": [TOOL, TOOL]}, "search"),
        ("tool", {"tools": [TOOL, {"type": "function", "name": "buy"}]}, "several"),
        ("tool", {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "buy"}}}, "buy"),
        ("tool", {"tools": "x"}, "other"),
        ("length", {"size": 3_000}, "short"), ("length", {"size": 24_000}, "medium"), ("length", {"size": 1e6}, "long"),
        ("metadata:team", {"metadata": {"team": "sales"}}, "sales"), ("metadata:team", {"metadata": {}}, "none"),
        ("metadata:team", {"metadata": {"team": 4}}, "other"), ("metadata:team", {}, "none"),
        ("header:x-team", {"head": b"POST / HTTP/1.1\r\nX-Team: sales\r\n"}, "sales"), ("header:x-team", {}, "none"),
    ],
)  # fmt: skip
def test_every_dimension_has_a_value_for_every_request(by: str, fields: dict[str, Any], value: str):
    """What is not stated is none, and what cannot be told is other."""
    assert sliced(by, **fields) == value


@given(st.text())
def test_what_is_no_plain_word_is_no_name_of_a_slice(value: str):
    """Addresses and sentences never become labels."""
    found = sliced("metadata:who", metadata={"who": value})

    assert found == (value if value.isascii() and found != "other" else "other")
    assert len(found) <= 40
    assert sliced("metadata:who", metadata={"who": "ana@example.com"}) == "other"


def test_of_a_body_that_cannot_be_read_only_the_outside_is_known():
    """Its length and its headers; all else is other."""
    found = exchange(1)

    assert slices_of(found, None, ("language", "tool", "metadata:x")) == (
        "language=other", "tool=other", "metadata:x=other",
    )  # fmt: skip
    assert slices_of(found, None, ("length",)) == ("length=short",)
