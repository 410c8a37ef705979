"""Kills a test's program at the nth change of the disk."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


class Killed(BaseException):
    """The process is gone; nothing but closing files happens on the way out."""


class Trap:
    """Kills at the nth change of the disk. One audit hook for all: a hook cannot be taken out again."""

    def __init__(self) -> None:
        self.left = -1
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.left < 0 or not self._changes(event, arguments):
            return
        if self.left == 0:
            raise Killed
        self.left -= 1

    @staticmethod
    def _changes(event: str, arguments: tuple[object, ...]) -> bool:
        if event == "open":
            flags = arguments[2]
            return isinstance(flags, int) and bool(flags & 0o3)
        return event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod")

    @contextmanager
    def set(self, steps: int) -> Iterator[None]:
        self.left = steps
        try:
            yield
        finally:
            self.left = -1


_TRAPS: list[Trap] = []


@pytest.fixture(scope="session")
def trap() -> Trap:
    """The one trap of this process."""
    if not _TRAPS:
        _TRAPS.append(Trap())
    return _TRAPS[0]
