"""How much of the disk the journal may take, and what goes first when it is taken."""

import contextlib
import os
from pathlib import Path

BODIES_AT = 0.90
"""Share of the budget at which bodies are left out; at all of it, exchanges are."""
FREE_BYTES = 512 * 1024 * 1024
FREE_SHARE = 0.05
"""What stays free on the file system: the less of the two."""


class DiskBudget:
    """Looks at the journal of all workers."""

    def __init__(self, journal: Path, budget_bytes: int) -> None:
        self._journal = journal
        self._budget_bytes = budget_bytes

    def look(self) -> tuple[bool, bool]:
        """(whether bodies may be kept, whether exchanges may be kept)."""
        used = sum(_sizes(self._journal))
        try:
            disk = os.statvfs(self._journal)
        except OSError:
            return True, True  # not there yet, or gone: the writer meets that by itself
        reserve = min(FREE_BYTES, int(disk.f_blocks * disk.f_frsize * FREE_SHARE))
        short = disk.f_bavail * disk.f_frsize < reserve
        return used < self._budget_bytes * BODIES_AT and not short, used < self._budget_bytes


def _sizes(journal: Path) -> list[int]:
    sizes: list[int] = []
    with contextlib.suppress(OSError):  # a directory that went away while it was read: the next look sees the rest
        with os.scandir(journal) as workers:
            directories = [worker.path for worker in workers if worker.is_dir(follow_symlinks=False)]
        for directory in directories:
            with contextlib.suppress(OSError), os.scandir(directory) as entries:
                sizes += [entry.stat(follow_symlinks=False).st_size for entry in entries]
    return sizes
