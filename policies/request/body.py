"""What routing reads of a request, and no more: the routed fields in one pass, conversations only when asked.

Hot path: standard library and msgspec only. The app's bytes are never changed here. Most requests are alike: their
fields stand there once, as SDKs write them, and few of them matter (`Body.is_common`). For these one pass tells all;
whatever is otherwise is read again, with more care.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import takewhile
from typing import Final, cast

import msgspec

from policies.request.abridge import Span, abridge
from policies.request.engine_fields import ENGINE_FIELDS
from policies.request.shapes import MessageField, Name, Part, PlainTurn, RoutingFields

CHAT: Final = "/v1/chat/completions"
COMPLETIONS: Final = "/v1/completions"
RESPONSES: Final = "/v1/responses"
EMBEDDINGS: Final = "/v1/embeddings"

_MAX_OBJECTS: Final = 200_000
"""JSON objects a conversation may hold: more is no conversation, and would cost memory to look into."""
_LEADING_TURNS: Final = 64
"""How far to look for the first user turn."""
_COMMON_BYTES: Final = 256 * 1024
_COMMON_FIELDS: Final = 64
"""Longest body that is looked at as a common one, and most fields it may have: all are held for a moment."""
_LEADING: Final = frozenset(("system", "developer"))


_FIELDS: Final = msgspec.json.Decoder(RoutingFields)
_TEXTS: Final = ("model", "user", "safety_identifier", "prompt_cache_key")
_COMMON_NAMES: Final = ("stream", *_TEXTS)
_UNCOMMON: Final = ENGINE_FIELDS.union(RoutingFields.__struct_fields__).difference(
    (*_COMMON_NAMES, "messages", "metadata")
)
"""Fields that some rule asks for more of than whether they are there, or that only engines obey."""
_TURN: Final = msgspec.json.Decoder(MessageField)
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_PLAIN: Final = msgspec.json.Decoder(list[PlainTurn])


_Value = str | bool | int | float | list[PlainTurn] | dict[str, msgspec.Raw] | None
_Common = dict[str, _Value]


class _Names:
    """Counts the names of a body's fields, as a dict keeps one of two that are alike: of one body at a time."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


_NAMES: Final = _Names()


def _make_name(_: type, name: object) -> Name:
    _NAMES.count += 1
    return Name(name)


_COMMON: Final = msgspec.json.Decoder(dict[Name, _Value], dec_hook=_make_name)
_WHOSE: Final = re.compile(rb'"(?:user|safety_identifier|prompt_cache_key)":')
_LAST_BYTES: Final = 1024
_ABRIDGED_BYTES: Final = 8 * 1024
"""Shortest body that is abridged: shorter ones are as quickly read."""
_NOTHING: Final[Mapping[str, Span]] = {}
_CONTENT: Final = msgspec.json.Decoder(str | list[Part] | None)


def endpoint_of(target: str) -> str:
    """The path of a request target with our base in front, whichever base its app was given: as `CHAT`, `RESPONSES`."""
    path = target.partition("?")[0]
    if len(path) > 1:
        path = path.rstrip("/")
    return path if path == "/v1" or path.startswith("/v1/") else "/v1" + path


class UnroutableBodyError(Exception):
    """A request that cannot be looked into as far as asked: the frontier says what is wrong with it."""


_DECODING: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding hostile bytes raises."""


class Body:
    """A request's JSON object, looked into as far as needed."""

    __slots__ = (
        "_common",
        "_fields",
        "_left_out",
        "_plain",
        "_turns",
        "is_common",
        "is_copy",
        "model",
        "raw",
        "user",
        "whose",
    )

    def __init__(
        self,
        raw: bytes,
        *,
        fields: RoutingFields | None = None,
        common: _Common | None = None,
        left_out: Mapping[str, Span] = _NOTHING,
    ) -> None:
        """Either `fields`, or `common`: of a chat of text, no field of which stands there twice or is one that a rule
        about fields looks at (`_is_common`). `left_out`: where contents stand of which `common` has the marks alone.
        """
        self.raw = raw
        self.is_common = common is not None
        self.is_copy = False
        """Only the frontier can be asked it as it stands: a decoded or mended copy, or with bytes that are no text."""
        self._common = common
        self._left_out = left_out
        self._fields = fields
        self._turns: list[msgspec.Raw] | None = None
        self._plain: list[PlainTurn] | None = None
        if common is not None:
            self._plain = cast("list[PlainTurn]", common["messages"])
            model, user = common.get("model"), common.get("user")
            whose = user or common.get("safety_identifier") or common.get("prompt_cache_key")
        else:
            model, user = self.fields.model, self.fields.user
            whose = user or self.fields.safety_identifier or self.fields.prompt_cache_key
        self.model = model if isinstance(model, str) else ""
        """What the app asked for; empty: nothing."""
        self.user = user if isinstance(user, str) else ""
        """The field of that name; empty: there is none."""
        self.whose = whose if isinstance(whose, str) else ""
        """Who is asking, by the first of the API's three fields for it that says so; empty: none does."""

    @property
    def fields(self) -> RoutingFields:
        """All that routing looks at; of a common body without its messages."""
        if self._fields is None:
            common = {} if self._common is None else self._common
            known = {name: common[name] for name in _COMMON_NAMES if name in common}
            self._fields = msgspec.convert(known, RoutingFields)
            if (metadata := common.get("metadata")) is not None:
                self._fields.metadata = msgspec.Raw(msgspec.json.encode(metadata))
        return self._fields

    def conversation(self, path: str) -> bytes:
        """The JSON text of the messages or the input."""
        fields = _FIELDS.decode(self.raw) if self.is_common else self.fields
        return bytes(fields.input if path == RESPONSES else fields.messages)

    def is_plain(self, path: str) -> bool:
        """Whether the conversation is messages of text alone: no parts, no tools, nothing to look for in it."""
        return bool(self.plain_turns(path))

    def plain_turns(self, path: str) -> list[PlainTurn]:
        """The messages, where all are text and nothing else; empty: they are not, or there are none.

        What one says is `text`'s to tell: a long content may have been left out.
        """
        if self._plain is None:
            try:
                self._plain = _PLAIN.decode(self.fields.input if path == RESPONSES else self.fields.messages)
            except _DECODING:
                self._plain = []
        return self._plain

    def text(self, turn: PlainTurn) -> str:
        """What a message of `plain_turns` says.

        Raises:
            UnroutableBodyError: its text is none.
        """
        span = self._left_out.get(turn.content) if self._left_out else None
        return turn.content if span is None else _text(msgspec.Raw(self.raw[span[0] : span[1]]))

    def turns(self, path: str) -> list[msgspec.Raw]:
        """The conversation's messages or items, each undecoded; empty where it is not a list.

        Raises:
            UnroutableBodyError: it has so many parts that it is none.
        """
        if self._turns is None:
            raw = self.conversation(path)
            if len(raw) > _MAX_OBJECTS and raw.count(b"{") > _MAX_OBJECTS:
                raise UnroutableBodyError
            self._turns = _LIST.decode(raw) if raw.startswith(b"[") else []
        return self._turns


class Call:
    """One request, as far as routing knows it."""

    __slots__ = ("body", "body_bytes", "headers", "key_id", "key_name", "path")

    def __init__(
        self,
        path: str,
        headers: dict[bytes, bytes],
        body: Body,
        *,
        body_bytes: int,
        key_id: str = "",
        key_name: str = "",
    ) -> None:
        self.path = path
        """As `/v1/chat/completions`, without its query."""
        self.headers = headers
        """Lower-case names."""
        self.key_name = key_name
        """Of a gateway key; empty in pass-through mode."""
        self.key_id = key_id
        """Stands for the caller's credential; never the credential."""
        self.body = body
        self.body_bytes = body_bytes


def read_body(raw: bytes) -> Body | None:
    """The request's JSON object; None: it is none of the right shape, and passes through unrouted. Not thread-safe."""
    try:
        if len(raw) <= _COMMON_BYTES:
            abridged, left_out = abridge(raw) if _seems_to_say_whose(raw) else (raw, _NOTHING)
            _NAMES.count = 0
            found = cast(_Common, _COMMON.decode(abridged))
            if _is_common(found, _NAMES.count) and (not left_out or _are_contents(left_out, found)):
                return Body(raw, common=found, left_out=left_out)
    except _DECODING:
        pass  # it is otherwise, or is none at all
    try:
        body = Body(raw, fields=_FIELDS.decode(raw))
    except _DECODING:
        return None
    body.is_copy = not (raw.isascii() or _is_text(raw))
    return body


def _is_text(raw: bytes) -> bool:
    """Whether all of it is UTF-8: what was not decoded above was not looked at."""
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _seems_to_say_whose(raw: bytes) -> bool:
    """Whether a long body has a field for who asks, as SDKs write it: behind the messages. Else the conversation tells
    who asks, and its texts are read after all.
    """
    size = len(raw)
    return size >= _ABRIDGED_BYTES and _WHOSE.search(raw, size - _LAST_BYTES) is not None


def _are_contents(left_out: Mapping[str, Span], found: _Common) -> bool:
    """Whether all that was left out of the request are contents of messages: other texts are asked about."""
    turns = cast("list[PlainTurn]", found["messages"])
    return len([turn for turn in turns if turn.content in left_out]) == len(left_out)


def _is_common(found: _Common, names: int) -> bool:
    """Whether the request is as most are, and need not be read with more care. `names`: how many fields stand there."""
    if len(found) != names or names > _COMMON_FIELDS or not _UNCOMMON.isdisjoint(found):
        return False
    turns, stream = found.get("messages"), found.get("stream")
    if not isinstance(turns, list) or not turns or not (stream is None or isinstance(stream, bool)):
        return False
    for name in _TEXTS:
        value = found.get(name)
        if value is not None and not isinstance(value, str):
            return False
    return True


def leading_turns(call: Call) -> Iterator[MessageField]:
    """The conversation's first turns, in order.

    Raises:
        UnroutableBodyError: it cannot be looked into.
    """
    return _decoded(call.body.turns(call.path)[:_LEADING_TURNS])


def trailing_turns(call: Call) -> Iterator[MessageField]:
    """The conversation's last turns, the last one first.

    Raises:
        UnroutableBodyError: it cannot be looked into.
    """
    return _decoded(reversed(call.body.turns(call.path)))


def _decoded(turns: Iterable[msgspec.Raw]) -> Iterator[MessageField]:
    try:
        yield from map(_TURN.decode, turns)
    except _DECODING as error:
        raise UnroutableBodyError from error


def system_prompt(call: Call) -> str:
    """The text of a Responses' instructions and of all leading system and developer turns, joined by newlines.

    Raises:
        UnroutableBodyError: it cannot be looked into.
    """
    texts = [_text(call.body.fields.instructions)] if call.path == RESPONSES else []
    body, plain = call.body, call.body.plain_turns(call.path)
    texts += [body.text(said) for said in takewhile(lambda turn: turn.role in _LEADING, plain[:_LEADING_TURNS])]
    for turn in () if plain else leading_turns(call):
        if turn.role not in _LEADING:
            break
        texts.append(_text(turn.content))
    return "\n".join(text for text in texts if text)


def beginning(call: Call) -> list[bytes] | None:
    """What a conversation begins with, up to the first user turn: the text of each turn, or the JSON of its parts.

    None: there is no user turn among the first ones.

    Raises:
        UnroutableBodyError: it cannot be looked into.
    """
    begun: list[bytes] = []
    for said in call.body.plain_turns(call.path)[:_LEADING_TURNS]:
        begun.append(_bytes(call.body.text(said)))
        if said.role == "user":
            return begun
    if not begun:
        for turn in leading_turns(call):
            raw = bytes(turn.content)
            begun.append(_bytes(_text(turn.content)) if raw.startswith(b'"') else raw)
            if turn.role == "user":
                return begun
    return None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(content: msgspec.Raw) -> str:
    try:
        found = _CONTENT.decode(content)
    except _DECODING as error:
        raise UnroutableBodyError from error
    if found is None or isinstance(found, str):
        return found or ""
    return "".join(part.text or "" for part in found)
