"""What connections send in one turn of the loop goes out at its end: together, in order, behind what comes first."""

import asyncio
from collections.abc import Callable

from gateway.transport.write_batch import Outlet, WriteBatch


class Line(asyncio.Transport):
    """A transport that notes in a common book what it is given."""

    def __init__(self, name: str, book: list[str], *, error: Exception | None = None) -> None:
        super().__init__()
        self.name = name
        self.book = book
        self.error = error

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.error is not None:
            raise self.error
        self.book.append(f"{self.name} {bytes(data).decode()}")


def plugged(turn: WriteBatch, line: Line) -> Outlet:
    """The sending side of a connection that there is from the start."""
    outlet = Outlet(turn)
    outlet._transport = line
    return outlet


class Loop:
    """A turn whose end the test calls."""

    def __init__(self) -> None:
        self.book: list[str] = []
        self.ends: list[Callable[[], None]] = []
        self.turn = WriteBatch(
            self.ends.append, before=lambda: self.book.append("journal"), after=lambda: self.book.append("sync")
        )

    def plug(self, name: str, *, error: Exception | None = None) -> Outlet:
        return plugged(self.turn, Line(name, self.book, error=error))

    def end(self) -> None:
        (end,) = self.ends
        self.ends.clear()
        end()


def test_nothing_is_sent_before_the_turn_ends() -> None:
    """One end is asked for, however many send; then comes what is first, each in its order, and what is last."""
    loop = Loop()
    one, other = loop.plug("one"), loop.plug("other")
    one.write(b"a")
    other.write(b"b")
    assert loop.book == []
    loop.end()
    assert loop.book == ["journal", "one a", "other b", "sync"]


def test_a_turn_with_nothing_to_send_ends_too() -> None:
    """What has to be written before anything is sent is written even if nothing is."""
    loop = Loop()
    loop.turn.wake()
    loop.turn.wake()
    loop.end()
    assert loop.book == ["journal", "sync"]


def test_each_turn_has_its_own_end() -> None:
    """After an end the next piece asks for another one."""
    loop = Loop()
    plug = loop.plug("one")
    for piece in (b"a", b"b"):
        plug.write(piece)
        loop.end()
    assert loop.book == ["journal", "one a", "sync", "journal", "one b", "sync"]


def test_a_second_piece_of_one_connection_ends_the_turn_for_the_first() -> None:
    """Order is kept, at most one piece waits, and no piece is sent twice when the loop's own end comes."""
    loop = Loop()
    one, other = loop.plug("one"), loop.plug("other")
    one.write(b"a")
    other.write(b"b")
    one.write(b"c")
    assert loop.book == ["journal", "one a", "other b", "sync"]
    for end in loop.ends:
        end()
    assert loop.book[4:] == ["journal", "one c", "sync", "journal", "sync"]


def test_what_needs_nothing_done_first_is_sent_at_once() -> None:
    """The middle of a stream asks for no end of the turn; what waits of its connection goes first, and once."""
    loop = Loop()
    one, other = loop.plug("one"), loop.plug("other")
    other.write_now(b"a")
    other.write_now(b"")
    assert loop.book == ["other a"]
    assert loop.ends == []
    one.write(b"b")
    one.write_now(b"c")
    loop.end()
    assert loop.book[1:] == ["journal", "one b", "sync", "one c", "journal", "sync"]


def test_settling_sends_what_waits_and_nothing_else() -> None:
    """What comes behind a write, as the end of a connection, finds it sent."""
    loop = Loop()
    plug = loop.plug("one")
    plug.settle()
    assert loop.book == []
    plug.write(b"a")
    plug.settle()
    assert loop.book == ["journal", "one a", "sync"]


def test_what_is_forgotten_is_not_sent() -> None:
    """A connection that is gone sends nothing more; an empty piece is none."""
    loop = Loop()
    plug = loop.plug("one")
    plug.write(b"a")
    plug.forget()
    loop.end()
    plug.write(b"")
    assert loop.book == ["journal", "sync"]
    assert loop.ends == []


async def test_one_connections_trouble_is_no_others() -> None:
    """An error in one send is reported and costs the others nothing."""
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: told.append(what["exception"]))
    loop, trouble = Loop(), RuntimeError("closed")
    ill, well = loop.plug("ill", error=trouble), loop.plug("well")
    ill.write(b"a")
    well.write(b"b")
    loop.end()
    assert loop.book == ["journal", "well b", "sync"]
    assert told == [trouble]


async def test_what_fails_to_come_first_or_last_costs_no_answer() -> None:
    """An error in what is done before or after is reported; everything is sent."""
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: told.append(what["exception"]))
    book, ends, trouble = list[str](), list[Callable[[], None]](), ValueError("a mistake of ours")

    def fail() -> None:
        raise trouble

    plug = plugged(WriteBatch(ends.append, before=fail, after=fail), Line("one", book))
    plug.write(b"a")
    ends[0]()
    assert book == ["one a"]
    assert told == [trouble, trouble]
