"""Reads a candidate's answer that its strict shape refuses: an odd field costs that field, not the answer.

The same reading as the records' (`records.wire`): halves of characters are joined, content in parts is one text, and
null or another type where a value would say nothing of the answer is as good as absent. What the answer says (content,
arguments, names) is never left out: an answer whose words cannot be read is malformed.
"""

import re
from typing import Any, Final, cast

import msgspec

from gateway.rewrite.shapes import ChatAnswer
from records.wire import usage
from records.wire.json_reader import Oddities, UnreadableError, mended, read_piece, split_half
from records.wire.merge import number, objects
from records.wire.usage import Usage
from records.wire.words import arguments_text, spoken

_WORDS: Final = frozenset(
    {
        "content",
        "arguments",
        "text",
        "choices",
        "delta",
        "message",
        "error",
        "function",
        "tool_calls",
        "name",
        "refusal",
    }
)
"""Fields that are the answer: nothing else than null is left out of them."""
_GROWING: Final = ("content", "reasoning", "reasoning_content", "refusal", "text")
_MOST_REPAIRS: Final = 64
_PATH: Final = re.compile(r" - at `\$(?P<path>[^`]*)`")
_STEP: Final = re.compile(r"\.(?P<key>\w+)|\[(?P<place>\d+)\]")
_ANSWER: Final = msgspec.json.Decoder(ChatAnswer)

Fields = dict[str, Any]


class LaxReader:
    """Reads the chunks of one stream, or one whole answer, whose strict reading failed."""

    def __init__(self) -> None:
        self._halves: dict[str, str] = {}
        """By place: the beginning of a character whose rest is still to come."""

    @property
    def waits(self) -> bool:
        """Whether half a character was kept back: the next chunk is to be read here too."""
        return bool(self._halves)

    def read(self, data: bytes) -> ChatAnswer:
        """The answer, or a part of it.

        Raises:
            UnreadableError: what it says cannot be read.
        """
        found = read_piece(data, Oddities())
        if not isinstance(found, dict):
            raise UnreadableError("no object")
        fields = cast(Fields, found)
        if (used := _counted(fields.get("usage"), usage.find(fields))) is not None or "usage" in fields:
            fields["usage"] = used
        fields.pop("x_groq", None)
        for choice in objects(fields.get("choices")):
            self._straighten(choice)
        fields = mended(fields)
        for _ in range(_MOST_REPAIRS):
            try:
                return _ANSWER.decode(msgspec.json.encode(fields))
            except msgspec.ValidationError as error:
                _leave_out(fields, str(error))
        raise UnreadableError("no answer")

    def _straighten(self, choice: Fields) -> None:
        """Content in parts as one text, arguments as text, and half characters kept for the next chunk."""
        index = choice.get("index")
        choice.pop("usage", None)
        for part in (choice.get("delta"), choice.get("message"), choice):
            if not isinstance(part, dict):
                continue
            turn = cast(Fields, part)
            if isinstance(content := turn.get("content"), list | dict):
                turn["content"] = spoken(cast(list[Any], content) if isinstance(content, list) else [content]).text
            if isinstance(turn.get("tool_calls"), dict):  # one call, not in a list
                turn["tool_calls"] = [turn["tool_calls"]] if turn["tool_calls"] else []
            for name in _GROWING:
                self._join(turn, name, f"{index} {name}")
            for place, call in enumerate(objects(turn.get("tool_calls"))):
                function, call_index = call.get("function"), number(call.get("index"))
                if call_index is not None:
                    call["index"] = call_index
                if isinstance(function, dict):
                    named = cast(Fields, function)
                    if isinstance(named.get("arguments"), dict | list):
                        named["arguments"] = arguments_text(named["arguments"])
                    self._join(named, "arguments", f"{index} call {call.get('index', place)}")

    def _join(self, turn: Fields, name: str, place: str) -> None:
        text = turn.get(name)
        if isinstance(text, str) and text:
            turn[name], half = split_half(self._halves.pop(place, "") + text)
            if half:
                self._halves[place] = half


def _counted(given: object, used: Usage | None) -> Fields | None:
    """The usage as OpenAI counts it; None: it cannot be told."""
    if used is None:
        return None
    said = cast(Fields, given) if isinstance(given, dict) else {}
    prompt, completion = said.get("prompt_tokens_details"), said.get("completion_tokens_details")
    return {
        "prompt_tokens": used.prompt_tokens,
        "completion_tokens": used.completion_tokens,
        "total_tokens": used.prompt_tokens + used.completion_tokens,
        "prompt_tokens_details": prompt or {"cached_tokens": used.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": completion or {"reasoning_tokens": used.reasoning_tokens, "audio_tokens": 0},
    }


def _leave_out(fields: Fields, why: str) -> None:
    """Take out what a validation error is about.

    Raises:
        UnreadableError: it is what the answer says.
    """
    found = _PATH.search(why)
    steps = [step["key"] or int(step["place"]) for step in _STEP.finditer(found["path"] if found else "")]
    if not steps:
        raise UnreadableError("no answer")
    into: Any = fields
    for step in steps[:-1]:
        into = into[step]
    value = into[steps[-1]]
    if value is not None and any(step in _WORDS for step in steps[-1:]):
        raise UnreadableError("no text")
    if isinstance(steps[-1], int) and value is not None:
        raise UnreadableError("no part")
    del into[steps[-1]]
