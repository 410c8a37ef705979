"""What the journal asks of the disk: a write that is whole or an error, and room for others in the page cache."""

import contextlib
import errno
import os
from pathlib import Path


def write_all(fd: int, data: bytes) -> None:
    """Write `data` whole.

    Raises:
        OSError: there is no room for all of it.
    """
    if os.write(fd, data) != len(data):
        raise OSError(errno.ENOSPC, "short write")


def cool(segment: Path) -> None:
    """Have a segment that is on disk leave the page cache; a reader so far behind reads the disk.

    Else a busy journal would take all memory that nobody uses, page by new page, and drive out of it what others
    read from disk, a model's weights say.
    """
    with contextlib.suppress(OSError):  # read and deleted; and it is but advice
        fd = os.open(segment, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)
