"""The list of what a node's folder in the archive holds, and how objects are named.

A reader goes by the list alone: an object that it does not name is not there yet, or not any more. So what is new comes
first, then the list, and what it no longer names goes last.
"""

import re
from pathlib import Path
from typing import NamedTuple

import msgspec

from records.archive.bucket import ArchiveError

NAME = "manifest.json"
FORMAT = 1
_ENDING = ".parquet"
_OBJECT = re.compile(r"[a-z_]{1,32}/date=\d{4}-\d\d-\d\d/[\w.-]{1,200}\.[0-9a-f]{1,20}\.parquet", re.ASCII)
_NODE = re.compile(r"\w[\w.-]{0,127}", re.ASCII)


class ArchiveManifest(msgspec.Struct, frozen=True):
    """`<node>/manifest.json`: objects that hold every row of a node once, as of one moment."""

    written_at: float
    """Unix seconds."""
    objects: dict[str, int] = {}
    """Name below the node's folder -> bytes."""
    format: int = FORMAT


class ArchivedFile(NamedTuple):
    """A file of the records, as the archive names it."""

    path: Path
    stem: str
    """Its path below the records, without its ending."""
    name: str
    size_bytes: int
    written_at: float
    """Unix seconds."""


def archived(root: Path, path: Path) -> ArchivedFile:
    """A file's object. A file that was written again under its name, as by a forgetting, is another object.

    Raises:
        OSError: the file is not there any more.
    """
    stat = path.stat()
    stem = str(path.relative_to(root).with_suffix(""))
    return ArchivedFile(path, stem, f"{stem}.{stat.st_mtime_ns:x}{_ENDING}", stat.st_size, stat.st_mtime)


def stem_of(name: str) -> str:
    """The stem of an object's file."""
    return name.removesuffix(_ENDING).rpartition(".")[0]


def read(content: bytes, node: str) -> ArchiveManifest:
    """A node's list.

    Raises:
        ArchiveError: it is none, or names what no archive holds.
    """
    try:
        found = msgspec.json.decode(content, type=ArchiveManifest)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ArchiveError(f"{node}/{NAME} is damaged. hint: delete it, and its node copies all again") from None
    if found.format > FORMAT:
        raise ArchiveError(f"{node}/{NAME} is of a later version. hint: update Crossfade here")
    if not is_node(node) or not all(map(_OBJECT.fullmatch, found.objects)):
        raise ArchiveError(f"{node}/{NAME} names what no archive holds. hint: remove the folder if it is none of yours")
    return found


def is_node(name: str) -> bool:
    """Whether a folder may be a node's."""
    return _NODE.fullmatch(name) is not None
