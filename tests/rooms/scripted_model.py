"""A model that says what a test tells it."""

from dataclasses import dataclass, field
from typing import Any

from records.wire.usage import Usage
from shadow.ports import ModelCall, ModelReply
from tests.fakes.exchanges import chat_answer


@dataclass
class Scripted:
    """A model that says one thing, and keeps what it was asked."""

    heard: ModelReply
    asked: list[ModelCall] = field(default_factory=list[ModelCall])

    async def ask(self, ask: ModelCall) -> ModelReply:
        self.asked.append(ask)
        return self.heard


def good(text: str = "It is on its way.", **heard: Any) -> ModelReply:
    usual = {"first_byte_s": 0.05, "total_s": 0.25, "usage": Usage(20, 6)}
    return ModelReply(200, chat_answer(text), **(usual | heard))
