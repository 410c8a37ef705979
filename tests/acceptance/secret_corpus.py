"""Secrets of seventy kinds and as many harmless look-alikes, recorded in every way: what is left, what is lost.

python -m tests.acceptance.secret_corpus   prints hits and false alarms; 1 if there is a miss or a false alarm
"""

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

from records.exchange import Exchange
from records.pricing import PriceBook
from records.record import Record
from records.record_maker import RecordMaker
from records.redact import Redactor, kinds_of
from tests.fakes.exchanges import chat_answer, chat_request, chat_stream, exchange
from tests.rooms.secret_samples import HARMLESS, SECRETS

PIECE = 3
"""Letters in each event of a stream."""


def record(made: Exchange) -> Record:
    """The row, with nothing but secrets replaced."""
    return RecordMaker(b"pepper", Redactor(kinds_of(["secret"])), PriceBook({}), {}).record(made)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _in_message(value: Any) -> Exchange:
    return exchange(0, chat_request(_text(value)))


def _in_metadata(value: Any) -> Exchange:
    return exchange(0, chat_request("so", metadata={"about": value}))


def _in_arguments(value: Any) -> Exchange:
    call = {"id": "call_1", "type": "function", "function": {"name": "go", "arguments": json.dumps({"with": value})}}
    return exchange(0, None, chat_answer("", "tool_calls", tool_calls=[call]))


def _in_json_in_json(value: Any) -> Exchange:
    inner = json.dumps({"result": json.dumps({"rows": [json.dumps({"note": value})]})})
    return exchange(0, chat_request("so", tools=[]), chat_answer(inner))


def _in_key(value: Any) -> Exchange:
    return exchange(0, chat_request("so", metadata={value: 1} if isinstance(value, str) else value))


def _in_cut_json(value: Any) -> Exchange:
    """JSON that is no whole one: words of a model that quotes some."""
    return exchange(0, None, chat_answer("It says " + json.dumps({"a": [1, value]})[:-1] + " and so on"))


def _in_pieces(value: Any) -> Exchange:
    text = _text(value)
    return exchange(0, None, chat_stream(*(text[at : at + PIECE] for at in range(0, len(text), PIECE))), streamed=True)


WAYS: dict[str, Callable[[Any], Exchange]] = {
    "in a message": _in_message,
    "in metadata": _in_metadata,
    "in a tool call": _in_arguments,
    "JSON in JSON in JSON": _in_json_in_json,
    "as a key": _in_key,
    "in cut JSON": _in_cut_json,
    "streamed in pieces": _in_pieces,
}


def misses() -> Iterator[tuple[str, str]]:
    """Way and kind of every secret that is left."""
    for way, put in WAYS.items():
        for sample in SECRETS:
            kept = _plain(record(put(sample.value)))
            if any(part in kept for part in sample.hidden.splitlines()):
                yield way, sample.name


def false_alarms() -> Iterator[tuple[str, str]]:
    """Way and text of every harmless sample of which something is lost."""
    for way, put in WAYS.items():
        for value in HARMLESS:
            row = record(put(value))
            if row.redactions_json != "{}":
                yield way, f"{_text(value)[:60]} -> {row.redactions_json}"


def _plain(row: Record) -> str:
    """What is kept, without the escapes of JSON in JSON: no part that must not be left has any."""
    return ((row.request_json or "") + (row.response_json or "")).replace("\\", "")


def main() -> int:
    """Print it; 1 if anything is left or lost."""
    left, lost = list(misses()), list(false_alarms())
    for way in WAYS:
        hits = len(SECRETS) - sum(found == way for found, _ in left)
        alarms = sum(found == way for found, _ in lost)
        sys.stdout.write(
            f"{way:22} {hits} of {len(SECRETS)} secrets found, {alarms} of {len(HARMLESS)} look-alikes lost\n"
        )
    sys.stdout.writelines(f"left, {way}: {name}\n" for way, name in left)
    sys.stdout.writelines(f"lost, {way}: {text}\n" for way, text in lost)
    return 1 if left or lost else 0


if __name__ == "__main__":
    sys.exit(main())
