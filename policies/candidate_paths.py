"""Which endpoints a candidate's server has: learnt of its answers, where no file says so.

Rules:
1. A path that was never answered, at a candidate that answers another, is one that its server does not have: requests
   for it are the baseline's, and say nothing of the candidate's health.
2. A path that was answered before is there: a server that no longer knows it is broken, or lost its model.
3. One that answers nothing is broken, whatever it says.
"""

from typing import Final

NO_PATH: Final = "no_path"
"""The reason of a request whose path the candidate does not have."""
AGAIN_S: Final = 600.0
"""After this a path that was missing is tried once more: the server may have been upgraded."""


class CandidatePaths:
    """The paths that one candidate answers. Mutable: told of each answer."""

    __slots__ = ("_answered", "_untold", "missing")

    def __init__(self) -> None:
        self._answered: set[str] = set()
        self.missing: dict[str, float] = {}
        """Path -> when it was found missing; monotonic seconds."""
        self._untold: list[str] = []

    def answered(self, path: str) -> None:
        """Note an answer on this path."""
        if path not in self._answered:
            self._answered.add(path)
            self.missing.pop(path, None)

    def refused(self, path: str, now: float) -> bool:
        """Note that it reported no such path. False: it answered there, or nowhere yet, so it is broken."""
        if path in self._answered or not self._answered:
            return False
        if path not in self.missing:
            self._untold.append(path)
        self.missing[path] = now
        return True

    def lacks(self, path: str, now: float) -> bool:
        """Whether it need not be asked on this path now."""
        found_at = self.missing.get(path)
        if found_at is None:
            return False
        if now - found_at < AGAIN_S:
            return True
        self.missing[path] = now  # one request finds out, and the next ones wait for it
        return False

    def take_news(self) -> list[str]:
        """Paths found missing since the last call: each is to be told once."""
        news, self._untold = self._untold, []
        return news
