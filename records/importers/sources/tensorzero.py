"""TensorZero: rows of `ChatInference`, `JsonInference` and `ModelInference`, and inferences that its client lists.

Rules:
1. What was sent stands in `ModelInference` (`raw_request`) alone where prompts were templates: a `ChatInference` has
   only their arguments, and is refused.
2. An inference with `dispreferred_outputs` was corrected: its output is what should have been said.
Source: TensorZero, "Data model", and the client's StoredInference.
"""

import json
from collections.abc import Iterator
from typing import Any, cast

from records.importers.imported import (
    Fields,
    ImportedExchange,
    UnfitRowError,
    completion,
    decoded,
    fields_of,
    moment,
    number,
    objects_of,
    said,
    text,
)


def exchanges(row: Fields) -> Iterator[ImportedExchange]:
    """The exchange of a row."""
    source_id = text(said(row, "inference_id", "id"))
    if not source_id:
        raise UnfitRowError("no inference: inference_id is not there")
    tags = fields_of(row.get("tags"))
    ms = number(said(row, "processing_time_ms", "response_time_ms"))
    first_ms = number(row.get("ttft_ms"))
    counts = (number(row.get("input_tokens")), number(row.get("output_tokens")))
    known: dict[str, Any] = {
        "source_id": source_id,
        "at": moment(row.get("timestamp")) or _made_at(source_id),
        "model": text(said(row, "model_name", "variant_name")),
        "user": text(tags.get("user_id")),
        "conversation": text(row.get("episode_id")),
        "first_byte_s": first_ms / 1000 if first_ms is not None else None,
        "total_s": ms / 1000 if ms is not None else None,
        "usage": {"prompt_tokens": counts[0], "completion_tokens": counts[1]} if None not in counts else None,
    }
    if "raw_request" in row:
        asked, answer = fields_of(row["raw_request"]), fields_of(row.get("raw_response"))
        if not objects_of(asked.get("messages")) or not objects_of(answer.get("choices")):
            raise UnfitRowError("raw_request: no chat completion of OpenAI's shape")
        yield ImportedExchange(request=asked, response=answer, **known)
        return
    told = _output(decoded(row.get("output")))
    worse: Any = decoded(row.get("dispreferred_outputs"))
    rejected = _output(cast(list[Any], worse)[0]) if worse and isinstance(worse, list) else None
    yield ImportedExchange(
        request=_request(row, known["model"]),
        response=completion(rejected or told, model=known["model"], usage=known["usage"]),
        corrected=told if rejected else None,
        **known,
    )


def _made_at(inference_id: str) -> float | None:
    """Ids are UUIDv7: they begin with the time."""
    digits = inference_id.replace("-", "")
    try:
        return int(digits[:12], 16) / 1000 if len(digits) == 32 and digits[12] == "7" else None
    except ValueError:
        return None


def _request(row: Fields, model: str) -> Fields:
    given = fields_of(row.get("input"))
    turns: list[Fields] = []
    if given.get("system") is not None:
        turns.append({"role": "system", "content": _words(given["system"])})
    for place, message in enumerate(objects_of(given.get("messages")) or []):
        if not text(message.get("role")):
            raise UnfitRowError(f"input.messages[{place}]: no role")
        turns += _turns(message)
    if not turns:
        raise UnfitRowError("input: no messages")
    asked: Fields = {"model": model, "messages": turns}
    if tools := _tools(fields_of(row.get("tool_params")) | row):
        asked["tools"] = tools
    if schema := fields_of(row.get("output_schema")):
        asked["response_format"] = {"type": "json_schema", "json_schema": {"name": "output", "schema": schema}}
    return asked


def _turns(message: Fields) -> Iterator[Fields]:
    """The message, and each tool result as one of its own, as OpenAI has them."""
    content = decoded(message.get("content"))
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else objects_of(content) or []
    for block in blocks:
        if block.get("type") == "tool_result":
            yield {"role": "tool", "tool_call_id": text(block.get("id")), "content": text(block.get("result"))}
    said_ = _message([block for block in blocks if block.get("type") != "tool_result"])
    if said_["content"] or said_.get("tool_calls"):
        yield {"role": message["role"]} | said_


def _message(blocks: list[Fields]) -> Fields:
    words, calls = "", list[Fields]()
    for block in blocks:
        kind = block.get("type")
        if kind in ("text", "raw_text"):
            if block.get("arguments") is not None:
                raise UnfitRowError("a template's arguments: import ModelInference, which has what was sent")
            words += _words(said(block, "text", "value") or "")
        elif kind == "tool_call":
            arguments = said(block, "raw_arguments", "arguments")
            arguments = arguments if isinstance(arguments, str) else json.dumps(arguments or {}, ensure_ascii=False)
            function = {"name": text(said(block, "raw_name", "name")), "arguments": arguments}
            calls.append({"id": text(block.get("id")), "type": "function", "function": function})
        elif kind not in ("thought", "unknown"):
            raise UnfitRowError(f"a block of type {text(kind)[:32] or 'none'}")
    return {"content": words or None} | ({"tool_calls": calls} if calls else {})


def _words(value: object) -> str:
    if not isinstance(value, str):
        raise UnfitRowError("a template's arguments: import ModelInference, which has what was sent")
    return value


def _output(found: object) -> Fields:
    if raw := text(fields_of(found).get("raw")):  # of a JSON function
        return {"content": raw}
    blocks = objects_of(found)
    if not blocks:
        raise UnfitRowError("output: no content blocks")
    return _message(blocks)


def _tools(given: Fields) -> list[Fields]:
    names = ("tools_available", "available_tools", "additional_tools")
    listed = [tool for name in names for tool in objects_of(given.get(name)) or []]
    return [
        {
            "type": "function",
            "function": {name: tool[name] for name in ("name", "description", "parameters", "strict") if name in tool},
        }
        for tool in listed
        if text(tool.get("name"))
    ]
