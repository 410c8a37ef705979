"""What all nodes archived, in one directory that is read like a node's own."""

from pathlib import Path

import msgspec
import pytest

from gateway import clock
from records.archive.bucket import ArchiveError, Bucket, open_bucket
from records.archive.manifest import NAME
from records.archive.reader import ArchiveFetch
from records.archive.writer import NodeArchive, identity
from records.parquet import FEEDBACK
from records.store import PROGRESS, Store
from tests.fakes.exchanges import exchange_id
from tests.rooms.object_storage import folder, storage
from tests.rooms.stored_records import keep, record, vote

__all__ = ["storage"]  # a fixture


def node(home: Path, storage: Bucket, name: str, *numbers: int) -> NodeArchive:
    """A node that has archived these exchanges."""
    store = Store(home / name)
    keep(store, "0", *map(record, numbers))
    archive = NodeArchive(store, storage, identity(store.root, name))
    archive.push(clock.wall(), settle_s=0.0)
    return archive


def test_all_nodes_records_are_one(storage: Bucket, tmp_path: Path) -> None:
    """Exchanges of one and feedback of the other belong together; files of one name do not meet."""
    node(tmp_path, storage, "one", 1, 2)
    two = node(tmp_path, storage, "two", 3)
    two.store.publish(two.store.stage(FEEDBACK, [vote(exchange_id(1), 0.5)], "v"))
    two.push(clock.wall(), settle_s=0.0)
    count = ArchiveFetch(storage, tmp_path / "here").run()
    assert (count.nodes, count.files, count.fetched, count.removed) == (2, 3, 3, 0)
    views = Store(tmp_path / "here").open_views()
    assert views.execute("SELECT id, score FROM joined ORDER BY id").fetchall() == [
        (exchange_id(1), 0.5), (exchange_id(2), None), (exchange_id(3), None)
    ]  # fmt: skip


def test_a_second_fetch_brings_what_changed(storage: Bucket, tmp_path: Path) -> None:
    """New files come, those that no list names any more go, the rest is not fetched again."""
    one = node(tmp_path, storage, "one", 1)
    ArchiveFetch(storage, tmp_path / "here").run()
    keep(one.store, "1", record(2))
    (one.store.files("exchanges")[0]).unlink()
    one.push(clock.wall(), settle_s=0.0)
    count = ArchiveFetch(storage, tmp_path / "here").run()
    assert (count.fetched, count.removed, Store(tmp_path / "here").ids()) == (1, 1, [exchange_id(2)])
    again = ArchiveFetch(storage, tmp_path / "here").run()
    assert (again.fetched, again.removed, again.files) == (0, 0, 1)


def test_a_fetch_that_is_cut_off_leaves_what_was(tmp_path: Path) -> None:
    """Half of an archive beside what it stands for would count rows twice: nothing is seen before all is here."""
    storage = open_bucket(folder(tmp_path))
    one, two = node(tmp_path, storage, "one", 1), node(tmp_path, storage, "two", 2)
    ArchiveFetch(storage, tmp_path / "here").run()
    keep(one.store, "1", record(3))
    one.push(clock.wall(), settle_s=0.0)
    storage.put(f"{two.me.node}/{NAME}", b"{")
    with pytest.raises(ArchiveError, match="is damaged"):
        ArchiveFetch(storage, tmp_path / "here").run()
    assert sorted(Store(tmp_path / "here").ids()) == [exchange_id(1), exchange_id(2)]


def test_what_a_cut_off_fetch_had_is_not_fetched_again(tmp_path: Path) -> None:
    """An archive of a year over a line that breaks: each try goes on where the last one ended."""
    storage = open_bucket(folder(tmp_path))
    one, two = node(tmp_path, storage, "one", 1), node(tmp_path, storage, "two", 2)
    last = max(one.me.node, two.me.node)
    whole = storage.get(f"{last}/{NAME}") or b""
    storage.put(f"{last}/{NAME}", b"{")
    with pytest.raises(ArchiveError, match="is damaged"):
        ArchiveFetch(storage, tmp_path / "here").run()
    assert Store(tmp_path / "here").ids() == []
    storage.put(f"{last}/{NAME}", whole)
    assert ArchiveFetch(storage, tmp_path / "here").run().fetched == 1
    assert Store(tmp_path / "here").ids() == [exchange_id(1), exchange_id(2)]


def test_what_came_from_elsewhere_stays(tmp_path: Path) -> None:
    """Rows that were imported beside what was fetched are nobody's to remove."""
    storage = open_bucket(folder(tmp_path))
    node(tmp_path, storage, "one", 1)
    ArchiveFetch(storage, tmp_path / "here").run()
    keep(Store(tmp_path / "here"), "import-x", record(9))
    assert ArchiveFetch(storage, tmp_path / "here").run().removed == 0
    assert sorted(Store(tmp_path / "here").ids()) == [exchange_id(1), exchange_id(9)]


def test_a_gateways_own_records_are_not_written_over(tmp_path: Path) -> None:
    """A directory that a gateway records into is refused."""
    storage = open_bucket(folder(tmp_path))
    node(tmp_path, storage, "one", 1)
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / PROGRESS).write_text("{}")
    with pytest.raises(ArchiveError, match="hint: name another directory"):
        ArchiveFetch(storage, tmp_path / "here").run()


def test_an_archive_without_a_node_is_said_to_be_empty(storage: Bucket, tmp_path: Path) -> None:
    """Other people's folders are passed over; a wrong prefix is no empty archive, and removes nothing here."""
    storage.put("holiday/pictures.zip", b"")
    keep(Store(tmp_path / "here"), "0", record(1))
    with pytest.raises(ArchiveError, match=r"holds no node's records\. hint: does a gateway have it as `archive`\?"):
        ArchiveFetch(storage, tmp_path / "here").run()
    assert Store(tmp_path / "here").ids() == [exchange_id(1)]


def test_a_list_that_names_what_is_not_there_is_read_again_and_then_told(tmp_path: Path) -> None:
    """A file that is merged away while it is fetched is no error; one that never comes is."""
    storage = open_bucket(folder(tmp_path))
    one = node(tmp_path, storage, "one", 1)
    listed = msgspec.json.decode(storage.get(f"{one.me.node}/{NAME}") or b"")
    listed["objects"]["exchanges/date=2026-11-18/0-z.1.parquet"] = 9
    storage.put(f"{one.me.node}/{NAME}", msgspec.json.encode(listed))
    with pytest.raises(ArchiveError, match="go faster than they can be fetched"):
        ArchiveFetch(storage, tmp_path / "here").run()
