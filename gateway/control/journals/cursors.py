"""How far others have read the journals, in `readers/<name>.json`: the recorder removes nothing they still need."""

from collections.abc import Callable, Collection
from pathlib import Path

import msgspec

from records.durable import replace

EVERYTHING = ""
"""Begins every worker's name: whoever ignores it follows nobody."""


class Reader(msgspec.Struct, frozen=True):
    """What one reader says. Its file may hold more, which is its own."""

    first: dict[str, int] = {}
    """Worker -> the first segment still needed."""
    ignores: tuple[str, ...] = ()
    """Beginnings of the names of workers that are not followed, unless they stand in `first`. Every other worker that
    does not stand there is new to the reader, and needed whole."""


def path_of(folder: Path, name: str) -> Path:
    """The file in which the reader `name` keeps its position."""
    return folder / f"{name}.json"


def write(folder: Path, name: str, reader: msgspec.Struct) -> None:
    """Say how far `name` is; `reader` is a `Reader`, or has its fields.

    Raises:
        OSError: what was said before holds on.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    replace(path_of(folder, name), msgspec.json.encode(reader))


def keep_only(folder: Path, names: Collection[str]) -> None:
    """Forget the word of all other readers: they run no more, and would hold the journals for an hour.

    Raises:
        OSError: some of it holds on.
    """
    for path in folder.glob("[!.]*.json"):
        if path.stem not in names:
            path.unlink(missing_ok=True)


def needed_from(folder: Path) -> Callable[[str], int | None]:
    """By worker, the first segment that any reader needs; None: none. What cannot be read needs everything."""
    found = [_read(path) for path in sorted(folder.glob("[!.]*.json"))]

    def first_of(worker: str) -> int | None:
        return min((first for first in (_first(reader, worker) for reader in found) if first is not None), default=None)

    return first_of


def _read(path: Path) -> Reader:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Reader)
    except FileNotFoundError:
        return Reader(ignores=(EVERYTHING,))  # it has just gone
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return Reader()


def _first(reader: Reader, worker: str) -> int | None:
    first = reader.first.get(worker)
    return 0 if first is None and not worker.startswith(reader.ignores) else first
