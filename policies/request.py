"""What routing reads of a request, and no more: the routed fields in one pass, conversations only when asked.

Hot path: standard library and msgspec only. The app's bytes are never changed here.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

CHAT, COMPLETIONS, RESPONSES = "/v1/chat/completions", "/v1/completions", "/v1/responses"

_MAX_OBJECTS = 200_000
"""JSON objects a conversation may hold: more is no conversation, and would cost memory to look into."""
_LEADING_TURNS = 64
"""How far to look for the first user turn."""
_NULL = msgspec.Raw(b"null")


class Fields(msgspec.Struct, omit_defaults=True):
    """The fields of a request that routing looks at. Raw: not looked into until a question needs it."""

    model: str | None = None
    stream: bool | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    service_tier: str | None = None
    messages: msgspec.Raw = _NULL
    input: msgspec.Raw = _NULL
    instructions: msgspec.Raw = _NULL
    prompt: msgspec.Raw = _NULL
    metadata: msgspec.Raw = _NULL
    tools: msgspec.Raw = _NULL
    tool_choice: msgspec.Raw = _NULL
    response_format: msgspec.Raw = _NULL
    text: msgspec.Raw = _NULL
    n: msgspec.Raw = _NULL
    store: msgspec.Raw = _NULL
    logprobs: msgspec.Raw = _NULL
    top_logprobs: msgspec.Raw = _NULL
    logit_bias: msgspec.Raw = _NULL
    modalities: msgspec.Raw = _NULL
    audio: msgspec.Raw = _NULL
    functions: msgspec.Raw = _NULL
    function_call: msgspec.Raw = _NULL
    web_search_options: msgspec.Raw = _NULL
    moderation: msgspec.Raw = _NULL
    include: msgspec.Raw = _NULL
    previous_response_id: msgspec.Raw = _NULL
    conversation: msgspec.Raw = _NULL
    background: msgspec.Raw = _NULL
    context_management: msgspec.Raw = _NULL
    access_programs: msgspec.Raw = _NULL


class Turn(msgspec.Struct):
    """One message of a chat, or one item of a Responses input."""

    role: str | None = None
    type: str | None = None
    content: msgspec.Raw = _NULL
    tool_call_id: str | None = None
    call_id: str | None = None


class _PlainTurn(msgspec.Struct, forbid_unknown_fields=True):
    """A message that is text and nothing else."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str
    name: str | None = None


class _Part(msgspec.Struct):
    text: str | None = None


_FIELDS = msgspec.json.Decoder(Fields)
_TURN = msgspec.json.Decoder(Turn)
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_PLAIN = msgspec.json.Decoder(list[_PlainTurn])
_CONTENT = msgspec.json.Decoder(str | list[_Part] | None)


class UnreadableError(Exception):
    """A request that cannot be looked into as far as asked: the frontier says what is wrong with it."""


_DECODING = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding hostile bytes raises."""


@dataclass(slots=True)
class Body:
    """A request's JSON object, looked into as far as needed."""

    raw: bytes
    fields: Fields
    _turns: list[msgspec.Raw] | None = None
    _plain: bool | None = None

    @property
    def model(self) -> str | None:
        """What the app asked for."""
        return self.fields.model

    @property
    def stream(self) -> bool | None:
        """Whether the app asked for a stream."""
        return self.fields.stream

    def conversation(self, path: str) -> bytes:
        """The JSON text of the messages or the input."""
        return bytes(self.fields.input if path == RESPONSES else self.fields.messages)

    def is_plain(self, path: str) -> bool:
        """Whether the conversation is messages of text alone: no parts, no tools, nothing to look for in it."""
        if self._plain is None:
            try:
                self._plain = bool(_PLAIN.decode(self.conversation(path)))
            except _DECODING:
                self._plain = False
        return self._plain

    def turns(self, path: str) -> list[msgspec.Raw]:
        """The conversation's messages or items, each undecoded; empty where it is not a list.

        Raises:
            UnreadableError: it has so many parts that it is none.
        """
        if self._turns is None:
            raw = self.conversation(path)
            if len(raw) > _MAX_OBJECTS and raw.count(b"{") > _MAX_OBJECTS:
                raise UnreadableError
            self._turns = _LIST.decode(raw) if raw.startswith(b"[") else []
        return self._turns


class Call(msgspec.Struct, frozen=True, eq=False):
    """One request, as far as routing knows it."""

    path: str
    """As `/v1/chat/completions`, without its query."""
    headers: Mapping[bytes, bytes]
    """Lower-case names."""
    key_name: str
    """Of a gateway key; empty in pass-through mode."""
    key_id: str
    """Stands for the caller's credential; never the credential."""
    body: Body
    body_bytes: int


def read_body(raw: bytes) -> Body | None:
    """The request's JSON object; None: it is none of the right shape, and passes through unrouted."""
    try:
        return Body(raw, _FIELDS.decode(raw))
    except _DECODING:
        return None


def leading_turns(call: Call) -> Iterator[Turn]:
    """The conversation's first turns, in order.

    Raises:
        UnreadableError: it cannot be looked into.
    """
    return _decoded(call.body.turns(call.path)[:_LEADING_TURNS])


def trailing_turns(call: Call) -> Iterator[Turn]:
    """The conversation's last turns, the last one first.

    Raises:
        UnreadableError: it cannot be looked into.
    """
    return _decoded(reversed(call.body.turns(call.path)))


def _decoded(turns: Iterable[msgspec.Raw]) -> Iterator[Turn]:
    try:
        yield from map(_TURN.decode, turns)
    except _DECODING as error:
        raise UnreadableError from error


def system_prompt(call: Call) -> str:
    """The text of a Responses' instructions and of all leading system and developer turns, joined by newlines.

    Raises:
        UnreadableError: it cannot be looked into.
    """
    texts = [_text(call.body.fields.instructions)] if call.path == RESPONSES else []
    for turn in leading_turns(call):
        if turn.role not in {"system", "developer"}:
            break
        texts.append(_text(turn.content))
    return "\n".join(text for text in texts if text)


def _text(content: msgspec.Raw) -> str:
    try:
        found = _CONTENT.decode(content)
    except _DECODING as error:
        raise UnreadableError from error
    if found is None or isinstance(found, str):
        return found or ""
    return "".join(part.text or "" for part in found)
