"""An upstream that says again what a real model said, in the time it took, scaled.

with in_thread(Replayed(tool_answers("gpt-4o-2024-05-13-FC"), label="gpt-4o", scale=0.05)) as frontier:
    ... frontier.base_url
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from tests.acceptance.real_answers.data import Said, key_of
from tests.fakes.raw_upstream import Call, RawUpstream

Fields = dict[str, Any]


@dataclass(slots=True)
class Replayed:
    """One model's answers behind /v1/chat/completions. `asked` counts the requests, by question."""

    answers: Mapping[str, Said]
    label: str
    scale: float = 1.0
    """Of the recorded times."""
    asked: dict[str, int] = field(default_factory=dict[str, int])
    _raw: RawUpstream = field(init=False)

    def __post_init__(self) -> None:
        self._raw = RawUpstream(self.answer, keep_calls=False)

    async def __aenter__(self) -> Self:
        await self._raw.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._raw.__aexit__(kind, error, trace)

    @property
    def base_url(self) -> str:
        """Where it listens."""
        return self._raw.base_url

    async def answer(self, call: Call) -> None:
        """One whole answer, or OpenAI's 404 to a question nobody was recorded to be asked."""
        request: Fields = json.loads(call.request.body)
        key = key_of(request)
        self.asked[key] = self.asked.get(key, 0) + 1
        said = self.answers.get(key)
        if said is None:
            await _send(call, 404, {"error": {"message": "never asked", "type": "invalid_request_error", "code": None}})
            return
        await asyncio.sleep(said.latency_s * self.scale)
        await _send(call, 200, _completion(request, said, self.label, number=sum(self.asked.values())))


def _completion(request: Fields, said: Said, label: str, *, number: int) -> Fields:
    finish = "tool_calls" if said.message.get("tool_calls") else "stop"
    used = {"prompt_tokens": said.prompt_tokens, "completion_tokens": said.completion_tokens}
    return {
        "id": f"chatcmpl-{label}-{number}",
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": request["model"],
        "choices": [{"index": 0, "message": said.message, "finish_reason": finish, "logprobs": None}],
        "usage": {**used, "total_tokens": said.prompt_tokens + said.completion_tokens},
    }


async def _send(call: Call, status: int, body: Fields) -> None:
    data = json.dumps(body).encode()
    head = b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    await call.send(head % (status, b"OK" if status == 200 else b"Not Found", len(data)) + data)
