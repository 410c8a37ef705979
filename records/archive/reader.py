"""What all nodes archived, into a directory here: a data directory to read, for datasets, evaluations and replays.

Rules:
1. Each node's list says what is whole. An object that goes while it is fetched was merged: the list is read again.
2. A second fetch brings what is new and removes what no list names any more: who is forgotten there is forgotten here.
   What did not come from an archive stays.
3. Files are fetched under hidden names and change places at the end: a fetch that is cut off leaves what was, and what
   it had is not fetched again.
4. A directory that a gateway records into is refused: its records are its own.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from records.archive.bucket import ArchiveError, Bucket
from records.archive.manifest import NAME, is_node, read
from records.store import PROGRESS

TRIES = 5
"""How often a node's list is read again where its objects go while they are fetched."""
_BETWEEN = "@"
"""Between a node's name and a file's, here: it is in no other file's name."""
_FRESH = ".fetched"


@dataclass(slots=True)
class FetchCount:
    """What a fetch did."""

    nodes: int = 0
    files: int = 0
    """All that are here now."""
    fetched: int = 0
    fetched_bytes: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class ArchiveFetch:
    """Brings an archive into the records at `root`."""

    bucket: Bucket
    root: Path
    watch: Callable[[int], object] = lambda _: None
    """Is told of each file's bytes."""
    count: FetchCount = field(default_factory=FetchCount, init=False)

    def run(self) -> FetchCount:
        """Fetch what is not here, and remove what is in no list.

        Raises:
            OSError: the disk refused.
            ArchiveError: the archive cannot be read, holds nothing, or the directory is a gateway's own.
        """
        if (self.root / PROGRESS).exists():
            raise ArchiveError(f"{self.root} is what a gateway records into. hint: name another directory")
        nodes = [name for name in self.bucket.folders() if is_node(name)]
        here = {path for node in nodes for path in self._fetch_node(node)}
        if not self.count.nodes:
            raise ArchiveError("it holds no node's records. hint: does a gateway have it as `archive`?")
        for path in here:
            if (fresh := _hidden(path)).exists():
                fresh.rename(path)
        for path in self.root.glob(f"*/date=*/*{_BETWEEN}*"):
            if path not in here:
                path.unlink()
                self.count.removed += 1
        self.count.files = len(here)
        return self.count

    def _fetch_node(self, node: str) -> list[Path]:
        """A node's files, all of them here."""
        for _ in range(TRIES):
            content = self.bucket.get(f"{node}/{NAME}")
            if content is None:
                return []  # something else's folder
            objects = read(content, node).objects
            if all(self._fetch(node, name, size) for name, size in objects.items()):
                self.count.nodes += 1
                return [self._path(node, name) for name in objects]
        raise ArchiveError(f"{node}: its files go faster than they can be fetched. hint: try again")

    def _fetch(self, node: str, name: str, size_bytes: int) -> bool:
        """Fetch one object, unless it is here; False: there is no such object any more."""
        path = self._path(node, name)
        if any(each.exists() and each.stat().st_size == size_bytes for each in (path, _hidden(path))):
            return True
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self.bucket.fetch(f"{node}/{name}", _hidden(path)):
            return False
        self.count.fetched += 1
        self.count.fetched_bytes += size_bytes
        self.watch(size_bytes)
        return True

    def _path(self, node: str, name: str) -> Path:
        folder, slash, leaf = name.rpartition("/")
        return self.root / f"{folder}{slash}{node}{_BETWEEN}{leaf}"


def _hidden(path: Path) -> Path:
    return path.with_name(f".{path.name}{_FRESH}")
