"""OpenAI's Agents SDK: a run with a tool over Responses, streamed, and the same over chat completions."""

import asyncio

from agents import Agent, OpenAIChatCompletionsModel, Runner, function_tool, set_tracing_disabled
from openai import AsyncOpenAI

set_tracing_disabled(True)
asked = []


@function_tool
def weather(city: str) -> str:
    """The weather of a city."""
    asked.append(city)
    return "sunny"


async def main() -> None:
    agent = Agent(name="helper", instructions="Be brief.", tools=[weather], model="gpt-4o")
    assert (await Runner.run(agent, "weather?")).final_output.startswith("frontier-0-0")
    streamed = Runner.run_streamed(agent, "weather?")
    kinds = [event.type async for event in streamed.stream_events()]
    assert "raw_response_event" in kinds
    assert streamed.final_output.startswith("frontier-0-0")
    chat = OpenAIChatCompletionsModel(model="gpt-4o", openai_client=AsyncOpenAI())
    over_chat = Agent(name="helper", tools=[weather], model=chat)
    assert (await Runner.run(over_chat, "weather?")).final_output.startswith("frontier-0-0")
    streamed = Runner.run_streamed(over_chat, "weather?")
    async for _ in streamed.stream_events():
        pass
    assert streamed.final_output.startswith("frontier-0-0")
    assert asked == ["value"] * 4


asyncio.run(main())
print("ok")
