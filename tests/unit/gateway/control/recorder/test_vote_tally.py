"""Votes counted for /metrics: joined to their answers, once each, whatever the records are like."""

from io import StringIO
from pathlib import Path

import msgspec
import pytest

from gateway.control.recorder.tally import Tally
from gateway.control.recorder.vote_tally import JOIN_US, VoteTally
from gateway.log import Log
from records.parquet import FEEDBACK
from records.record import Vote
from records.store import Store
from tests.fakes.exchanges import AT, exchange_id
from tests.rooms.scraped import values
from tests.rooms.stored_records import keep, record, vote

UP, DOWN = ("support", "baseline", "up"), ("support", "candidate", "down")


@pytest.fixture
def ballot(tmp_path: Path) -> VoteTally:
    return VoteTally(Store(tmp_path / "records"), Log("recorder", stream=StringIO()))


def said(number: int, score: float | None, at: float = AT + 60) -> Vote:
    return msgspec.structs.replace(vote(exchange_id(number), 0.0, at), score=score)


def counted(tally: Tally) -> dict[tuple[str, ...], float]:
    return values(tally, "feedback_total")


def test_votes_are_counted_by_whose_answer_they_are_on(ballot: VoteTally):
    """Of answers recorded before and of those in the same batch, by the sign of the score; a comment is no vote."""
    keep(ballot.store, "a", record(1), record(2, variant="candidate"))
    here = [record(3, variant="candidate"), record(4)]
    tally = Tally()
    ballot.count([said(1, 0.2), said(2, -1.0), said(3, -0.1), said(4, 0.0), said(4, None), said(2, None)], here, tally)

    assert counted(tally) == {UP: 1, DOWN: 2, ("support", "baseline", "none"): 1}


def test_an_answer_is_voted_on_once(ballot: VoteTally):
    """The first vote counts: not a second one in the batch, in a batch tried again, nor in a later one."""
    keep(ballot.store, "a", record(1))
    first, tally = [said(1, 1.0), said(1, -1.0)], Tally()
    ballot.count(first, [], tally)
    ballot.count([*first, said(1, -1.0)], [], tally)
    ballot.store.publish(ballot.store.stage(FEEDBACK, first, "b"))
    ballot.committed()
    ballot.count([said(1, -1.0)], [], tally)

    assert counted(tally) == {UP: 1}


def test_what_was_counted_is_forgotten_with_its_batch(ballot: VoteTally):
    """Once it is committed the records alone say what was voted on: nothing grows with the votes of a lifetime."""
    keep(ballot.store, "a", record(1))
    tally = Tally()
    for _ in range(2):
        ballot.count([said(1, 1.0)], [], tally)
        ballot.committed()

    assert counted(tally) == {UP: 2}


def test_a_comment_first_does_not_use_up_the_vote(ballot: VoteTally):
    """Only a score is a vote, in the records as well."""
    keep(ballot.store, "a", record(1))
    ballot.store.publish(ballot.store.stage(FEEDBACK, [said(1, None)], "b"))
    tally = Tally()
    ballot.count([said(1, 1.0)], [], tally)

    assert counted(tally) == {UP: 1}


@pytest.mark.parametrize("at", [AT + 60, AT + JOIN_US / 1e6 + 1, AT - 7200])
def test_an_unknown_answer_has_no_variant(ballot: VoteTally, at: float):
    """Not recorded, too old to be looked for, or from the future: counted, under no route."""
    if at != AT + 60:
        keep(ballot.store, "a", record(1))
    tally = Tally()
    ballot.count([said(1, -1.0, at)], [], tally)

    assert counted(tally) == {("", "unknown", "down"): 1}


def test_records_that_cannot_be_read_stop_nothing(ballot: VoteTally):
    """The votes count as on unknown answers, but for those whose answer is at hand, and somebody is told."""
    keep(ballot.store, "a", record(1))
    (path,) = ballot.store.files("exchanges")
    path.unlink()
    path.mkdir()
    tally = Tally()
    ballot.count([said(1, -1.0), said(2, 1.0)], [record(2)], tally)

    assert counted(tally) == {("", "unknown", "down"): 1, UP: 1}
    assert isinstance(ballot.log.stream, StringIO)
    assert '"event": "recorder.votes_not_joined", "votes": 2' in ballot.log.stream.getvalue()


def test_an_id_that_is_none_stops_nothing(ballot: VoteTally):
    """It is counted, and the batch with it."""
    tally = Tally()
    ballot.count([msgspec.structs.replace(said(1, 1.0), exchange_id="nonsense")], [], tally)

    assert counted(tally) == {("", "unknown", "up"): 1}


def test_without_votes_no_record_is_looked_at(ballot: VoteTally):
    """Recording costs what it did where nobody votes."""
    keep(ballot.store, "a", record(1))
    (path,) = ballot.store.files("exchanges")
    path.write_bytes(b"no Parquet")
    tally = Tally()
    ballot.count([said(1, None)], [record(2)], tally)

    assert counted(tally) == {}
    assert isinstance(ballot.log.stream, StringIO)
    assert ballot.log.stream.getvalue() == ""
