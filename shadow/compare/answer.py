"""What an answer says, out of its JSON body, and what is wrong with it beside another.

Source: OpenAI API reference: the chat completion, completion and response objects.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

from policies.events import Output
from policies.guards import describe
from records.wire.assemble import surface_of
from records.wire.json_reader import read_fields
from records.wire.problem import read_object
from records.wire.words import arguments_text, ending, says_nothing, spoken
from shadow.compare import language
from shadow.compare import request as asked
from shadow.compare.pair import Fields, ModelAnswer, Pair, ToolCall

Reason = Literal["", "not_json", "error", "no_choice", "unfinished"]
"""Why there is no whole answer: no JSON object; an error; nothing in it; a choice without a finish reason."""

_LONGEST_ECHO = 120
_SHORTEST_ECHO = 60
"""Characters of a prompt that no answer repeats by chance."""
_LEAK = re.compile(r"</?think(?:ing)?>|<\|[\w-]{2,32}\|>|\[/?INST\]|</?tool_call>")
"""What a chat template or a reasoning parser should have kept from the app."""


@dataclass(frozen=True, slots=True)
class AnswerReading:
    """What became of reading an answer."""

    answer: ModelAnswer | None
    reason: Reason = ""
    """Why there is none."""
    model: str = ""
    """Who answered, and in which tier, as the answer itself says."""
    service_tier: str = ""


def read(path: str, body: bytes) -> AnswerReading:
    """The answer that `body`, an unstreamed JSON answer, gives to a request to `path`. Never raises."""
    fields = read_fields(body)
    if fields is None:
        return AnswerReading(None, "not_json")
    surface = surface_of(path)
    if read_object(fields) is not None:
        return AnswerReading(None, "error")
    found = _READERS.get(surface, _first_choice)(fields)
    model, tier = asked.text(fields.get("model")), asked.text(fields.get("service_tier"))
    return AnswerReading(found.answer, found.reason, model, tier)


def said(answer: ModelAnswer) -> str:
    """All of an answer in one text, calls included: what the guards count."""
    calls = [f"{call.name}({call.arguments})" for call in answer.calls]
    return "\n".join(part for part in (answer.text or answer.refusal, *calls) if part)


def look(pair: Pair) -> tuple[Output, Output]:
    """What the guards need of the baseline's answer and of the candidate's."""
    strayed = language.differs(pair.baseline.text, pair.candidate.text)
    baseline = _look(pair.baseline, pair, beside=pair.candidate)
    return baseline, _look(pair.candidate, pair, beside=pair.baseline, seen=("language",) if strayed else ())


def is_truncated(answer: ModelAnswer, *, beside: ModelAnswer) -> bool:
    """Whether it was cut where the other was not."""
    return answer.finish == "length" != beside.finish


def is_silent(answer: ModelAnswer) -> bool:
    """Whether it says nothing at all."""
    return not (answer.calls or answer.text.strip() or answer.refusal)


def _look(answer: ModelAnswer, pair: Pair, *, beside: ModelAnswer, seen: tuple[str, ...] = ()) -> Output:
    wrong = (
        ("refusal", bool(answer.refusal)),
        ("truncated", is_truncated(answer, beside=beside)),
        ("echo", _echoes(answer.text, pair)),
        ("unknown_tool", asked.has_unknown_tool(answer.calls, asked.tools(pair.asked))),
        ("leak", bool(_LEAK.search(answer.text))),
    )
    output = describe(said(answer), seen=(*(name for name, is_so in wrong if is_so), *seen))
    return Output(output.digest, output.length, tuple(dict.fromkeys(output.flags)))


def _echoes(text: str, pair: Pair) -> bool:
    """Whether it repeats how the prompt begins."""
    plain = " ".join(text.split())
    for prompt in asked.prompts(pair.asked):
        beginning = " ".join(prompt[: 4 * _LONGEST_ECHO].split())[:_LONGEST_ECHO]
        if len(beginning) >= _SHORTEST_ECHO and beginning in plain:
            return True
    return False


# Chat completions and completions ---------------------------------------------------------------------------------


def _first_choice(fields: Fields) -> AnswerReading:
    choice = next(iter(asked.objects(fields.get("choices"))), None)
    if choice is None:
        return AnswerReading(None, "no_choice")
    finish = _finish(choice.get("finish_reason"))
    if not finish:
        return AnswerReading(None, "unfinished")
    if finish == "error":
        return AnswerReading(None, "error")
    message = asked.mapping(choice.get("message"))
    if not message:
        return AnswerReading(ModelAnswer(asked.text(choice.get("text")), finish=finish, fields=fields))
    calls = [_call(call) for call in asked.objects(message.get("tool_calls"))]
    legacy = asked.mapping(message.get("function_call"))
    if not says_nothing(legacy):
        calls.append(_function(legacy))
    text = _content(message.get("content"))
    return AnswerReading(ModelAnswer(text, tuple(calls), finish, asked.text(message.get("refusal")), fields))


def _finish(reason: object) -> str:
    """How the choice ended, in OpenAI's words; a word that nobody here knows as it stands."""
    found = ending(reason)
    return asked.text(reason) if found == "other" else found


def _content(content: object) -> str:
    """A message's words: one text, or parts that make one when they are streamed."""
    return spoken(cast("list[Any]", content)).text if isinstance(content, list) else asked.text(content)


def _call(call: Fields) -> ToolCall:
    custom = asked.mapping(call.get("custom"))
    if custom:
        return ToolCall(asked.text(custom.get("name")), asked.text(custom.get("input")))
    return _function(asked.mapping(call.get("function")))


def _function(function: Fields) -> ToolCall:
    return ToolCall(asked.text(function.get("name")), arguments_text(function.get("arguments")))


# Responses --------------------------------------------------------------------------------------------------------


def _response(fields: Fields) -> AnswerReading:
    status = asked.text(fields.get("status"))
    if status in ("failed", "cancelled"):
        return AnswerReading(None, "error")
    if status not in ("completed", "incomplete"):
        return AnswerReading(None, "unfinished")
    items = asked.objects(fields.get("output"))
    parts = [part for item in items if item.get("type") == "message" for part in asked.objects(item.get("content"))]
    calls = [_item_call(item) for item in items if item.get("type") in ("function_call", "custom_tool_call")]
    why = asked.text(asked.mapping(fields.get("incomplete_details")).get("reason"))
    finish = {"max_output_tokens": "length", "": "tool_calls" if calls else "stop"}.get(why, why)
    return AnswerReading(ModelAnswer(_joined(parts, "text"), tuple(calls), finish, _joined(parts, "refusal"), fields))


def _joined(parts: list[Fields], name: str) -> str:
    return "\n".join(asked.text(part[name]) for part in parts if name in part)


def _item_call(item: Fields) -> ToolCall:
    return ToolCall(asked.text(item.get("name")), asked.text(item.get("arguments", item.get("input"))))


# Embeddings -------------------------------------------------------------------------------------------------------


def _embeddings(fields: Fields) -> AnswerReading:
    """Vectors say nothing that people read: their text is a hash, which tells one answer from another."""
    items = asked.objects(fields.get("data"))
    if not items:
        return AnswerReading(None, "no_choice")
    said = repr([item.get("embedding") for item in items]).encode("utf-8", "surrogateescape")
    return AnswerReading(ModelAnswer(hashlib.blake2b(said, digest_size=16).hexdigest(), finish="stop", fields=fields))


_READERS: dict[str, Callable[[Fields], AnswerReading]] = {"responses": _response, "embeddings": _embeddings}
