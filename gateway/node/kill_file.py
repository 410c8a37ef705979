"""The kill file: while it is there, every worker serves the baseline only. It needs nothing else to be alive."""

import contextlib
import errno
import json
import os

from gateway.node.datadir import DataDir

_NO_PLACE = frozenset((errno.ENOSPC, errno.EDQUOT))


def set_kill(data: DataDir, *, reason: str, now: float) -> bool:
    """Make the kill file. Returns whether it was not there before.

    Raises:
        OSError: it could not be made.
    """
    try:
        fd = os.open(data.kill, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_PLACE or not _take_spare(data):
            raise
        return True
    try:
        # That it is there is what counts; a full disk may keep why to itself.
        with contextlib.suppress(OSError):
            os.write(fd, json.dumps({"at": now, "reason": reason}).encode() + b"\n")
    finally:
        os.close(fd)
    return True


def clear_kill(data: DataDir) -> bool:
    """Take the kill file away. Returns whether it was there.

    Raises:
        OSError: it could not be taken away.
    """
    try:
        data.kill.unlink()
    except FileNotFoundError:
        return False
    with contextlib.suppress(OSError):
        data.kill_spare.touch(0o600)
    return True


def _take_spare(data: DataDir) -> bool:
    """Make it of the spare file: a file system without inodes still gives one another name."""
    try:
        data.kill_spare.rename(data.kill)
    except OSError:
        return False
    return True
