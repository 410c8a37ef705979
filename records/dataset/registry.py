"""Which datasets were built of these records: those that hold what is erased are marked, by `forgetting`.

`datasets.json` in the records' folder names their folders; each says in `exchanges.txt` which exchanges it holds. What
was copied elsewhere nobody knows of: its owner has to see to it.
"""

import contextlib
from pathlib import Path

import msgspec

from records.dataset import manifest
from records.durable import replace

FILE = "datasets.json"
"""In the records' folder."""
EXCHANGES = "exchanges.txt"
"""In a dataset's folder: the ids of the exchanges it was made of, one a line."""
MOST = 1000
"""Datasets that are remembered, the last of them."""


def enter(records: Path, folder: Path) -> None:
    """Remember a dataset.

    Raises:
        OSError: it is not written down.
    """
    known = [name for name in _folders(records) if name != str(folder.resolve())]
    records.mkdir(parents=True, exist_ok=True, mode=0o700)
    replace(records / FILE, msgspec.json.encode([*known, str(folder.resolve())][-MOST:]))


def mark_stale(records: Path, gone: frozenset[str]) -> list[str]:
    """Mark every dataset that holds one of these exchanges. Returns their folders, those marked before among them.

    Raises:
        OSError: not all of them are marked; do it again.
    """
    found: list[str] = []
    for name in _folders(records):
        folder = Path(name)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, msgspec.MsgspecError):  # moved, or removed
            held = len(gone.intersection((folder / EXCHANGES).read_text("utf-8").split()))
            if held:
                _mark(folder, held)
                found.append(name)
    return found


def _mark(folder: Path, held: int) -> None:
    made = manifest.read(folder)
    if made.stale < held:
        manifest.write(folder, msgspec.structs.replace(made, stale=held))


def _folders(records: Path) -> list[str]:
    """Those that were built; none of a list that is damaged, which says nothing any more."""
    try:
        return msgspec.json.decode((records / FILE).read_bytes(), type=list[str])
    except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
        return []
