"""Secrets that are cut across the events of a stream."""

import json

import pytest

from records.redact import Redactor
from records.stream_pieces import whole_events, whole_lines
from tests.rooms.secret_samples import made

KEY = "gh" + "p_" + made(36)


def cut(text: str, size: int = 5) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def block(piece: str) -> dict[str, object]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}


def arguments(piece: str) -> dict[str, object]:
    return {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": piece}}


@pytest.mark.parametrize("start", [b"data: ", b"data:", b""], ids=["events", "no blank", "lines"])
def test_a_secret_in_pieces_is_none_of_a_streams(start):
    """Its first piece becomes all of the text, redacted; names before a value tell, too; other lines stay."""
    password = json.dumps({"password": "horse7battery"})
    said = [*map(block, cut(f"use {KEY} now")), *map(arguments, cut(password)), {"type": "message_stop"}]
    raw = b": hi\n" + b"".join(start + json.dumps(one).encode() + b"\n\n" for one in said)
    redaction = Redactor().begin()
    told = whole_lines(raw, redaction)

    events = [json.loads(line.removeprefix(start)) for line in told.split(b"\n") if line[-1:] == b"}"]
    texts = ["".join(event["delta"].get(name, "") for event in events[:-1]) for name in ("text", "partial_json")]
    assert texts == ["use [SECRET_1] now", '{"password": "[SECRET_2]"}']
    assert told.startswith(b": hi\n") and told.endswith(b'{"type": "message_stop"}\n\n')
    assert redaction.counts == {"secret": 2}


def test_what_hides_nothing_stays_as_it_came():
    """Byte for byte, whatever stands in the lines."""
    raw = b'event: a\r\ndata: {"delta": "sk-", "n": [1, "x"]}\r\n\r\ndata: {"delta": "etch"}\r\n\r\ndata: {broken\n\n'
    assert whole_lines(raw, Redactor().begin()) == raw


def test_texts_of_other_places_are_other_texts():
    """What two calls say at once is no text of one."""
    first, second = cut(KEY, 20)
    events = [{"index": 0, "delta": first}, {"index": 1, "delta": second}]
    assert whole_events(events, Redactor().begin()) == [False, False]
