"""LlamaIndex's OpenAILike: chat, stream, and a call of a tool."""

import os
import sys

sys.path.pop(0)  # this file has the package's name

from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike


def weather(city: str) -> str:
    """The weather of a city."""
    return f"sunny in {city}"


llm = OpenAILike(
    model="gpt-4o",
    api_base=os.environ["OPENAI_BASE_URL"],
    api_key=os.environ["OPENAI_API_KEY"],
    is_chat_model=True,
    is_function_calling_model=True,
    max_retries=0,
)
turns = [ChatMessage("hi")]
said = llm.chat(turns).message.content
assert said.startswith("frontier-0-0")
assert "".join(part.delta or "" for part in llm.stream_chat(turns)) == said
assert llm.complete("hi").text.startswith("frontier-0-0")
answer = llm.chat_with_tools([FunctionTool.from_defaults(weather)], user_msg="weather?")
(call,) = llm.get_tool_calls_from_response(answer)
assert (call.tool_name, call.tool_kwargs) == ("weather", {"city": "value"})
print("ok")
