"""Files that a policy names for its comparators: whatever stands at such a path, reading it ends, and soon.

A policy is read once, and its files again when comparators are made ready: by then something else may stand there.
"""

import errno
import os
import stat
from pathlib import Path

MOST_BYTES = 16 * 1024 * 1024
"""A longer file is no schema, no rubric and no list of assertions."""


def read_named(path: Path) -> bytes:
    """All of the file.

    Raises:
        OSError: it cannot be read, is none (a pipe would hold whoever opens it), or is too long.
    """
    with open(path, "rb", opener=_without_waiting) as file:
        found = file.read(MOST_BYTES + 1)
    if len(found) > MOST_BYTES:
        raise OSError(errno.EFBIG, f"it is longer than {MOST_BYTES // 1024 // 1024} MiB", str(path))
    return found


def _without_waiting(path: str, flags: int) -> int:
    """Open what is a file.

    Raises:
        OSError: it is none.
    """
    fd = os.open(path, flags | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise OSError(errno.EINVAL, "it is no file", path)
