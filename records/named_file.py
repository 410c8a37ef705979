"""Files that a person names in settings, in a policy or to a command. Whatever stands at such a path, reading it ends.

A pipe would hold the process that opens it until somebody writes, and some devices have no end. What settings and
policies name is a file (`require_file`, `read_named`); what a command is given may also be a pipe that somebody writes
to, as shells make them (`opened`). `tests/project/test_named_files.py` knows every setting and word of a policy that
names one.
"""

import errno
import os
import stat
from io import BufferedReader

MOST_BYTES = 16 * 1024 * 1024
"""Of a file that `read_named` reads."""


def require_file(path: str | os.PathLike[str]) -> None:
    """Refuse what is no file: a folder, a pipe, a socket, a device.

    Raises:
        OSError: it is none, or is not there.
    """
    try:
        found = os.stat(path)
    except ValueError as error:  # no path at all
        raise OSError(errno.EINVAL, "it is no path", os.fspath(path)) from error
    if stat.S_ISDIR(found.st_mode):
        raise OSError(errno.EISDIR, "it is a folder, and no file", os.fspath(path))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no file", os.fspath(path))


def read_named(path: str | os.PathLike[str]) -> bytes:
    """All that the file holds.

    Raises:
        OSError: it cannot be read, is no file, or is too long: no policy, schema or rubric.
    """
    require_file(path)
    with open(path, "rb", opener=_without_waiting) as file:
        found = file.read(MOST_BYTES + 1)
    if len(found) > MOST_BYTES:
        raise OSError(errno.EFBIG, f"it is longer than {MOST_BYTES // 1024 // 1024} MiB", os.fspath(path))
    return found


def opened(path: str | os.PathLike[str]) -> BufferedReader:
    """The file, or the pipe, open to be read. A pipe that nobody writes to is empty; it is not waited for.

    Raises:
        OSError: it cannot be read; a folder, a socket or a device is refused.
    """
    if not _is_pipe(path):
        require_file(path)
        return open(path, "rb")
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    os.set_blocking(descriptor, True)
    return os.fdopen(descriptor, "rb")


def _without_waiting(path: str, flags: int) -> int:
    """Open what is a file: since it was looked at, a pipe may have taken its place.

    Raises:
        OSError: it is none.
    """
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is no file", path)


def _is_pipe(path: str | os.PathLike[str]) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except ValueError:  # no path at all
        return False
