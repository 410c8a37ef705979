"""What a request asks for, as far as comparators care: tools, a form of the answer, and the prompts.

Everything is read as it comes, and what has another shape than it should is not there: nothing here raises.
Source: OpenAI API reference: `tools`, `functions`, `response_format`, `text.format`, `messages`, `input`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from shadow.compare.pair import AppRequest, Fields, ToolCall


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that may be called."""

    name: str
    parameters: Fields | None
    """JSON Schema of its arguments; None: nothing is said of them."""
    is_free: bool = False
    """A custom tool: what it is given is text, not JSON."""


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """What the text of the answer must be."""

    is_json: bool
    """The engine was told to write JSON, and nothing else."""
    schema: Fields | None
    """JSON Schema it was told to keep to."""


def tools(request: AppRequest) -> dict[str, Tool]:
    """The functions a request offers, by name: of chat completions, of Responses, and in the old form."""
    found: dict[str, Tool] = {}
    for tool in (*objects(request.fields.get("tools")), *objects(request.fields.get("functions"))):
        function = mapping(tool.get("function")) or mapping(tool.get("custom")) or tool
        name, parameters = text(function.get("name")), function.get("parameters")
        if name:
            stated = cast(Fields, parameters) if isinstance(parameters, dict) else None
            found[name] = Tool(name, stated, is_free=tool.get("type") == "custom")
    return found


def has_unknown_tool(calls: Iterable[ToolCall], offered: dict[str, Tool]) -> bool:
    """Whether something is called that was not offered."""
    return any(call.name not in offered for call in calls)


def form(request: AppRequest) -> AnswerForm:
    """The form that a request asks its answer to have."""
    fields = request.fields
    stated = mapping(fields.get("response_format")) or mapping(mapping(fields.get("text")).get("format"))
    inner = mapping(stated.get("json_schema")) or stated
    schema = inner.get("schema")
    wanted = cast(Fields, schema) if stated.get("type") == "json_schema" and isinstance(schema, dict) else None
    return AnswerForm(stated.get("type") in ("json_schema", "json_object"), wanted)


def prompts(request: AppRequest) -> Iterator[str]:
    """The texts that an answer must not repeat: what leads the conversation, and its last turn of the user."""
    fields = request.fields
    for whole in (fields.get("instructions"), fields.get("prompt"), fields.get("input")):
        if isinstance(whole, str):
            yield whole
    turns = objects(fields.get("messages")) or objects(fields.get("input"))
    for turn in turns[:1]:
        if turn.get("role") in ("system", "developer"):
            yield content_text(turn.get("content"))
    last = next((turn for turn in reversed(turns) if turn.get("role") == "user"), None)
    if last is not None:
        yield content_text(last.get("content"))


def content_text(content: object) -> str:
    """A turn's words, whether they are one text or come in parts."""
    if isinstance(content, str):
        return content
    return "\n".join(text(part.get("text")) for part in objects(content) if "text" in part)


def objects(value: object) -> list[Fields]:
    """The objects in a list; of anything else none."""
    found = cast("list[Any]", value) if isinstance(value, list) else []
    return [cast(Fields, one) for one in found if isinstance(one, dict)]


def mapping(value: object) -> Fields:
    """An object; of anything else an empty one."""
    return cast(Fields, value) if isinstance(value, dict) else {}


def text(value: object) -> str:
    """A text; of anything else an empty one."""
    return value if isinstance(value, str) else ""
