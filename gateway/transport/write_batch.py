"""What connections have to send, sent together at the end of the turn of the loop in which it came up.

A send wakes whoever waits for it, and a machine that is woken for each of a turn's thirty sends does little else: sent
in one go they cost half. And what has to be on disk before any of them is written once for all of them.
"""

import asyncio
from collections.abc import Callable

Soon = Callable[[Callable[[], None]], object]
"""As a loop's `call_soon`."""
Step = Callable[[], object]


def _nothing() -> None:
    """What a turn does that has nothing to do."""


class WriteBatch:
    """The end of the current turn of one loop."""

    __slots__ = ("_after", "_before", "_comes", "_outlets", "_soon")

    def __init__(self, soon: Soon, *, before: Step = _nothing, after: Step = _nothing) -> None:
        """`before`: to be done before anything is sent. `after`: what nothing that is sent has to wait for."""
        self._soon = soon
        self._before = before
        self._after = after
        self._outlets: list[Outlet] = []
        self._comes = False

    def wake(self) -> None:
        """Have the turn end, though there may be nothing to send."""
        if not self._comes:
            self._comes = True
            self._soon(self.end)

    def add(self, outlet: "Outlet") -> None:
        """Send for this one too."""
        self._outlets.append(outlet)
        self.wake()

    def end(self) -> None:
        """End it now: something must not wait."""
        self._comes = False
        outlets, self._outlets = self._outlets, []
        try:
            self._before()
        except Exception as error:  # noqa: BLE001 -- the fence "commit": a mistake of ours costs no answer
            report(error)
        for outlet in outlets:
            try:
                outlet.send_waiting()
            except Exception as error:  # noqa: BLE001 -- the fence "send": one connection's trouble is no other's
                report(error)
        try:
            self._after()
        except Exception as error:  # noqa: BLE001 -- as above: the fence "commit"
            report(error)


def report(error: Exception) -> None:
    """Tell the loop's exception handler of a mistake of ours that a fence has met."""
    told = {"message": "a fence met what it should not", "exception": error}
    asyncio.get_running_loop().call_exception_handler(told)


class Outlet:
    """The sending side of a connection: at most one piece of it waits for the turn's end."""

    __slots__ = ("_transport", "_turn", "_waiting")

    def __init__(self, turn: WriteBatch) -> None:
        self._turn = turn
        self._transport: asyncio.Transport
        self._waiting = b""

    def write(self, data: bytes) -> None:
        """Send bytes, in order."""
        if self._waiting:
            self._turn.end()
        if data:
            self._waiting = data
            self._turn.add(self)

    def write_now(self, data: bytes) -> None:
        """Send bytes, in order, for which nothing has to be done first: the middle of a stream comes alone."""
        if self._waiting:
            self._turn.end()
        if data:
            self._transport.write(data)

    def send_waiting(self) -> None:
        """Hand what waits to the transport."""
        data, self._waiting = self._waiting, b""
        if data:
            self._transport.write(data)

    def settle(self) -> None:
        """Have nothing wait: what comes next is of another kind than a write."""
        if self._waiting:
            self._turn.end()

    def forget(self) -> None:
        """Drop what waits: nobody is there to read it."""
        self._waiting = b""
