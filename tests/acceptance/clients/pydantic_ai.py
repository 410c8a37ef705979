"""Pydantic AI: an agent with a tool, a typed output, a stream, and the Responses model."""

import sys

sys.path.pop(0)  # this file has the package's name

from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel


class Triage(BaseModel):
    """A triaged message."""

    intent: str
    urgent: bool


asked = []
agent = Agent(OpenAIChatModel("gpt-4o"), instructions="Be brief.")


@agent.tool_plain
def weather(city: str) -> str:
    """The weather of a city."""
    asked.append(city)
    return "sunny"


assert agent.run_sync("weather?").output.startswith("frontier-0-0")
assert asked == ["value"]
typed = Agent(OpenAIChatModel("gpt-4o"), output_type=Triage)
assert typed.run_sync("triage").output == Triage(intent="value", urgent=True)
plain = Agent(OpenAIChatModel("gpt-4o"))
with plain.run_stream_sync("hi") as stream:
    assert "".join(stream.stream_text(delta=True)).startswith("frontier-0-0 frontier-0-1")
assert stream.usage.output_tokens == 8, stream.usage
assert Agent(OpenAIResponsesModel("gpt-4o")).run_sync("hi").output.startswith("frontier-0-0")
print("ok")
