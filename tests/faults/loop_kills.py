"""Deterministic kills of a controller: at the n-th crossing of a seam, before it or behind it, nothing more happens."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import pytest

from gateway.control.events.outbox import Outbox
from gateway.control.events.reader import EventReader
from gateway.control.leader import evidence_files
from gateway.control.leader.announce import Announcer
from gateway.control.leader.leader import Leader
from gateway.control.publish.publisher import Publisher
from gateway.control.state.sqlite import SqliteState
from tests.rooms.loop_room import Room

SEAMS: tuple[tuple[Any, str], ...] = (
    (EventReader, "begin"), (EventReader, "_say"), (Outbox, "commit"), (Outbox, "push"), (Outbox, "will_serve"),
    (SqliteState, "offer"), (SqliteState, "lead"), (SqliteState, "store"), (SqliteState, "keep_snapshot"),
    (SqliteState, "forget_offered"), (SqliteState, "add_decision"), (SqliteState, "keep_look"),
    (SqliteState, "answer"), (Announcer, "observed"), (Announcer, "tell"), (Leader, "_observe"), (Publisher, "publish"),
    (evidence_files, "write"),
)  # fmt: skip
"""Every step that leaves something behind."""


class KilledError(BaseException):
    """What SIGKILL would have ended."""


@dataclass(slots=True)
class Seam:
    """Kills at one crossing."""

    where: tuple[Any, str]
    behind: bool
    crossing: int
    crossed: int = field(default=0, init=False)

    @contextmanager
    def cut(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        owner, name = self.where
        whole: Callable[..., Any] = getattr(owner, name)

        @wraps(whole)
        def crossing(*args: Any, **kwargs: Any) -> Any:
            self.crossed += 1
            if self.crossed == self.crossing and not self.behind:
                raise KilledError
            result = whole(*args, **kwargs)
            if self.crossed == self.crossing and self.behind:
                raise KilledError
            return result

        with monkeypatch.context() as patched:
            patched.setattr(owner, name, crossing)
            yield


def survive(room: Room, script: Callable[[Callable[[], None]], None]) -> int:
    """Run a script of traffic; whenever the controller is killed in a tick, another takes its place and goes on.

    The script is given a function that lets the controller of the moment tick. Returns how many were killed.
    """
    controller, killed = room.controller(), 0

    def tick() -> None:
        nonlocal controller, killed
        try:
            controller.tick(room.now)
        except KilledError:
            killed += 1
            controller = room.controller()
            controller.tick(room.now)

    script(tick)
    return killed
