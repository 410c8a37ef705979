"""Log lines: one JSON object per event on stderr. Events, not prose; no secrets, no prompts, no answers.

Nobody waits for whoever reads them: a log collector that hangs, or a terminal after Ctrl-S, would else stop the loop of
the process that has something to say, and with it all traffic. What is not taken at once is counted, and that is told.
"""

import json
import select
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TextIO

from gateway import clock

Field = str | int | float | bool | None | list[str]

AGAIN_S: Final = 60.0
"""How often something that goes on is told."""
LINE_BYTES: Final = 4096
"""A pipe that can take anything can take so much. Source: pipe(7), PIPE_BUF."""
_LONG_CHARS: Final = 512


@dataclass(slots=True)
class LostLines:
    """How many lines nobody took."""

    count: int = 0


@dataclass(frozen=True, slots=True)
class Log:
    """Writes the events of one process: `log.info("worker.started", pid=7)`."""

    source: str
    """The process that speaks."""
    now: Callable[[], float] = clock.wall
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    _lost: LostLines = field(default_factory=LostLines, init=False, repr=False, compare=False)
    _told: dict[tuple[str, str], float] = field(
        default_factory=dict[tuple[str, str], float], init=False, repr=False, compare=False
    )
    """When what goes on was told last."""

    def info(self, event: str, **fields: Field) -> None:
        """What went as it should."""
        self._write("info", event, fields)

    def notice(self, event: str, **fields: Field) -> None:
        """What somebody may want to look at."""
        self._write("warn", event, fields)

    def alarm(self, event: str, **fields: Field) -> None:
        """What somebody must look at."""
        self._write("error", event, fields)

    def is_news(self, event: str, reason: str) -> bool:
        """Whether this was not asked within the last minute: what is tried every second is told once a minute.

        A reason that comes and goes, beside others, is the same trouble.
        """
        now = self.now()
        for what, at in list(self._told.items()):
            if not at <= now < at + AGAIN_S:  # a clock that was set back keeps nothing quiet
                del self._told[what]
        if (event, reason) in self._told:
            return False
        self._told[event, reason] = now
        return True

    def _write(self, level: str, event: str, fields: dict[str, Field]) -> None:
        if self._lost.count and _is_taken(self.stream):
            lost, self._lost.count = self._lost.count, 0
            self.notice("log.lost", lines=lost)
        if not _is_taken(self.stream):
            self._lost.count += 1
            return
        try:
            self.stream.write(self._line(level, event, fields))
            self.stream.flush()
        except (OSError, ValueError):
            return  # whoever read the log is gone; the traffic is not

    def _line(self, level: str, event: str, fields: dict[str, Field]) -> str:
        at = datetime.fromtimestamp(self.now(), UTC).isoformat(timespec="milliseconds")
        own: dict[str, Field] = {"at": at, "level": level, "source": self.source, "event": event}
        told = own | {f"{name}_" if name in own else name: value for name, value in fields.items()}
        # ASCII only: control characters, of a terminal or of a log viewer, are escaped with everything else.
        line = json.dumps(told, ensure_ascii=True)
        if len(line) >= LINE_BYTES:
            line = json.dumps({name: _cut(value) for name, value in told.items()}, ensure_ascii=True)
        return line + "\n"


def _is_taken(stream: TextIO) -> bool:
    """Whether a line can be written now without waiting for whoever reads it."""
    looking = select.poll()
    try:
        looking.register(stream.fileno(), select.POLLOUT)
    except (OSError, ValueError):  # closed, or none of the system's
        return True
    return bool(looking.poll(0))


def _cut(value: Field) -> Field:
    return value[:_LONG_CHARS] + "…" if isinstance(value, str) and len(value) > _LONG_CHARS else value
