"""An upstream that says what real models really said to AlpacaEval's instructions, and judges as GPT-4 really did.

async with Alpaca(rows()) as upstream: ...ask upstream.base_url...     model: whose answer, or `judge`

It reads its requests as any model would: the instruction is the last message, and a judge's prompt is searched for
both answers. A text that no model gave is worse than any that one did.

python -m tests.fakes.alpaca [--port N]
"""

import argparse
import asyncio
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.fakes.judges import completion, read
from tests.fakes.raw_upstream import Call, RawUpstream, answer

DATA = Path("../shared/data/alpacaeval2_answers.jsonl.gz")
BASELINE = "gpt4_1106_preview"
JUDGE = "judge"

Row = Mapping[str, Any]


def rows() -> list[Row]:
    """The recorded rows. The data lies beside the repository, or it is not there: see `DATA`."""
    with gzip.open(DATA, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@dataclass(slots=True)
class Alpaca:
    """Listens while entered, on 127.0.0.1."""

    recorded: Sequence[Row]
    port: int = 0
    judged: int = 0
    """Verdicts given."""
    _by_instruction: dict[str, Row] = field(init=False)
    _raw: RawUpstream = field(init=False)

    def __post_init__(self) -> None:
        self._by_instruction = {row["instruction"]: row for row in self.recorded}
        self._raw = RawUpstream(self._answer, port=self.port, keep_calls=False)

    async def __aenter__(self) -> Self:
        await self._raw.__aenter__()
        self.port = self._raw.port
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._raw.__aexit__(kind, error, trace)

    @property
    def base_url(self) -> str:
        """What an upstream of the settings has."""
        return self._raw.base_url

    async def _answer(self, call: Call) -> None:
        asked = json.loads(call.request.body)
        if asked["model"] == JUDGE:
            self.judged += 1
            await call.send(answer(completion(self.verdict(call.request.body))))
            return
        row = self._by_instruction.get(asked["messages"][-1]["content"])
        if row is None or asked["model"] not in row["answers"]:
            await call.send(answer(b'{"error": {"message": "never recorded"}}', status=b"404 Not Found"))
            return
        said: str = row["answers"][asked["model"]]
        if asked.get("stream"):
            await self._stream(call, asked, said)
        else:
            whole = json.loads(completion(said)) | {"id": "chatcmpl-1", "created": 1, "model": asked["model"]}
            await call.send(answer(json.dumps(whole).encode()))

    async def _stream(self, call: Call, asked: Mapping[str, Any], said: str) -> None:
        about = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": asked["model"]}
        deltas: list[tuple[dict[str, str], str | None]] = [({"role": "assistant", "content": said}, None), ({}, "stop")]
        chunks = [
            about | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]} for delta, finish in deltas
        ]
        events = b"".join(b"data: %b\n\n" % json.dumps(each).encode() for each in chunks) + b"data: [DONE]\n\n"
        found = answer(events).replace(b"application/json", b"text/event-stream", 1)
        await call.send(found)

    def verdict(self, body: bytes) -> str:
        """GPT-4's preference, for the answers that the prompt holds."""
        seen = read(body)
        row = self._by_instruction[seen.question]
        first, second = (self._liking(row, text) for text in seen.answers)
        if first == second:
            return seen.verdicts[2]
        return seen.verdicts[0 if first > second else 1]

    @staticmethod
    def _liking(row: Row, text: str) -> float:
        """0.5 for the baseline's answer, more for one that was preferred to it; below all for what nobody said."""
        if text.strip() == row["answers"][BASELINE].strip():
            return 0.5
        given = [row["preference"][name] for name, said in row["answers"].items() if said.strip() == text.strip()]
        return given[0] if given else -1.0


async def _serve(port: int) -> None:
    async with Alpaca(rows(), port) as upstream:
        print(upstream.base_url, flush=True)  # noqa: T201 -- whoever started it reads where it listens
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    asyncio.run(_serve(parser.parse_args().port))
