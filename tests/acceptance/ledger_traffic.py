"""What apps ask in the room of `ledger_room.py`: once so that every series begins, and once to be measured."""

import contextlib
import os
import signal
from collections.abc import Generator

from tests.acceptance.ledger_case import CLIMBING, CLOSED, HALVED, HELD, REFUSED, RENTED, UNKNOWN, WAITING, WATCHED
from tests.acceptance.ledger_room import LedgerRoom
from tests.rooms.waiting import await_true

BOTH = {"baseline", "candidate"}


def begin(room: LedgerRoom) -> None:
    """Every series begins, but those of BORN_LATER."""
    room.ask(WATCHED)  # by which the gateway learns that the frontier takes this key
    room.ask_all([(route, {"stream": at % 3 == 2}) for at in range(3) for route in (WATCHED, CLIMBING)])
    for route in (HALVED, RENTED):
        for stream in (False, True):  # until the lot has given each side one
            while {got.variant for got in room.got if got.route == route and got.is_stream == stream} != BOTH:
                room.ask(route, stream=stream)
    room.ask_all([(WATCHED, {"candidate": {"say": "no"}}), (REFUSED, CLOSED), (HELD, {})])
    room.vote(room.ask(WATCHED, frontier={"status": 500}), -1)
    room.settle()
    room.close_hours()


def measure(room: LedgerRoom) -> None:
    """The same again, and what BORN_LATER names."""
    room.ask_all([(WATCHED, {"stream": at % 3 == 2}) for at in range(5)])
    room.ask_all([(route, {"stream": at % 3 == 2}) for at in range(8) for route in (HALVED, RENTED)])
    before = len(room.got)
    for route in (HALVED, RENTED):
        while "candidate" not in {got.variant for got in room.got[before:] if got.route == route}:
            room.ask(route)
    room.ask_all([(WATCHED, {"candidate": {"say": "no"}})] * 2 + [(REFUSED, CLOSED)] * 2)
    room.ask(WATCHED, frontier={"odd": True})
    room.ask(WATCHED, frontier={"status": 500})
    room.vote(room.ask(WATCHED, model=UNKNOWN), 1)
    while not any(sent.status == 500 for sent in room.own.sent):  # until the lot gives one to the candidate
        room.ask(HALVED, candidate={"status": 500})
    told = room.serving.crossfade("promote", CLIMBING, "--reason", "a test of the books")
    assert told.returncode == 0, told.stderr
    room.promoted[CLIMBING] = next(room.numbers)


@contextlib.contextmanager
def refusing(room: LedgerRoom) -> Generator[None]:
    """A candidate fails until a worker asks it no more, while nobody decides: else its traffic would be gone first."""
    pid = room.serving.pid_of("controller")
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        while not room.counted("breaker_open"):
            room.ask(HALVED, candidate={"status": 500})
        room.opened.add("own")
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def holding(room: LedgerRoom) -> Generator[None]:
    """The candidate has one background call and does not answer; others wait."""
    room.own.go_on.clear()
    try:
        room.ask_all([(HELD, {"candidate": {"held": True}})] * WAITING)
        await_true(lambda: len(room.own.open) == 1, "one call is under way")
        yield
    finally:
        room.own.go_on.set()
