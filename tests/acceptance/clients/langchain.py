"""LangChain's ChatOpenAI: invoke, stream, tools, structured output, embeddings. The base URL is the environment's."""

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel


class Triage(BaseModel):
    """A triaged message."""

    intent: str
    urgent: bool


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return f"sunny in {city}"


model = ChatOpenAI(model="gpt-4o", max_retries=0)
said = model.invoke("hi")
assert said.content.startswith("frontier-0-0"), said
assert said.usage_metadata["total_tokens"] > 0
assert said.response_metadata["finish_reason"] == "stop"

chunks = list(model.stream("hi", stream_usage=True))
assert "".join(chunk.content for chunk in chunks) == said.content
assert sum(chunk.usage_metadata["output_tokens"] for chunk in chunks if chunk.usage_metadata) == 8

bound = model.bind_tools([weather])
turns = [HumanMessage("weather?")]
turns.append(bound.invoke(turns))
(call,) = turns[-1].tool_calls
assert call["args"] == {"city": "value"}
turns.append(ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"]))
assert bound.invoke(turns).content == said.content

merged = None
for chunk in bound.stream("weather?"):
    merged = chunk if merged is None else merged + chunk
assert merged.tool_calls[0]["name"] == "weather"

for method in ("json_schema", "function_calling"):
    assert model.with_structured_output(Triage, method=method).invoke("triage") == Triage(intent="value", urgent=True)
assert ChatOpenAI(model="gpt-4o", use_responses_api=True).invoke("hi").text.startswith("frontier-0-0")
assert len(OpenAIEmbeddings(model="text-embedding-3-small", check_embedding_ctx_length=False).embed_query("x")) == 8
print("ok")
