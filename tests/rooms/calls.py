"""Requests for the tests of matching and assignment."""

import json
from typing import Any

from policies.request.body import CHAT, Call, read_body
from policies.routing import Route, Variant


def call(body: dict[str, Any] | str, path: str = CHAT, *, key: str = "", **headers: str) -> Call:
    """A request; header names are written with underscores."""
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    read = read_body(raw)
    assert read is not None
    lower = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return Call(path, lower, read, body_bytes=len(raw), key_id=f"id-of-{key}", key_name=key)


def chat(*contents: Any, **fields: Any) -> dict[str, Any]:
    """A chat that asks for gpt-4o: a system prompt, then user and assistant in turns."""
    roles = ["system", *["user", "assistant"] * len(contents)]
    messages = [{"role": role, "content": content} for role, content in zip(roles, contents, strict=False)]
    return {"model": "gpt-4o", "messages": messages, **fields}


def route(name: str = "triage", **fields: Any) -> Route:
    """A route with a candidate."""
    return Route(name, Variant("openai"), candidate=Variant("vllm", "triage-7b"), **fields)
