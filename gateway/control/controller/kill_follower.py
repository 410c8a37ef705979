"""Follows the all-nodes kill: this node's kill file is made, or taken away, as every node is told."""

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.control.state.port import KillWord, SharedState, StateDownError
from gateway.log import Log
from gateway.node.datadir import DataDir
from gateway.node.kill_file import clear_kill, set_kill

RETRY_S = 1.0
"""Pause after the shared state could not be asked."""


@dataclass(slots=True)
class KillFollower:
    """Asks for the word by itself: nothing else that is kept, and nothing that is damaged, stands before it."""

    shared: SharedState
    data: DataDir
    log: Log
    monotonic: Callable[[], float]
    said: bool | None = field(default=None, init=False)
    """What this node last told the others of its kill file."""
    _heard: KillWord | None = field(default=None, init=False)
    """The last word that was followed."""
    _listens: bool = field(default=False, init=False)
    """Whether the shared state was asked for it before."""
    _retry_at: float = field(default=float("-inf"), init=False)
    _reason: str = field(default="", init=False)

    def follow(self, now: float) -> None:
        """Do as all nodes are told. What was told before we began is done only if it kills: nothing is un-killed.

        Raises:
            StateDownError: the word cannot be read now.
            OSError: the kill file cannot be made or taken away.
        """
        if self.monotonic() < self._retry_at:
            raise StateDownError(self._reason)
        try:
            word = self.shared.killed()
        except StateDownError as error:
            self._retry_at, self._reason = self.monotonic() + RETRY_S, str(error)
            raise
        listened, self._listens = self._listens, True
        if word is None or word == self._heard:
            return
        if word.killed:
            set_kill(self.data, reason="all nodes are told to", now=now)
        elif listened:
            clear_kill(self.data)
        self._heard = word
        self.log.notice("kill.followed", killed=word.killed)
