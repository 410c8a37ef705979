"""What a judge said: read strictly, and never guessed. Anything but the verdict asked for is an abstention."""

import re
from enum import StrEnum

import msgspec

from records.wire.words import ending
from shadow.judging.prompt import TIE, Tags


class JudgeVerdict(StrEnum):
    """One question's verdict."""

    FIRST = "first"
    SECOND = "second"
    TIE = "tie"
    NOTHING = "nothing"
    """It abstained: no answer, another answer, or more than the verdict."""


class _Message(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[msgspec.Raw] | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]


_COMPLETION = msgspec.json.Decoder(_Completion)
_VERDICT = re.compile(r'\s*\{\s*"better"\s*:\s*"(\w+)"\s*\}\s*', re.ASCII)


def read(body: bytes, tags: Tags) -> JudgeVerdict:
    """What the judge's chat completion says about the question that `tags` belong to."""
    try:
        choices = _COMPLETION.decode(body).choices
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return JudgeVerdict.NOTHING
    if len(choices) != 1 or ending(choices[0].finish_reason) not in ("stop", ""):
        return JudgeVerdict.NOTHING
    message = choices[0].message
    if message.refusal or message.tool_calls:
        return JudgeVerdict.NOTHING
    found = _VERDICT.fullmatch(message.content or "")
    if found is None:
        return JudgeVerdict.NOTHING
    meant = {tags.first: JudgeVerdict.FIRST, tags.second: JudgeVerdict.SECOND, TIE: JudgeVerdict.TIE}
    return meant.get(found[1], JudgeVerdict.NOTHING)
