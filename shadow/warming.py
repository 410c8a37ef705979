"""Warm servers: what the controller asks the shadow about them, what the shadow answers, and cold starts.

The wish stands in the shadow's plan; the answer in a file of its own, replaced whole after each try.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from shadow.ports import DEADLINES, ModelReply

COLD_AFTER_S = 60.0
"""Servers that were asked nothing for so long may have been scaled to nothing."""
_STATUSES = frozenset({502, 503, 504})
_WORDS = DEADLINES | {"unreachable", "no_answer"}
"""What a server says that is not there yet, or a proxy in front of it."""


class WarmWish(msgspec.Struct, frozen=True, array_like=True):
    """Requests to send at once, and how soon each has to be answered."""

    replicas: int
    answer_s: float


class WarmReport(msgspec.Struct, frozen=True, array_like=True):
    """What came of one try."""

    asked: int
    answered: int
    at: float
    """When they were sent. Unix seconds."""
    why: str = ""
    """How those that were not answered failed, in a word."""


def encode(reports: Mapping[str, WarmReport]) -> bytes:
    """The file's bytes; by rollout."""
    return msgspec.json.encode(reports)


def read(path: Path) -> dict[str, WarmReport]:
    """What the shadow last wrote; nothing where it wrote nothing that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, WarmReport])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return {}


def is_awake(reply: ModelReply) -> bool:
    """Whether somebody is there who reads requests; that it likes this one is not asked."""
    return reply.is_good or reply.status in (400, 422)


def is_cold(reply: ModelReply) -> bool:
    """Whether it failed as servers do that are starting up."""
    return reply.status in _STATUSES or reply.error in _WORDS


@dataclass(slots=True)
class ColdStart:
    """Whether one candidate may be starting up. Times are Unix seconds.

    Rules:
    1. It may be from the first request after `COLD_AFTER_S` without any until the first answer, for `within_s` at most.
    2. Without an answer in between there is no second cold start: who never answers is failing.
    """

    since: float | None = None
    last_asked: float | None = None
    warm_at: float | None = None
    """When the first answer since came."""

    def asked(self, at: float) -> None:
        """A request is sent."""
        before, self.last_asked = self.last_asked, at
        if before is None or (self.warm_at is not None and at - before >= COLD_AFTER_S):
            self.since, self.warm_at = at, None

    def answered(self, at: float) -> None:
        """An answer came."""
        if self.warm_at is None:
            self.warm_at = at

    def excuses(self, sent_at: float, within_s: float) -> bool:
        """Whether a request that failed as if the server was starting up tells nothing of it."""
        if self.since is None or not 0 <= sent_at - self.since < within_s:
            return False
        return self.warm_at is None or sent_at < self.warm_at
