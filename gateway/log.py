"""Log lines: one JSON object per event on stderr. Events, not prose; no secrets, no prompts, no answers."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TextIO

from gateway import clock

Field = str | int | float | bool | None | list[str]


@dataclass(frozen=True, slots=True)
class Log:
    """Writes the events of one process: `log.info("worker.started", pid=7)`."""

    source: str
    """The process that speaks."""
    now: Callable[[], float] = clock.wall
    stream: TextIO = field(default_factory=lambda: sys.stderr)

    def info(self, event: str, **fields: Field) -> None:
        """What went as it should."""
        self._write("info", event, fields)

    def notice(self, event: str, **fields: Field) -> None:
        """What somebody may want to look at."""
        self._write("warn", event, fields)

    def alarm(self, event: str, **fields: Field) -> None:
        """What somebody must look at."""
        self._write("error", event, fields)

    def _write(self, level: str, event: str, fields: dict[str, Field]) -> None:
        at = datetime.fromtimestamp(self.now(), UTC).isoformat(timespec="milliseconds")
        # ASCII only: control characters, of a terminal or of a log viewer, are escaped with everything else.
        own: dict[str, Field] = {"at": at, "level": level, "source": self.source, "event": event}
        told = {f"{name}_" if name in own else name: value for name, value in fields.items()}
        line = json.dumps(own | told, ensure_ascii=True)
        try:
            self.stream.write(line + "\n")
            self.stream.flush()
        except (OSError, ValueError):
            return  # whoever read the log is gone; the traffic is not
