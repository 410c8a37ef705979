"""Files that are there whole or not at all, also when the power fails."""

import os
from pathlib import Path

DAMAGE_HINT = "what it holds is not counted: restore it from a backup to where it was, or delete it"
"""What to do about a file that is not whole. It stands here, so that who only says it loads no DuckDB."""


def replace(path: Path, content: bytes) -> None:
    """Put `content` at `path`, readable by this user only: whole or not at all, even when the power fails.

    Raises:
        OSError: what is there stays as it was.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(fd)
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    sync(path.parent)


def sync(path: Path) -> None:
    """Make what a file holds, or the renames in a folder, durable."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def place(fresh: Path, folder: Path) -> None:
    """Put a folder of files where it belongs: whole or not at all, even when the power fails.

    Raises:
        OSError: it stays where it is; something is there already, or the disk refused.
    """
    for path in fresh.iterdir():
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    sync(fresh)
    fresh.rename(folder)
    sync(folder.parent)
