"""Who is forgotten is in no file any more, wherever the forgetting was cut off."""

import shutil
import time
from contextlib import suppress
from pathlib import Path

import duckdb
import msgspec
import pytest

from records import erasure
from records.comparison import Comparison, Observation
from records.erasure import Forgotten, Sieve, Subject
from records.forgetting import Erasure, add_ids, carry_out, forgotten_in, wish
from records.parquet import COMPARISONS, EXCHANGES, FEEDBACK, OBSERVATIONS
from records.record import Record
from records.store import PROGRESS, Store
from tests.fakes.exchanges import AT
from tests.rooms.crash_points import Killed, Trap, trap
from tests.rooms.stored_records import DAY_S, record, vote

__all__ = ["trap"]  # a fixture

ANNA = [record(1, user="anna"), record(3, user="anna", at=AT + DAY_S), record(5, user="anna")]
OTHERS = [record(2, user="bob"), record(4, user="bob", at=AT + DAY_S)]
WISH = Subject("user", ANNA[0].user_id, AT)


def comparison(row: Record) -> Comparison:
    return Comparison(
        exchange_id=row.id, asked="candidate", route="r", unit="u", candidate_key="k", compared_us=row.arrived_us,
        p_mirror=1.0, came="answered", answer_json=f'"said to {row.id}"',
    )  # fmt: skip


def observation(row: Record, seq: int) -> Observation:
    event = msgspec.json.encode({"unit": "u", "at": AT, "id": row.id, "q": 0.5}).decode()
    return Observation(
        seq=seq, observed_us=row.arrived_us, route="r", candidate_key="k", attempt=1, weight_ppm=0, epoch=1,
        watermark=None, event_json=event, held_json="{}",
    )  # fmt: skip


def filled(root: Path) -> Store:
    """Records of two users in all tables, the last commit being written down and not published."""
    store = Store(root / "records")
    rows = [*ANNA, *OTHERS]
    store.publish(store.stage(EXCHANGES, rows[:2], "0-a") + store.stage(EXCHANGES, rows[3:], "0-b"))
    store.publish(store.stage(FEEDBACK, [vote(row.id, 1.0) for row in rows], "f"))
    store.publish(store.stage(COMPARISONS, [comparison(row) for row in rows], "c"))
    store.publish(store.stage(OBSERVATIONS, [observation(row, seq) for seq, row in enumerate(rows)], "o"))
    late = store.stage(EXCHANGES, rows[2:3], "late")
    (store.root / PROGRESS).write_bytes(msgspec.json.encode({"changes": late}))
    (root / "replays").mkdir()
    lines = [msgspec.json.encode(comparison(row)) + b"\n" for row in rows]
    (root / "replays" / "r.jsonl").write_bytes(b"".join(lines))
    return store


def forget(root: Path) -> Erasure:
    """As the command does it."""
    store = Store(root / "records")
    with store.held():
        wish(store, WISH)
        return carry_out(store, root / "replays")


def text_of(root: Path) -> str:
    """All that stands in any file below the folder, hidden ones too; but for the list of who is forgotten."""
    found: list[str] = []
    for path in root.rglob("*"):
        if not path.is_file() or path.name in ("forgotten.json", ".lock"):
            continue
        data = path.read_bytes()
        if data.startswith(b"PAR1"):
            found.append(str(duckdb.sql(f"FROM read_parquet('{path}', hive_partitioning=false)").fetchall()))
        else:
            found.append(data.decode("utf-8", "replace"))
    return "".join(found)


def check_forgotten(root: Path) -> None:
    text = text_of(root)
    for row in ANNA:
        assert row.id not in text and row.user_id not in text
    for row in OTHERS:
        assert text.count(row.id) >= 6, "in the exchanges, the feedback, a comparison, a count, a replay and its answer"


def test_forgetting_removes(tmp_path):
    """Of the exchanges, of votes, comparisons and replays on them and of what was counted nothing is left."""
    filled(tmp_path)

    assert forget(tmp_path) == Erasure(3, ())
    assert forget(tmp_path) == Erasure(0, ())

    check_forgotten(tmp_path)
    store = Store(tmp_path / "records")
    assert sorted(store.ids()) == sorted(row.id for row in OTHERS)
    with store.open_views() as views:
        counted = views.sql("SELECT seq, event_json <> '' FROM observations_all ORDER BY seq").fetchall()
    assert counted == [(0, False), (1, False), (2, False), (3, True), (4, True)], "each keeps its place"
    assert forgotten_in(store).unfinished == ()


def test_cut_off_at_any_step(tmp_path, trap: Trap):
    """However far it gets: once the wish is written down, whoever comes next finishes it, and nothing comes back."""
    begun, steps, killed = tmp_path / "begun", 0, True
    begun.mkdir()
    filled(begun)
    while killed:
        root = shutil.copytree(begun, tmp_path / str(steps))
        killed = is_cut_off(root, trap, steps)
        store = Store(root / "records")
        with store.held():
            if not forgotten_in(store).subjects:
                wish(store, WISH)  # it was never said: whoever asked for it got an error
            carry_out(store, root / "replays")
            store.finish_commit()  # as a recorder does at its start
        check_forgotten(root)
        steps += 1

    assert steps > 20


def is_cut_off(root: Path, trap: Trap, steps: int) -> bool:
    """Whether there were as many steps to do."""
    with suppress(Killed), trap.set(steps):
        forget(root)
        return False
    return True


@pytest.mark.parametrize(
    "cut",
    [lambda data: data[: len(data) // 2], lambda data: data[:40] + bytes(300) + data[340:]],
    ids=["cut", "overwritten"],
)
def test_a_broken_file_holds_up_nothing(tmp_path, cut):
    """It is set aside and told; what is in all the others goes."""
    store = filled(tmp_path)
    broken = [store.files(name)[0] for name in ("exchanges", "comparisons")]
    for path in broken:
        path.write_bytes(cut(path.read_bytes()))

    done = forget(tmp_path)

    assert sorted(done.set_aside) == sorted(
        f"damaged/{path.parent.name}/{path.parent.parent.name}-{path.name}" for path in broken
    )
    assert not any(path.exists() for path in broken)
    with Store(tmp_path / "records").open_views() as views:
        ids = {
            row[0] for row in views.sql("SELECT id FROM exchanges UNION SELECT exchange_id FROM feedback").fetchall()
        }
    assert ids.isdisjoint(forgotten_in(store).exchange_ids) and OTHERS[0].id in ids


def test_votes_of_a_key_go_with_it(tmp_path):
    """Also where what they were cast on is somebody else's."""
    store = filled(tmp_path)
    with store.held():
        wish(store, Subject("key", "k", AT))
        carry_out(store)

    assert store.files("feedback") == []
    assert len(store.ids()) == 5


def test_what_comes_later_is_not_kept():
    """A vote, a comparison or a count on an exchange that was never kept is not kept either, or is blank."""
    forgotten = Forgotten().wishing(WISH).adding([ANNA[0].id])
    sieve = Sieve(forgotten)

    assert sieve.covers(vote(ANNA[0].id, 1.0)) and sieve.covers(comparison(ANNA[0]))
    assert sieve.blanked(observation(ANNA[0], 7)).event_json == ""
    assert sieve.blanked(observation(OTHERS[0], 7)).event_json != ""
    assert forgotten.adding([ANNA[0].id]).exchange_ids == (ANNA[0].id,)


def test_ids_are_remembered(tmp_path):
    """Beside who is forgotten, in the same file."""
    store = Store(tmp_path)
    with store.held():
        wish(store, WISH)
        add_ids(store, [ANNA[1].id])

    assert forgotten_in(store) == Forgotten((WISH,), (ANNA[1].id,), (WISH,))


def test_who_said_more_than_is_remembered_is_forgotten_altogether(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is derived of every exchange goes, of those too whose ids are not kept for what is said of them later."""
    monkeypatch.setattr(erasure, "MOST_IDS", 2)
    store = filled(tmp_path)
    wish(store, WISH)
    carry_out(store, tmp_path / "replays")

    assert len(forgotten_in(store).exchange_ids) == 2
    left = store.open_views().execute("SELECT exchange_id FROM comparisons_all ORDER BY 1").fetchall()
    assert left == sorted((row.id,) for row in OTHERS)
    assert [(row.id).encode() in (tmp_path / "replays" / "r.jsonl").read_bytes() for row in ANNA] == [False] * 3


def test_as_many_exchanges_as_a_busy_key_has_cost_seconds(tmp_path: Path) -> None:
    """Who forgets holds the records meanwhile: it takes no longer than to read them."""
    store = Store(tmp_path / "records")
    many = [record(number, user="anna") for number in range(100)]
    store.publish(store.stage(EXCHANGES, many[:1], "a"))
    told = [msgspec.structs.replace(comparison(many[0]), exchange_id=f"{number:036}") for number in range(20_000)]
    store.publish(store.stage(COMPARISONS, told, "c"))
    add_ids(store, [row.exchange_id for row in told[10_000:]])
    wish(store, WISH)
    began = time.process_time()
    carry_out(store)

    assert time.process_time() - began < 2
    (left,) = store.open_views().execute("SELECT count(*) FROM comparisons_all").fetchone() or (None,)
    assert left == 10_000
