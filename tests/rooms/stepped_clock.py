"""A wall clock that tests can step, as a machine's is by NTP or a restore: for whole processes and all they start.

Nobody but root may set the machine's, and then for everybody. So a library is preloaded that stands between the
processes and the C library's clock (`tests/fakes/stepped_clock.c`): nothing in the gateway knows of it. It needs Linux
and a C compiler.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "fakes" / "stepped_clock.c"
FILE = "STEPPED_CLOCK"
"""The variable that says where the step stands."""
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class SteppedClock:
    """How far the wall clock is off for whoever was started with `environment`."""

    library: Path
    file: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a process is started with."""
        return {"LD_PRELOAD": str(self.library), FILE: str(self.file)}

    def set(self, seconds: float) -> None:
        """Be so far ahead (back, below 0) of the machine's clock from now on, in every process at once."""
        fd = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(fd, round(seconds * _NS).to_bytes(8, sys.byteorder, signed=True), 0)
        finally:
            os.close(fd)


def compiler() -> str | None:
    """The C compiler; None: there is none, or no Linux."""
    return (shutil.which("cc") or shutil.which("gcc")) if sys.platform == "linux" else None


def made(folder: Path) -> SteppedClock:
    """A clock of its own that is not off yet.

    Raises:
        subprocess.CalledProcessError: the compiler refused.
    """
    found = SteppedClock(folder / "stepped_clock.so", folder / "step")
    words = [compiler() or "cc", "-shared", "-fPIC", "-O2", "-o", str(found.library), str(SOURCE), "-ldl"]
    subprocess.run(words, check=True)
    found.set(0.0)
    return found


def inherited(environment: Mapping[str, str]) -> SteppedClock | None:
    """The clock that this very process was started with; None: the machine's own."""
    file = environment.get(FILE)
    return None if file is None else SteppedClock(Path(environment["LD_PRELOAD"]), Path(file))
