"""The end of a process that has done all it had to: nothing is taken apart that the kernel frees at once."""

import gc
import os
import sys
from dataclasses import dataclass


@dataclass(slots=True)
class Ending:
    """How a process ends: `atexit.register(ending.leave)` before all others, and it is asked after them."""

    status: int | None = None
    """Known once it ends in order; else the interpreter says what happened."""

    def leave(self) -> None:
        """End here, after the threads are joined and everybody else was asked to finish."""
        if self.status is None:
            gc.unfreeze()
            return
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # pyright: ignore[reportUnnecessaryComparison] -- closed from the start
                stream.flush()
        os._exit(self.status)
