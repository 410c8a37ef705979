"""What the operating system refuses, in the words of a person: the file first, and no number of an error."""

import errno

_WORDS = {
    errno.EEXIST: "is a file that is there already",
    errno.ENOTDIR: "a part of this path is a file, and no folder",
    errno.EISDIR: "a folder, and no file",
}
"""Where the system's own words need a second reading: `File exists` is what a folder says that cannot be made."""


_FULL = (errno.ENOSPC, errno.EDQUOT)
_READ_ONLY = "its file system is read-only: `dmesg` may say why; when it can be written again, all goes on by itself"


def disk_hint(error: Exception) -> str:
    """What to do about a disk that does not take what a process keeps."""
    is_read_only = isinstance(error, OSError) and error.errno == errno.EROFS
    return _READ_ONLY if is_read_only else "is the disk full?"


def hinted(error: OSError, hint: str) -> str:
    """The same with what to do: `hint`, or of a full disk what helps there."""
    return f"{plain(error)}. hint: {'make room, or name another place' if error.errno in _FULL else hint}"


def plain(error: Exception) -> str:
    """`gone.jsonl: No such file or directory`; of any other error what it says itself."""
    if isinstance(error, OSError) and error.strerror:
        said = _WORDS.get(error.errno or 0, error.strerror)
        return said if error.filename is None else f"{error.filename}: {said}"
    return str(error)
