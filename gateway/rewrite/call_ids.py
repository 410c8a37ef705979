"""A tool call's id on its way to the app and back: it says who made it, and the engine sees its own again.

Apps get `call_cf` and a letter that tells how the engine's own id is made of the rest. Nothing is remembered: the next
turn may reach another worker. An engine whose chat template knows its own form alone (Kimi's `functions.NAME:N`,
Mistral's nine characters) would else stop calling tools. A call that its engine gave no id gets one, since the app's
result has to name it; the engine is sent that one, which its template does not look at.

Source: OpenAI API reference: ids of at most 40 characters; vLLM's `chatcmpl-tool-`; moonshotai/Kimi-K2,
"Tool call guidance".
"""

import re
import zlib
from typing import Final

from policies.assignment import CANDIDATE_CALL_PREFIX

_MOST_CHARS: Final = 40
"""OpenAI refuses longer tool call ids, and a conversation may go back to it."""
_ROOM: Final = _MOST_CHARS - len(CANDIDATE_CALL_PREFIX) - 1
_PREFIXES: Final = {"p": "call_", "t": "chatcmpl-tool-", "r": ""}
_NUMBERED: Final = re.compile(r"functions\.(?P<name>.+):(?P<number>\d{1,9})")
_BY_NAME: Final = re.compile(r"k(?P<number>\d{1,9})_(?P<name>[0-9a-f]{8})")
_TAIL_CHARS: Final = _ROOM - 8


def signed(found: str, name: str) -> str:
    """The id for the app of a call of `name` that the engine calls `found`."""
    numbered = _NUMBERED.fullmatch(found)
    if numbered is not None and numbered["name"] == name:
        return f"{CANDIDATE_CALL_PREFIX}k{numbered['number']}_{_hash(name)}"
    for letter, prefix in _PREFIXES.items():
        if found.startswith(prefix) and len(found) - len(prefix) <= _ROOM:
            return CANDIDATE_CALL_PREFIX + letter + found[len(prefix) :]
    return f"{CANDIDATE_CALL_PREFIX}x{_hash(found)}{found[-_TAIL_CHARS:]}"  # too long: it has no way back


def made(answer: str, choice: int, place: int) -> str:
    """The id for the app of a call that the engine gave none. `answer`: what tells this answer from others."""
    return f"{CANDIDATE_CALL_PREFIX}n{_hash(answer)}_{choice}_{place}"


def own(given: str, name: str) -> str:
    """The engine's id of a call of `name` that the app calls `given`; `given` itself where there is no way back."""
    if not given.startswith(CANDIDATE_CALL_PREFIX):
        return given
    rest = given[len(CANDIDATE_CALL_PREFIX) :]
    numbered = _BY_NAME.fullmatch(rest)
    if numbered is not None:
        return f"functions.{name}:{numbered['number']}" if numbered["name"] == _hash(name) else given
    prefix = _PREFIXES.get(rest[:1])
    return given if prefix is None else prefix + rest[1:]


def _hash(text: str) -> str:
    return f"{zlib.crc32(text.encode('utf-8', 'surrogatepass')):08x}"
