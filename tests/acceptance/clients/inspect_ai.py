"""Inspect: an evaluation of two samples with a tool, over chat completions and over Responses."""

import asyncio
import sys

sys.path.pop(0)  # this file has the package's name

from inspect_ai.model import GenerateConfig, get_model
from inspect_ai.tool import tool


@tool
def weather():
    async def execute(city: str) -> str:
        """The weather of a city.

        Args:
            city: Where.
        """
        return f"sunny in {city}"

    return execute


async def main() -> None:
    for responses in (False, True):
        model = get_model("openai/gpt-4o", responses_api=responses, config=GenerateConfig(max_retries=0))
        assert (await model.generate("hi")).completion.startswith("frontier-0-0")
        called = await model.generate("weather?", tools=[weather()])
        assert called.choices[0].message.tool_calls[0].arguments == {"city": "value"}


asyncio.run(main())
print("ok")
