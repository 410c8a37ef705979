"""A recorded request and answer as people read them: turns, tools, the answer's words and calls. Never raises.

What is kept is redacted already; nothing here takes a redaction back.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from shadow.compare import answer as answers
from shadow.compare import request as asked
from shadow.compare.pair import AppRequest, Fields, ModelAnswer

_SYSTEM = ("system", "developer")


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation."""

    role: str
    text: str
    calls: tuple[str, ...] = ()
    """Tools that it calls, each with its arguments."""


@dataclass(frozen=True, slots=True)
class PromptOutline:
    """What a request asks."""

    system: str
    turns: tuple[Turn, ...]
    """Without the system's."""
    tools: tuple[str, ...]
    request: AppRequest
    kept: bool
    """False: its body was not kept, or is no JSON object."""


@dataclass(frozen=True, slots=True)
class AnswerOutline:
    """What was answered."""

    answer: ModelAnswer | None
    problem: str
    """Why there is none: not kept, or which kind of failure; empty otherwise."""
    raw: str
    """The JSON as it was kept."""

    @property
    def text(self) -> str:
        """The answer's text, or that of its refusal."""
        return "" if self.answer is None else self.answer.text or self.answer.refusal

    @property
    def said(self) -> str:
        """The answer's text, then its tool calls."""
        calls = () if self.answer is None else self.answer.calls
        return "\n".join([*([self.text] if self.text else []), *(f"{call.name}({call.arguments})" for call in calls)])


def prompt_outline(path: str, request_json: str | None) -> PromptOutline:
    """The request whose JSON is `request_json`."""
    fields = _fields(request_json)
    request = AppRequest(path, fields or {})
    turns = list(_turns(request.fields))
    said = [turn.text for turn in turns if turn.role in _SYSTEM]
    instructions = asked.text(request.fields.get("instructions"))
    return PromptOutline(
        system="\n\n".join(part for part in (instructions, *said) if part),
        turns=tuple(turn for turn in turns if turn.role not in _SYSTEM),
        tools=tuple(asked.tools(request)),
        request=request,
        kept=fields is not None,
    )


def answer_outline(path: str, response_json: str | None) -> AnswerOutline:
    """The answer whose JSON is `response_json`."""
    if response_json is None:
        return AnswerOutline(None, "its body was not kept", "")
    found = answers.read(path, response_json.encode("utf-8", "surrogatepass"))
    return AnswerOutline(found.answer, found.reason, response_json)


def pretty(text: str) -> str:
    """JSON with its lines laid out; any other text as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _fields(text: str | None) -> Fields | None:
    try:
        found: Any = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None
    return cast(Fields, found) if isinstance(found, dict) else None


def _turns(fields: Fields) -> Iterator[Turn]:
    for name in ("prompt", "input"):
        if isinstance(fields.get(name), str):
            yield Turn("user", asked.text(fields[name]))
    for turn in (*asked.objects(fields.get("messages")), *asked.objects(fields.get("input"))):
        role = asked.text(turn.get("role")) or asked.text(turn.get("type"))
        calls = [asked.mapping(call.get("function")) for call in asked.objects(turn.get("tool_calls"))]
        calls += [turn] if turn.get("type") == "function_call" else []
        text = asked.content_text(turn.get("content")) or asked.text(turn.get("output"))
        yield Turn(role, text, tuple(f"{asked.text(each.get('name'))}({_arguments(each)})" for each in calls))


def _arguments(call: Fields) -> str:
    found = call.get("arguments")
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
