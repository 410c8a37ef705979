"""Files with a key in them, and when such a file was replaced."""

import errno
import os
from collections.abc import Mapping

from records.named_file import require_file

MOST_BYTES = 64 * 1024
"""A longer file is no key."""
_BOM = b"\xef\xbb\xbf"


def read_key(path: str | os.PathLike[str]) -> bytes:
    """The key in a file, without blanks around it, or the mark that Windows' editors put before it.

    Raises:
        OSError: it cannot be read, or is none.
    """
    require_file(path)
    with open(path, "rb") as file:
        found = file.read(MOST_BYTES + 1)
    if len(found) > MOST_BYTES:
        raise OSError(errno.EFBIG, "it is too long for a key", os.fspath(path))
    key = found.removeprefix(_BOM).strip()
    if any(byte < 0x20 or byte > 0x7E for byte in key.replace(b"\n", b"").replace(b"\r", b"")):
        raise OSError(errno.EILSEQ, "it is not ASCII text, as keys are", os.fspath(path))
    return key


FileStamp = tuple[int, ...]


def file_stamp(path: str | os.PathLike[str]) -> FileStamp:
    """What changes when a file does; empty: there is none."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # a ValueError: no path at all
        return ()
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size


class RotatedKeys:
    """Keys by name, some of them in files: a file that was replaced is read again, without a restart.

    A key whose file cannot be read, or is empty, stays as it was: whoever rotates it may be about to write it.
    """

    def __init__(self, keys: Mapping[str, str], paths: Mapping[str, str]) -> None:
        """`keys`: as they were at the start. `paths`: the files of those that have one."""
        self._keys = dict(keys)
        self._paths = dict(paths)
        self._read: dict[str, FileStamp] = {}

    def now(self) -> Mapping[str, str]:
        """The keys as they are now."""
        for name, path in self._paths.items():
            stamp = file_stamp(path)
            if stamp == self._read.get(name):
                continue
            try:
                key = read_key(path).decode()
            except OSError:
                continue
            if key:
                self._keys[name], self._read[name] = key, stamp
        return self._keys
