"""Each row of the table of dialects, with the bytes that such a server sends."""

import json

import pytest

from records.pricing import PriceBook
from records.record_maker import RecordMaker
from records.redact import Redactor
from records.wire.dialects import DIALECTS
from shadow.compare import answer as comparing
from tests.fakes.exchanges import exchange
from tests.rooms.dialect_samples import SAMPLES

MAKER = RecordMaker(b"p" * 32, Redactor(), PriceBook({}), {})


def test_every_dialect_has_a_sample():
    """The page promises nothing that is not tried here."""
    assert list(SAMPLES) == [one.name for one in DIALECTS]
    assert len(DIALECTS) >= 30


@pytest.mark.parametrize("name", SAMPLES)
def test_dialect(name):
    """What the server meant is what is recorded and compared."""
    said, expected = SAMPLES[name]
    is_stream = expected.get("labelled", said[:1] in (b"d", b":", b"e"))
    path = expected.get("path", "/v1/chat/completions")
    one = exchange(response=said, streamed=is_stream, target=path)
    reading = MAKER.read(one)
    row = MAKER.record(one, reading=reading)
    assert reading.answer is not None
    shown = comparing.read(path, reading.answer.body).answer

    read = {field: getattr(row, field) for field in expected if hasattr(row, field)}
    assert read == {field: value for field, value in expected.items() if hasattr(row, field)}
    if "finish" in expected:
        assert (shown and shown.finish) == expected["finish"]
    if "calls" in expected:
        assert shown is not None
        assert [(call.name, call.arguments) for call in shown.calls] == expected["calls"]
    recorded = json.loads(row.response_json or "null")
    if "text" in expected:
        assert recorded["choices"][0]["message"]["content"] == expected["text"]
    if "reasoning" in expected:
        assert recorded["choices"][0]["message"]["reasoning_content"] == expected["reasoning"]
    assert "obfuscation" not in (row.response_json or "")
