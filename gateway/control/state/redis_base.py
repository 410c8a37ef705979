"""What the parts of the shared state on a server have in common: keys, sealed records, one fence for failures."""

import contextlib
from collections.abc import Generator
from typing import Any, TypeVar

import msgspec

from gateway.control.state.port import MAX_BYTES, StateDamagedError, StateDownError
from gateway.control.state.redis_link import Command, Link, Reply, WrongTypeError
from gateway.control.state.seal import ForgedError, NewerError, RecordSeal
from gateway.control.state.witness import Copy, Newest

PREFIX = "crossfade:1:"
"""Of every key; the number is the format's."""
_Kept = TypeVar("_Kept")


def key(name: str) -> str:
    """A key of ours."""
    return PREFIX + name


def text(name: bytes) -> str:
    """A name as it came; one that is no text is no name of ours, and finds nothing."""
    return name.decode("utf-8", "replace")


class Led(msgspec.Struct, frozen=True):
    """The fencing epoch, and who was given it."""

    epoch: int
    node: str
    holder: str
    """The process."""


class Base:
    """A server, the seal of what is kept there, and what was last seen of it."""

    def __init__(self, link: Link, seal: RecordSeal, newest: Newest, *, holder: str) -> None:
        self._link = link
        self._seal = seal
        self._newest = newest
        self._holder = holder
        """This process, among all that ever lead."""
        self._has_led = False
        self._restored: int = 0
        self._forgot: int = 0
        self._read: dict[str, tuple[Copy, dict[str, int]]] = {}
        """Route -> the copy of its snapshot that was read last, and how far it is."""
        self._memory = b""
        """What the server's memory is called: another name, another memory."""
        self._gathers_since: float | None = None
        """When this process came to lead a server that had forgotten everything."""

    @contextlib.contextmanager
    def _call(self) -> Generator[None]:
        """One call of the port.

        Raises:
            StateDownError: the server cannot be used, or holds what cannot be read.
        """
        self._newest.load()
        with self._link.call():
            try:
                yield
            except (ForgedError, NewerError, msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise StateDamagedError(f"{self._link.server.name}: {error}") from error
            except WrongTypeError as error:
                self._take_away(error)
                raise StateDownError(
                    f"{self._link.server.name}: {error}: somebody else wrote there. hint: it was taken away; what was "
                    "there is put back as after a flush"
                ) from error

    def _take_away(self, wrong: WrongTypeError) -> None:
        """Remove what somebody else put in place of a key of ours, unless it is right again: then it is as flushed."""

        def decide(found: list[Reply]) -> list[Command] | None:
            return None if text(found[0]) in (wrong.type, "none") else [("DEL", wrong.name)]

        self._seal.refused += 1
        if self._link.change([wrong.name], [("TYPE", wrong.name)], decide):
            self._forgot += 1  # what lay there is offered and told again

    def _sealed(self, place: str, value: object, most: int = MAX_BYTES) -> bytes:
        """A value as it is kept.

        Raises:
            StateDownError: it is longer than any may be.
        """
        content = msgspec.msgpack.encode(value)
        if len(content) > most:
            raise StateDownError(f"{len(content)} bytes: longer than a value may be")
        return self._seal.close(place, content)

    def _opened(self, place: str, record: bytes, kind: type[_Kept]) -> _Kept:
        """The value of a record.

        Raises:
            ForgedError: it is not ours.
            NewerError: a newer version made it.
            msgspec.MsgspecError: it is something else.
        """
        return msgspec.msgpack.decode(self._seal.open(place, record), type=kind)

    def _ours(self, place: str, record: bytes, kind: type[_Kept]) -> _Kept | None:
        """The value of a record; None: it is not ours, and was counted."""
        try:
            return self._opened(place, record, kind)
        except ForgedError:
            return None

    def _all(self, name: str, place: str, kind: type[_Kept]) -> dict[str, _Kept]:
        """The values of a hash whose seal is valid."""
        with self._call():
            (flat,) = self._link.ask(("HGETALL", key(name)))
            return {
                field: value
                for field, record in pairs(flat).items()
                if (value := self._ours(f"{place}/{field}", record, kind)) is not None
            }

    def _positions(self, route: str, record: Reply) -> dict[str, int]:
        """How far the kept snapshot is; what somebody else wrote holds nothing."""
        return {} if record is None else self._ours(f"positions/{route}", record, dict[str, int]) or {}

    def _led(self, record: Reply) -> Led | None:
        """The holder of the last epoch; an entry without a valid seal counts as none."""
        return None if record is None else self._ours("epoch", record, Led)


def pairs(flat: list[Any]) -> dict[str, bytes]:
    """A hash as the server lists it."""
    return {text(name): value for name, value in zip(flat[::2], flat[1::2], strict=True)}
