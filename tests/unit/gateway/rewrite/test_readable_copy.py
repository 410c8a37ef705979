"""Requests that routing cannot read as they stand."""

import gzip
import json

import pytest

from gateway.rewrite.readable_copy import read_copy

BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (gzip.compress(json.dumps(BODY).encode()), {b"content-encoding": b"gzip"}),
        (json.dumps(BODY | {"user": "lone \ud83d"}).encode(), {}),
        (json.dumps(BODY).encode().replace(b"hello", b"caf\xe9"), {}),
        (json.dumps(BODY | {"temperature": float("nan")}).encode(), {}),
        (json.dumps(BODY).encode("utf-16"), {}),
    ],
)
def test_a_copy_finds_the_route_and_is_not_for_the_candidate(body, headers):
    """Compressed, or with a text that strict readers refuse: its model is known, and the baseline is to answer it."""
    read = read_copy(body, headers)

    assert read is not None
    assert (read.model, read.is_copy) == ("gpt-4o", True)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\x1f\x8b damaged"])
def test_what_is_no_request_has_no_copy(body):
    """It goes to the default upstream, which says what is wrong with it."""
    assert read_copy(body, {b"content-encoding": b"gzip" if body.startswith(b"\x1f") else b""}) is None
