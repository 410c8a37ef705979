"""The bank's app: conversations by the official SDK through the gateway, and an account of all that came back."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import openai
from openai import AsyncOpenAI

from gateway.demo.tickets import lot

SYSTEM = "You sort messages of the customers of a bank. Answer with JSON: the intent."
KEY = "sk-bank"
PATIENCE_S = 60.0


@dataclass(slots=True)
class Traffic:
    """Sends while it runs; its counts may be read at any time."""

    base_url: str
    texts: list[str]
    in_flight: int = 32
    """Conversations under way."""
    begun: int = 0
    requests: int = 0
    by_variant: Counter[str] = field(default_factory=Counter[str])
    errors: Counter[str] = field(default_factory=Counter[str])
    """What the app saw instead of an answer; the SDK's retries are off."""

    async def run(self) -> None:
        """Converse until cancelled."""
        async with AsyncOpenAI(base_url=self.base_url, api_key=KEY, max_retries=0, timeout=PATIENCE_S) as client:
            await self._ask(
                client, "u-first", [self._message(0, 0)]
            )  # the frontier sees the key once (architecture §6, 9)
            async with asyncio.TaskGroup() as tasks:
                for _ in range(self.in_flight):
                    tasks.create_task(self._converse(client))

    async def _converse(self, client: AsyncOpenAI) -> None:
        while True:
            number, self.begun = self.begun, self.begun + 1
            messages: list[dict[str, str]] = []
            for turn in range(2 if number % 4 == 0 else 1):
                messages.append(self._message(number, turn))
                said = await self._ask(client, f"u-{number}", messages)
                if said is None:
                    break
                messages.append({"role": "assistant", "content": said})

    def _message(self, number: int, turn: int) -> dict[str, str]:
        text = self.texts[int(lot("bank", str(number), str(turn)) * len(self.texts))]
        return {"role": "user", "content": text}

    async def _ask(self, client: AsyncOpenAI, user: str, messages: list[dict[str, str]]) -> str | None:
        asked = [{"role": "system", "content": SYSTEM}, *messages]
        self.requests += 1
        try:
            answer = await client.chat.completions.with_raw_response.create(
                model="gpt-4o",
                messages=asked,  # type: ignore[arg-type] -- plain dicts, as an app writes them
                user=user,
                temperature=0,
            )
        except openai.APIError as error:
            self.errors[type(error).__name__] += 1
            return None
        self.by_variant[answer.headers.get("x-crossfade-variant", "")] += 1
        return answer.parse().choices[0].message.content
