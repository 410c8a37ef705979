"""The litellm SDK as an app of ours: completion, stream, tools, embeddings."""

import os
import sys

sys.path.pop(0)  # this file has the package's name
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm

base = os.environ["OPENAI_BASE_URL"]
turns = [{"role": "user", "content": "hi"}]
tools = [
    {
        "type": "function",
        "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
    }
]
whole = litellm.completion("openai/gpt-4o", turns, api_base=base)
assert whole.choices[0].message.content.startswith("frontier-0-0")
assert whole.usage.total_tokens > 0
parts = list(
    litellm.completion("openai/gpt-4o", turns, api_base=base, stream=True, stream_options={"include_usage": True})
)
assert "".join(part.choices[0].delta.content or "" for part in parts if part.choices).startswith(
    "frontier-0-0 frontier-0-1"
)
call = litellm.completion("openai/gpt-4o", turns, api_base=base, tools=tools).choices[0].message.tool_calls[0]
assert call.function.name == "weather"
assert len(litellm.embedding("openai/text-embedding-3-small", ["x"], api_base=base).data[0]["embedding"]) == 8
try:
    litellm.completion("openai/missing-1", turns, api_base=base)
except litellm.NotFoundError:
    print("ok")
