"""One worker's journal, followed."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import clock
from gateway.control.journals.tail import Found, Position, Progress, Tail
from records.exchange import Exchange, FeedbackFrame
from tests.rooms.recording import KEY, Place, Worker

LATER_S = 60.0
BUDGET = 1 << 20


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return Place(tmp_path).worker()


def tail(worker: Worker, start: Progress | None = None) -> Tail:
    return Tail(worker.journal / worker.name, KEY, start or Progress())


def ids(found: list[Found]) -> list[str]:
    return [one.meta.id for one in found if isinstance(one, Exchange)]


def test_what_is_appended_is_found_once(worker):
    """Each look finds what came since the last one, over any number of segments."""
    first = [worker.whole() for _ in range(9)]
    follower = tail(worker)
    assert ids(follower.poll(clock.wall(), BUDGET)) == first
    assert follower.poll(clock.wall(), BUDGET) == []
    assert follower.caught_up
    second = [worker.streamed("a"), worker.whole()]
    worker.feedback(first[0])
    found = follower.poll(clock.wall(), BUDGET)
    assert ids(found) == second
    assert isinstance(found[-1], FeedbackFrame)
    assert follower.done.segment > 1
    worker.die()


def test_a_look_is_bounded(worker):
    """A long backlog is read in parts."""
    expected = [worker.whole() for _ in range(30)]
    follower = tail(worker)
    looks = [ids(follower.poll(clock.wall(), 2000)) for _ in range(40)]

    assert max(map(len, looks)) <= 4
    assert [id_ for look in looks for id_ in look] == expected
    worker.die()


def test_exchanges_written_together_are_found_together(worker):
    """A look that ends inside a frame of several exchanges leaves none of them out, and finds none twice."""
    together = [[worker.gathered() for _ in range(number)] for number in (1, 3, 2, 5)]
    expected = list[str]()
    for ids_ in together:
        expected += ids_
    worker.commit()
    more = [worker.whole() for _ in range(3)]
    follower = tail(worker)
    looks = [ids(follower.poll(clock.wall(), 1)) for _ in range(8)]
    assert [id_ for look in looks for id_ in look] == expected + more
    assert looks[0] == expected
    assert ids(tail(worker, follower.progress).poll(clock.wall(), BUDGET)) == []
    worker.die()


def test_reading_again_begins_at_the_oldest_open_exchange(worker):
    """After a crash an exchange that was open is whole, and what was recorded is not found again."""
    before = worker.whole()
    under_way = worker.begin()
    worker.part(under_way, b"x" * 30)
    between = [worker.whole() for _ in range(9)]
    follower = tail(worker)
    assert ids(follower.poll(clock.wall(), BUDGET)) == [before, *between]
    progress = follower.progress
    assert progress.safe < progress.done

    worker.end(under_way, b"y", sent=30)
    after = worker.whole()
    found = tail(worker, progress).poll(clock.wall(), BUDGET)

    assert ids(found) == [under_way.meta.id, after]
    assert isinstance(found[0], Exchange)
    assert found[0].response_body == b"x" * 30 + b"y"
    worker.die()


def test_a_dead_worker_ends(worker):
    """Once its worker is gone and all is read, what is open is lost; not while it lives, nor while it is young."""
    under_way = worker.begin()
    follower = tail(worker)
    assert follower.poll(clock.wall() + LATER_S, BUDGET) == []
    worker.die()
    assert follower.poll(clock.wall(), BUDGET) == []
    found = follower.poll(clock.wall() + LATER_S, BUDGET)

    assert ids(found) == [under_way.meta.id]
    assert follower.progress.ended
    assert follower.poll(clock.wall() + LATER_S, BUDGET) == []


def test_a_torn_tail_is_damage_once_it_is_final(worker):
    """Half a frame may still be growing while its worker lives; behind a dead one it is counted, once."""
    whole = worker.whole()
    worker.whole()
    path = worker.journal / worker.name / "00000001.seg"
    follower = tail(worker)
    path.write_bytes(path.read_bytes()[:-10])
    assert ids(follower.poll(clock.wall(), BUDGET)) == [whole]
    assert follower.damaged == 0
    worker.die()
    for _ in range(3):
        follower.poll(clock.wall() + LATER_S, BUDGET)

    assert follower.damaged == 1
    assert follower.ended


def test_a_segment_that_is_gone(worker):
    """What somebody removed is passed over; the rest is found."""
    for _ in range(9):
        worker.whole()
    (worker.journal / worker.name / "00000001.seg").unlink()
    found = ids(tail(worker, Progress(Position(1, 50), Position(1, 50))).poll(clock.wall(), BUDGET))

    assert found
    assert found == worker.ids[-len(found) :]
    worker.die()


@settings(max_examples=25)
@given(st.lists(st.sampled_from(["whole", "begin", "part", "end", "look", "restart"]), max_size=30))
def test_any_history_is_found_exactly_once(tmp_path_factory, history):
    """Whatever begins, ends and restarts in between, each ended exchange is found once, with its whole answer."""
    worker = Place(tmp_path_factory.mktemp("tail")).worker(segment_bytes=2048)
    follower, found, open_, sent, expected = tail(worker), list[Found](), [], {}, dict[str, int]()
    for step in (*history, "look"):
        if step == "whole":
            expected[worker.whole()] = 308
        elif step == "begin":
            open_.append(worker.begin())
            sent[open_[-1].meta.id] = 0
        elif step == "part" and open_:
            worker.part(open_[0], b"x" * 7)
            sent[open_[0].meta.id] += 7
        elif step == "end" and open_:
            done = open_.pop()
            worker.end(done, b"y", sent=sent[done.meta.id])
            expected[done.meta.id] = sent[done.meta.id] + 1
        elif step == "look":
            found += follower.poll(clock.wall(), BUDGET)
        elif step == "restart":
            follower = tail(worker, follower.progress)
    worker.die()

    assert sorted(ids(found)) == sorted(expected)
    assert {one.meta.id: len(one.response_body) for one in found if isinstance(one, Exchange)} == expected


def test_what_is_owed_is_found_again(worker):
    """After a restart, exchanges that were found and not finished with are found again, and no other."""
    earlier = [worker.whole() for _ in range(3)]
    first = tail(worker)
    first.poll(clock.wall(), BUDGET)
    safe = first.progress.safe
    later = [worker.whole() for _ in range(4)]
    streamed = worker.streamed("a")
    assert ids(first.poll(clock.wall(), BUDGET)) == [*later, streamed]
    owed = {later[1], streamed}

    after = worker.whole()
    again = Tail(worker.journal / worker.name, KEY, Progress(first.progress.done, safe), owed)
    assert not again.is_level
    assert ids(again.poll(clock.wall(), BUDGET)) == [later[1], streamed, after]
    assert again.is_level
    assert not set(earlier) & owed
    worker.die()
