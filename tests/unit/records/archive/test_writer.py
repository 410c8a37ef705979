"""A node's folder follows its records, whatever they do meanwhile."""

import os
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from gateway import clock
from records.archive.bucket import ArchiveError, Bucket, open_bucket
from records.archive.manifest import NAME
from records.archive.reader import ArchiveFetch
from records.archive.writer import IDENTITY, SETTLE_S, NodeArchive, Push, identity
from records.erasure import Subject
from records.forgetting import carry_out, wish
from records.store import MERGE_FILES, Store
from tests.fakes.exchanges import AT, exchange_id
from tests.rooms.crash_points import Killed
from tests.rooms.object_storage import folder
from tests.rooms.stored_records import DAY_S, keep, record


@pytest.fixture
def storage(tmp_path: Path) -> Bucket:
    return open_bucket(folder(tmp_path))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "records")


@pytest.fixture(scope="module")
def single_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As many files of a row each as become one, written once for all tests that take a copy."""
    found = Store(tmp_path_factory.mktemp("single") / "records")
    for number in range(MERGE_FILES):
        keep(found, f"{number:04d}", record(number))
    return found.root


@pytest.fixture
def many(store: Store, single_rows: Path, archive: NodeArchive) -> NodeArchive:
    """An archive that has them all."""
    shutil.copytree(single_rows, store.root, dirs_exist_ok=True)
    push(archive)
    return archive


@pytest.fixture
def archive(store: Store, storage: Bucket) -> NodeArchive:
    return NodeArchive(store, storage, identity(store.root, "Node 1"))


def push(archive: NodeArchive) -> Push:
    return archive.push(clock.wall(), settle_s=0.0)


def archived_ids(storage: Bucket, folder: Path) -> list[str]:
    """What a reader finds there now."""
    shutil.rmtree(folder, ignore_errors=True)
    ArchiveFetch(storage, folder).run()
    return sorted(Store(folder).ids())


def ids(*numbers: int) -> list[str]:
    return sorted(map(exchange_id, numbers))


def test_the_archive_follows_the_records(archive: NodeArchive, store: Store, storage: Bucket, tmp_path: Path) -> None:
    """What comes is copied once; what was aged out goes; where nothing changed, nothing is done."""
    keep(store, "a", record(1), record(2, at=AT + DAY_S * 3))
    assert push(archive)[::2] == (2, 0)
    late = record(2, at=AT + DAY_S * 3).id
    assert archived_ids(storage, tmp_path / "here") == [exchange_id(1), late]
    assert push(archive) == Push(0, 0, 0)
    keep(store, "b", record(3, at=AT + DAY_S * 3))
    store.expire(int((AT + DAY_S * 2) * 1e6))
    assert push(archive)[::2] == (1, 1)
    assert archived_ids(storage, tmp_path / "here") == [late, record(3, at=AT + DAY_S * 3).id]


def test_a_merge_is_one_file_there_too(many: NodeArchive, store: Store, storage: Bucket, tmp_path: Path) -> None:
    """Every row is there once, before and after, and what was merged is gone."""
    assert archived_ids(storage, tmp_path / "here") == ids(*range(MERGE_FILES))
    store.publish(store.stage_merge("m"))
    assert push(many)[::2] == (1, MERGE_FILES)
    assert archived_ids(storage, tmp_path / "here") == ids(*range(MERGE_FILES))
    assert len(storage.names(many.me.node)) == 2, "one file and the list"


def test_who_is_forgotten_here_is_forgotten_there(
    archive: NodeArchive, store: Store, storage: Bucket, tmp_path: Path
) -> None:
    """A file that keeps its name and loses a row is another object, and the earlier one goes."""
    anna, bob = record(1, user="anna"), record(2, user="bob")
    keep(store, "a", anna, bob)
    push(archive)
    with store.held():
        wish(store, Subject("user", anna.user_id, AT))
        carry_out(store)
    assert push(archive)[::2] == (1, 1)
    assert archived_ids(storage, tmp_path / "here") == [bob.id]
    assert len(storage.names(archive.me.node)) == 2


def test_a_new_file_waits_to_be_merged(archive: NodeArchive, store: Store, storage: Bucket, tmp_path: Path) -> None:
    """What only adds rows comes later; what stands for files that are there comes at once, however new it is."""
    keep(store, "a", record(1, user="anna"), record(2))
    now = clock.wall()
    assert archive.push(now + SETTLE_S / 2) == Push(0, 0, 0)
    assert archive.lag_s(now + SETTLE_S / 2) == pytest.approx(SETTLE_S / 2, abs=1.0)
    assert archive.push(now + SETTLE_S + 1).files == 1
    assert archive.lag_s(now + SETTLE_S + 1) == 0.0
    with store.held():
        wish(store, Subject("user", record(1, user="anna").user_id, AT))
        carry_out(store)
    assert archive.push(now).files == 1
    assert archived_ids(storage, tmp_path / "here") == ids(2)


def test_a_file_that_is_damaged_here_stays_there(
    archive: NodeArchive, store: Store, storage: Bucket, tmp_path: Path
) -> None:
    """It is set aside because nobody can read it: the copy is the better one, until its date goes."""
    keep(store, "a", record(1))
    keep(store, "b", record(2))
    push(archive)
    (path,) = (path for path in store.files("exchanges") if path.name == "0-a.parquet")
    path.write_bytes(b"PAR1 damaged")
    assert store.sweep() == 1
    push(archive)
    assert archived_ids(storage, tmp_path / "here") == ids(1, 2)
    store.expire(int((AT + DAY_S * 9) * 1e6))
    push(archive)
    assert storage.names(archive.me.node) == [f"{archive.me.node}/{NAME}"]


CHANGES = 2 + 1 + MERGE_FILES
"""Two files come, then the list, then what was merged goes."""


@dataclass(frozen=True)
class DyingBucket(Bucket):
    """The process that uses it is killed at its nth change."""

    left: list[int]

    def _do(self, verb: str, *arguments: object) -> object:
        if verb in ("put", "delete"):
            if not self.left[0]:
                raise Killed
            self.left[0] -= 1
        return Bucket._do(self, verb, *arguments)


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 4, MERGE_FILES, CHANGES - 1, CHANGES])
def test_a_death_at_any_moment_leaves_every_row_once(many: NodeArchive, tmp_path: Path, steps: int) -> None:
    """Between any two changes a reader finds what was there before or what is there after; the next start ends it."""
    store, storage = many.store, many.bucket
    store.publish(store.stage_merge("m"))
    keep(store, "new", record(99))
    dying = DyingBucket(**{each.name: getattr(storage, each.name) for each in fields(storage)}, left=[steps])
    before, after = ids(*range(MERGE_FILES)), ids(*range(MERGE_FILES), 99)
    with pytest.raises(Killed) if steps < CHANGES else nullcontext():
        push(NodeArchive(store, dying, many.me))
    assert archived_ids(storage, tmp_path / "here") == (before if steps < 3 else after)
    push(lead(store, storage))
    assert archived_ids(storage, tmp_path / "here") == after
    assert len(storage.names(many.me.node)) == 3, "two files and the list"


@dataclass(frozen=True)
class KeepingBucket(Bucket):
    """Refuses to remove anything while it is told to."""

    keeps: list[bool]

    def delete(self, names: Sequence[str]) -> None:
        if names and self.keeps[0]:
            raise ArchiveError("HTTP 403")
        Bucket.delete(self, names)


def test_what_could_not_be_removed_is_removed_later(many: NodeArchive, store: Store) -> None:
    """A key that may write and not delete: nothing is forgotten over it, and what came back meanwhile stays."""
    bucket = many.bucket
    keeping = KeepingBucket(**{each.name: getattr(bucket, each.name) for each in fields(bucket)}, keeps=[True])
    archive = NodeArchive(store, keeping, many.me)
    back = store.files("exchanges")[0]
    moment = back.stat()
    shutil.copy2(back, store.root / "kept-aside")
    store.publish(store.stage_merge("m"))
    with pytest.raises(ArchiveError, match="HTTP 403"):
        push(archive)
    assert len(bucket.names(many.me.node)) == MERGE_FILES + 2, "the merged file, the list, and all that it stands for"
    (store.root / "kept-aside").rename(back)
    os.utime(back, ns=(moment.st_mtime_ns, moment.st_mtime_ns))
    keeping.keeps[0] = False
    push(archive)
    assert len(bucket.names(many.me.node)) == 3, "the merged file, the list, and what came back"


def lead(store: Store, storage: Bucket) -> NodeArchive:
    """What a new process of these records goes on with."""
    return NodeArchive(store, storage, identity(store.root, "renamed since"))


def test_a_backup_that_is_restored_takes_nothing_from_the_archive(
    archive: NodeArchive, store: Store, storage: Bucket, tmp_path: Path
) -> None:
    """What was archived since the backup is nowhere else: nothing is done to the folder until somebody decides."""
    keep(store, "a", record(1))
    push(archive)
    shutil.copytree(store.root, tmp_path / "backup")
    keep(store, "b", record(2))
    push(archive)
    restored = Store(tmp_path / "backup")
    with pytest.raises(ArchiveError, match=f"a restored backup.*delete {IDENTITY}"):
        push(lead(restored, storage))
    assert archived_ids(storage, tmp_path / "here") == ids(1, 2)
    (restored.root / IDENTITY).unlink()
    push(lead(restored, storage))
    assert len(storage.folders()) == 2, "each under a name of its own"


def test_a_copy_that_runs_elsewhere_is_told_from_the_node(
    archive: NodeArchive, store: Store, storage: Bucket, tmp_path: Path
) -> None:
    """Whoever writes second finds a list that is not his, and removes nothing of the other's."""
    keep(store, "a", record(1))
    push(archive)
    copy = Store(shutil.copytree(store.root, tmp_path / "copy"))
    keep(copy, "b", record(2))
    push(lead(copy, storage))
    keep(store, "c", record(3))
    with pytest.raises(ArchiveError, match="another node writes there"):
        push(archive)
    assert archived_ids(storage, tmp_path / "here") == ids(1, 2)


def test_a_folder_that_somebody_removed_is_written_again(
    archive: NodeArchive, store: Store, storage: Bucket, tmp_path: Path
) -> None:
    """It is said once that it was gone."""
    keep(store, "a", record(1))
    push(archive)
    storage.delete(storage.names(archive.me.node))
    keep(store, "b", record(2))
    with pytest.raises(ArchiveError, match=f"{NAME} is gone"):
        push(archive)
    push(archive)
    assert archived_ids(storage, tmp_path / "here") == ids(1, 2)


def test_a_name_is_kept_as_long_as_the_records_are(tmp_path: Path) -> None:
    """It is of the machine and of chance: a volume that was lost and made anew leaves the earlier copy alone."""
    first = identity(tmp_path / "a", "Pod_0.Crossfade!")
    assert first.node.startswith("pod-0-crossfade-")
    assert identity(tmp_path / "a", "renamed") == first
    assert identity(tmp_path / "b", "Pod_0.Crossfade!").node != first.node
    assert identity(tmp_path / "c", "!!!").node.startswith("node-")
    (tmp_path / "a" / IDENTITY).write_text("{")
    with pytest.raises(ArchiveError, match=r"is damaged\. hint: delete it"):
        identity(tmp_path / "a", "pod")
