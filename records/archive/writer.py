"""A node's folder in the archive follows its records: files that come are copied, and what goes here goes there.

Rules:
1. New objects, then the list, then what the list no longer names: a reader finds every row once at every moment, and a
   node that dies between any two steps goes on from the list.
2. What a merge, an age or a forgetting removed here is removed there. A file that was set aside because nobody can read
   it is kept there: the copy is the better one.
3. Files come twice a second under load and are merged soon: one straight from the recorder is copied once it is
   `SETTLE_S` old.
4. Nothing is done to a folder whose list is not the one that these records wrote last. So neither a copy of them that
   runs elsewhere, nor a backup that lacks what has been archived since, removes what only the archive has.
"""

import hashlib
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec

from records.archive.bucket import ArchiveError, Bucket
from records.archive.manifest import NAME, ArchivedFile, ArchiveManifest, archived, read, stem_of
from records.durable import replace
from records.store import DAMAGED, Store

IDENTITY = "archive.json"
"""In the records' folder: under which name they are archived."""
SETTLE_S = 30.0
LOOKS = 5
"""How often it looks again where files are merged away while they are copied."""
_SAFE = "abcdefghijklmnopqrstuvwxyz0123456789-"


class Identity(msgspec.Struct, frozen=True):
    """`records/archive.json`: which folder of the archive is ours, for as long as these records are."""

    node: str
    lists: tuple[str, ...] = ()
    """SHA-256 of the list that is there: the last one, and the one before it, should we have died before it was put."""


class Push(NamedTuple):
    """What one look copied and removed."""

    files: int
    size_bytes: int
    removed: int


def identity(root: Path, host: str) -> Identity:
    """Under which name the records at `root` are archived; made at the first call. `host`: of this machine.

    Raises:
        OSError: it can be neither read nor written.
        ArchiveError: the file is damaged.
    """
    path = root / IDENTITY
    try:
        return msgspec.json.decode(path.read_bytes(), type=Identity)
    except FileNotFoundError:
        pass
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ArchiveError(
            f"{path} is damaged. hint: delete it; the records are archived again under a new name"
        ) from None
    name = "".join(letter if letter in _SAFE else "-" for letter in host.lower())[:63].strip("-") or "node"
    made = Identity(f"{name}-{secrets.token_hex(4)}")
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    replace(path, msgspec.json.encode(made))
    return made


@dataclass(slots=True)
class NodeArchive:
    """One node's folder: `push` makes it what the records are."""

    store: Store
    bucket: Bucket
    me: Identity
    watch: Callable[[int], object] = lambda _: None
    """Is told of each file's bytes once it is there."""
    _listed: dict[str, int] | None = field(default=None, init=False)
    """What our list names; None: not read yet."""
    _copied: dict[str, int] = field(default_factory=dict[str, int], init=False)
    """What is there, and no list has named yet."""
    _unlisted: list[str] = field(default_factory=list[str], init=False)
    """What may still be there, and no list names any more."""

    def lag_s(self, now: float) -> float:
        """About the age of the oldest file that is not in the archive, as far as is known here. `now`: Unix seconds."""
        return lag_s(self.store, now, self._listed or {})

    def push(self, now: float, settle_s: float = SETTLE_S) -> Push:
        """Copy what came, and remove what went. `now`: Unix seconds. `settle_s`: how old a new file is by then.

        Raises:
            OSError: the disk refused.
            ArchiveError: the archive refused, or its list is not ours; what was done stays done.
        """
        if self._listed is None:
            self._listed, self._copied = self._begin(), {}
        for _ in range(LOOKS):
            try:
                files = self._due(now, settle_s)
                self._copy(files)
            except FileNotFoundError:  # merged away since we looked: look again, at what stands for it
                continue
            came = self._list({file.name: file.size_bytes for file in files}, self._listed, now)
            removed, gone = len(self._unlisted), [self._named(name) for name in self._unlisted]
            self.bucket.delete(gone)
            self._unlisted = []
            return Push(len(came), sum(came), removed)
        return Push(0, 0, 0)

    def _due(self, now: float, settle_s: float) -> list[ArchivedFile]:
        """The files that are to be there now. One that only adds rows, and is likely to be merged soon, comes later.

        Raises:
            FileNotFoundError: one has gone since we looked.
        """
        known = {stem_of(name) for name in self._listed or {}}
        return [
            file
            for file in _files(self.store)
            if not file.path.name.startswith("0-") or file.stem in known or not 0 <= now - file.written_at < settle_s
        ]

    def _copy(self, files: Sequence[ArchivedFile]) -> None:
        """Put every file there that is not there yet.

        Raises:
            FileNotFoundError: one has gone since.
            OSError, ArchiveError: as `push`.
        """
        for file in files:
            if file.name not in self._copied and file.name not in (self._listed or {}):
                self.bucket.put(self._named(file.name), file.path)
                self._copied[file.name] = file.size_bytes
                self.watch(file.size_bytes)

    def _list(self, objects: dict[str, int], listed: dict[str, int], now: float) -> list[int]:
        """Let the list name what is here now. Returns the sizes of what it names for the first time."""
        objects |= {name: size for name, size in listed.items() if name not in objects and self._is_set_aside(name)}
        came = [size for name, size in self._copied.items() if name in objects]
        if objects != listed:
            self._put_list(ArchiveManifest(now, objects))
            self._listed = objects
        self._unlisted = [name for name in {*self._unlisted, *listed, *self._copied} if name not in objects]
        self._copied = {}
        return came

    def _put_list(self, manifest: ArchiveManifest) -> None:
        """Put our list in the place of the one that is there, which has to be ours."""
        there, fresh = self._there(), msgspec.json.encode(manifest)
        lists = (_sha256(fresh),) if there is None else (_sha256(there), _sha256(fresh))
        self.me = msgspec.structs.replace(self.me, lists=lists)
        replace(self.store.root / IDENTITY, msgspec.json.encode(self.me))
        self.bucket.put(self._named(NAME), fresh)

    def _begin(self) -> dict[str, int]:
        """Take up where an earlier process stopped, and remove what it copied and did not list."""
        there = self._there()
        listed = {} if there is None else read(there, self.me.node).objects
        named = {self._named(name) for name in (*listed, NAME)}
        self.bucket.delete([name for name in self.bucket.names(self.me.node) if name not in named])
        return listed

    def _there(self) -> bytes | None:
        """The list that is there; None: there is none.

        Raises:
            ArchiveError: it is not ours, it has gone since, or the archive refused.
        """
        found = self.bucket.get(self._named(NAME))
        if found is not None and _sha256(found) not in self.me.lists:
            raise ArchiveError(
                f"{self.me.node} is not as these records left it: another node writes there, or they are a restored "
                f"backup. hint: docs/archive.md; delete {IDENTITY} beside them, and they get a folder of their own"
            )
        if found is None and self._listed:
            self._listed = None  # begin again
            raise ArchiveError(f"{self.me.node}/{NAME} is gone. hint: if nobody else removes it, all is copied again")
        return found

    def _is_set_aside(self, name: str) -> bool:
        """Whether an object's file lies among the damaged ones."""
        table, day, leaf = stem_of(name).split("/")
        return (self.store.root / DAMAGED / day / f"{table}-{leaf}.parquet").exists()

    def _named(self, name: str) -> str:
        return f"{self.me.node}/{name}"


def lag_s(store: Store, now: float, listed: Collection[str] = ()) -> float:
    """The age of the oldest file that an archive does not list; 0: there is none. `now`: Unix seconds."""
    try:
        return max([0.0, *(now - file.written_at for file in _files(store) if file.name not in listed)])
    except FileNotFoundError:  # they are being merged
        return 0.0


def _files(store: Store) -> list[ArchivedFile]:
    """What holds every row once, as of one moment.

    Raises:
        FileNotFoundError: a file of it has gone since.
    """
    return [archived(store.root, path) for files in store.seen().values() for path in files]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
