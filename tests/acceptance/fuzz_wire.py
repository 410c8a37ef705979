"""Answers and requests that went through a shredder: each is a row, with all in it that could be read.

python -m tests.acceptance.fuzz_wire [--count N] [--seed S]   prints the figures; 1 if a promise broke
"""

import argparse
import contextlib
import gzip
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from gateway.rewrite.answer import StreamAdapter, adapt_whole
from gateway.rewrite.readable_copy import read_copy
from gateway.rewrite.shapes import AnswerShape
from policies.request.body import read_body
from policies.request.engine_fields import named_media
from policies.routing import Variant
from records.pricing import Override, PriceBook
from records.record_maker import RecordMaker
from records.redact import Redactor
from records.wire.json_reader import mended_text
from shadow.compare import answer as comparing
from tests.fakes.exchanges import chat_answer, chat_request, chat_stream, exchange
from tests.rooms.dialect_samples import SAMPLES

Item = TypeVar("Item")

CHAT = "/v1/chat/completions"
REQUESTS = Path(__file__).parents[3] / "shared" / "data" / "openai_requests.jsonl.gz"
JUNK = (
    *(
        b"null",
        b'""',
        b"[]",
        b"{}",
        b"0",
        b"-1",
        b"1.5",
        b"1e999",
        b"NaN",
        b"true",
        b'"x"',
        b"[[[[",
        b"99999999999999999999",
    ),
    *(
        b"\\ud83d",
        b"\\ude00",
        b"\xff",
        b"\xf0\x9f",
        b"\x98\x80",
        b"\x00",
        b"\n",
        b"\r\n",
        b"\n\n",
        b"data: ",
        b"data:\n\n",
    ),
    *(b"event: error\n", b": ping\n\n", b"data: [DONE]\n\n", b'"', b"\\", b",", b"{", b"}", b'"index":', b'"content":'),
)
MAKER = RecordMaker(
    b"p" * 32, Redactor(frozenset()), PriceBook({}, (Override("openai", "", 1.0, 2.0),)), {}, honor_store_false=True
)
SHAPE, STUDENT = AnswerShape("chat", "gpt-4o", stream=True, tools=True), Variant("vllm", "student")


class Dice:
    """Seeded chance."""

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(seed)

    def below(self, most: int) -> int:
        """0 to `most` - 1."""
        return int(self._generator.integers(most))

    def choice(self, items: Sequence[Item]) -> Item:
        """One of them."""
        return items[self.below(len(items))]


class BrokenPromiseError(AssertionError):
    """What a mutated answer showed."""


def answers() -> list[tuple[str, bytes, bool]]:
    """Path, bytes and whether it is a stream: of every dialect, and plain ones."""
    found = [(CHAT, chat_stream("It is ", "on its ", "way \U0001f600."), True), (CHAT, chat_answer("fine"), False)]
    for said, expected in SAMPLES.values():
        found.append((expected.get("path", CHAT), said, said[:1] in (b"d", b":", b"e")))
    return found


def requests() -> list[bytes]:
    """Bodies of requests: the SDK's recorded ones where they are, and plain ones."""
    found = [chat_request("caf\u00e9 \U0001f600", tools=[]), chat_request(user="anna", metadata={"session_id": "s"})]
    if REQUESTS.exists():
        with gzip.open(REQUESTS) as lines:
            bodies = [str(json.loads(line).get("b") or "").encode() for line in lines]
        found += [body for body in bodies if body.startswith(b"{")][:300]
    return found


def mutate(data: bytes, pick: Dice) -> bytes:
    """`data` with a few places cut, doubled, flipped, or replaced by junk."""
    for _ in range(pick.choice((1, 1, 1, 2, 4))):
        at, size = pick.below(len(data) + 1), pick.choice((1, 1, 2, 8, 40))
        end = min(len(data), at + size)
        match pick.below(6):
            case 0:
                data = data[:at] + data[end:]
            case 1:
                data = data[:end] + data[at:]
            case 2:
                data = data[:at] + pick.choice(JUNK) + data[at:]
            case 3:
                data = data[:at] + bytes([pick.below(256)]) + data[at + 1 :]
            case 4:  # a whole value
                colon = data.find(b":", at)
                after = min(
                    (place for place in (data.find(b",", colon), data.find(b"}", colon)) if place > 0), default=-1
                )
                if 0 <= colon < after:
                    data = data[: colon + 1] + pick.choice(JUNK) + data[after:]
            case _:
                data = data[:at] if pick.below(5) == 0 else data + b"\n"
    return data


def direct_text(said: bytes) -> str | None:
    """What a plain reader of the stream hears of choice 0; None: it is not a stream that plain readers read."""
    text = ""
    for event in said.replace(b"\r\n", b"\n").split(b"\n\n"):
        if not event.startswith(b"data:") or b"\n" in event or b"\r" in event:
            return None
        data = event[5:].strip(b" \t")  # what JSON takes for blank, and no more: a form feed is no part of an event
        if data == b"[DONE]":
            break
        try:
            chunk: Any = json.loads(data.decode("utf-8", "surrogateescape"))
            (choice,) = chunk["choices"]
            piece = choice["delta"].get("content")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        if (
            choice.get("index") != 0
            or not isinstance(piece, str | None)
            or set(choice) - {"index", "delta", "finish_reason"}
        ):
            return None
        text += piece or ""
    return mended_text(text)


def try_answer(path: str, said: bytes, *, is_stream: bool, request: bytes) -> str:
    """One exchange with this answer, all through; returns what became of it.

    Raises:
        BrokenPromiseError: a row is empty, or its text is another.
    """
    one = exchange(request=request, response=said, streamed=is_stream, target=path)
    reading = MAKER.read(one)
    row = MAKER.record(one, reading=reading)
    msgspec.json.encode(row)
    if said and row.response_json is None:
        raise BrokenPromiseError("the answer is not in the row")
    if request and row.request_json is None:
        raise BrokenPromiseError("the request is not in the row")
    json.loads(row.response_json or "null")
    if reading.answer is not None:
        comparing.read(path, reading.answer.body)
    heard = direct_text(said) if is_stream and path == CHAT and said.endswith(b"[DONE]\n\n") else None
    if heard is not None:
        recorded = json.loads(row.response_json or "null")["choices"]
        content = (recorded[0]["message"]["content"] or "") if recorded else ""
        if content != heard:
            raise BrokenPromiseError("the recorded text is not the one that was heard")
    return "complete" if row.complete else "incomplete"


def try_candidate(said: bytes, pick: Dice, *, is_stream: bool) -> str:
    """The same bytes as a candidate's answer: what the app gets can be read, or the failure is told."""
    if not is_stream:
        found = adapt_whole(said, AnswerShape("chat", "gpt-4o"), STUDENT)
        json.loads(found) if isinstance(found, bytes) else None
        return "adapted" if isinstance(found, bytes) else "failed"
    adapter, out, at = StreamAdapter(SHAPE, STUDENT), b"", 0
    while at < len(said) and not (adapter.failure or adapter.done):
        size = 1 + pick.below(400)
        out += adapter.feed(said[at : at + size])
        at += size
    if not (adapter.failure or adapter.done):
        out += adapter.end()
    for line in out.split(b"\n"):
        if line.startswith(b"data: {"):
            json.loads(line[6:])
    return "failed" if adapter.failure else "adapted"


def try_request(body: bytes) -> None:
    """A request: routing, the media check and the record take it."""
    headers = {b"content-type": b"application/json"}
    _ = read_body(body) or read_copy(body, headers)
    with contextlib.suppress(msgspec.MsgspecError, UnicodeError, RecursionError):
        named_media(body)
    row = MAKER.record(exchange(request=body))
    if body and row.request_json is None:
        raise BrokenPromiseError("the request is not in the row")


def shred(seed: int, count: int) -> Counter[str]:
    """`count` mutations.

    Raises:
        RuntimeError: a promise broke, or something raised; it names the seed and the bytes.
    """
    pick, said, asked = Dice(seed), answers(), requests()
    counts: Counter[str] = Counter()
    for _ in range(count):
        path, whole, is_stream = pick.choice(said)
        body, request = mutate(whole, pick), mutate(pick.choice(asked), pick)
        try:
            counts[try_answer(path, body, is_stream=is_stream, request=request)] += 1
            if path == CHAT:
                counts[f"candidate {try_candidate(body, pick, is_stream=is_stream)}"] += 1
            try_request(request)
        except Exception as error:
            raise RuntimeError(f"seed {seed}: {error!r}\n{path} {body!r}\n{request[:2000]!r}") from error
    return counts


def batches(count: int, seed: int) -> Iterator[tuple[int, int]]:
    """Seeds and sizes."""
    number = max(1, count // 2000)
    return ((seed + place, count // number) for place in range(number))


def _shred(batch: tuple[int, int]) -> Counter[str]:
    return shred(*batch)


def main() -> int:
    """Shred many in two processes and print what became of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200_000, help="how many mutations")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with ProcessPoolExecutor(2) as pool:
        counts = sum(pool.map(_shred, batches(arguments.count, arguments.seed)), Counter[str]())
    sys.stdout.write(
        f"{counts['complete'] + counts['incomplete']} mutated exchanges: {counts['complete']} complete, "
        f"{counts['incomplete']} not; of a candidate {counts['candidate adapted']} for the app, "
        f"{counts['candidate failed']} failures told; 0 exceptions, 0 empty rows, 0 texts that differ\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
