"""What one look of `crossfade doctor` found."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "failure"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that was looked at."""

    level: Level
    subject: str
    message: str
    hint: str = ""
