"""Votes beside the answers they were cast on."""

from pathlib import Path

import msgspec
import pytest

from records.feedback import answered_by, last_of_each, made_us, voted_on, voters
from records.parquet import FEEDBACK
from records.record import Record
from records.store import Store
from tests.fakes.exchanges import AT, exchange_id
from tests.rooms.stored_records import DAY_S, keep, record, vote

REVISION = "2026-11-18"
SINCE_US = int((AT - 10) * 1e6)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "records")


def answer(number: int, unit: str, variant: str = "candidate", **more: object) -> Record:
    return record(number, unit=unit, variant=variant, **more)


def cast(store: Store, *scores: tuple[int, float | None], at: float = AT + 60) -> None:
    rows = [
        msgspec.structs.replace(vote(exchange_id(number), 0.0, at + place), score=score)
        for place, (number, score) in enumerate(scores)
    ]
    store.publish(store.stage(FEEDBACK, rows, f"v{at}"))


def found(store: Store, since_us: int = SINCE_US) -> dict[str, tuple[int, float]]:
    return voters(store, "support", REVISION, since_us=since_us)


def test_nobody_has_voted(store: Store) -> None:
    """Neither records that are empty nor answers without votes make a voter."""
    assert found(store) == {}
    keep(store, "a", answer(1, "a"))
    assert found(store) == {}


def test_each_voter_counts_once(store: Store) -> None:
    """A hundred votes of one are the share of them that is bad; another's single vote weighs as much."""
    keep(
        store,
        "a",
        *(answer(number, "busy") for number in range(100)),
        answer(100, "calm"),
        answer(101, "base", "baseline"),
    )
    cast(store, *((number, -1.0 if number < 25 else 1.0) for number in range(100)), (100, -0.5), (101, 0.1))

    assert found(store) == {"candidate": (2, 1.25), "baseline": (1, 0.0)}


def test_a_user_is_one_voter_over_all_units(store: Store) -> None:
    """Where requests name their user, conversations of one are one voter's."""
    keep(store, "a", *(answer(number, f"u{number}", user="ada") for number in range(3)))
    cast(store, (0, -1.0), (1, -1.0), (2, 1.0))

    assert found(store) == {"candidate": (1, pytest.approx(2 / 3))}


def test_who_voted_on_both_speaks_of_the_last(store: Store) -> None:
    """Nobody is a voter of both variants."""
    keep(store, "a", answer(1, "a"), answer(2, "a", "baseline"), answer(3, "a", "baseline"))
    cast(store, (2, -1.0), (3, 1.0), (1, 1.0))
    assert found(store) == {"candidate": (1, 0.0)}

    cast(store, (3, 1.0), at=AT + 600)
    assert found(store) == {"baseline": (1, 0.5)}


def test_an_answers_last_vote_holds(store: Store) -> None:
    """Who votes again has changed their mind, who says 0 takes it back, and a comment alone changes nothing."""
    keep(store, "a", answer(1, "a"), answer(2, "b"))
    cast(store, (1, 1.0), (1, -1.0), (1, None), (2, -1.0), (2, 0.0))

    assert found(store) == {"candidate": (1, 1.0)}


@pytest.mark.parametrize(
    "more",
    [
        {"why": "pinned"}, {"why": "fallback", "variant": "baseline"}, {"why": "ineligible", "variant": "baseline"},
        {"variant": "gateway"}, {"route": "other"}, {"table_revision": "2026-10-01"}, {"at": AT - 60},
    ],
)  # fmt: skip
def test_only_what_the_lot_gave_is_compared(store: Store, more: dict[str, object]) -> None:
    """Not what the app chose, what fell back, what was never eligible, what another candidate said, what is too old."""
    made = answer(1, "a", **more)  # pyright: ignore[reportArgumentType]
    keep(store, "a", made)
    cast(store, (1, -1.0))
    store.publish(store.stage(FEEDBACK, [vote(made.id, -1.0)], "w"))

    assert found(store) == {}


def test_answers_are_found_by_their_ids(store: Store) -> None:
    """On either side of midnight, of any file; what is not recorded is not in it."""
    midnight = AT - AT % DAY_S
    late = msgspec.structs.replace(
        answer(1, "a"), id=exchange_id(1, midnight + 0.001), arrived_us=int(midnight * 1e6) - 1
    )
    keep(store, "a", late)
    keep(store, "b", answer(2, "b", "baseline", route="other"))
    unknown = exchange_id(3)

    assert answered_by(store, [late.id, exchange_id(2), unknown]) == {
        late.id: ("support", "candidate"),
        exchange_id(2): ("other", "baseline"),
    }
    assert answered_by(store, []) == {}
    assert answered_by(store, [exchange_id(2, AT + 9 * DAY_S)]) == {}


def test_answers_voted_on_are_known(store: Store) -> None:
    """Those with a score recorded since; a comment alone is no vote."""
    keep(store, "a", answer(1, "a"))
    cast(store, (1, 1.0), (2, None), (3, -1.0), at=AT + DAY_S)

    assert voted_on(store, [exchange_id(number) for number in (1, 2, 4)]) == {exchange_id(1)}
    assert voted_on(store, []) == set()


def test_an_id_tells_when_it_was_made() -> None:
    """To the millisecond; what is no UUID is refused."""
    assert made_us(exchange_id(7)) == int(AT * 1000) * 1000
    with pytest.raises(ValueError, match="base 16"):
        made_us("not an id at all")


def test_of_each_exchange_and_key_the_last_vote_is_kept():
    """Whoever votes again means that; another key's vote on the same answer is another vote."""
    first, again = vote(exchange_id(1), 1.0, AT), vote(exchange_id(1), -1.0, AT + 1)
    other = msgspec.structs.replace(first, key_id="other")

    assert last_of_each([again, first, other, again]) == [again, other]
    assert last_of_each([]) == []


def test_a_broken_file_holds_up_no_vote(store: Store) -> None:
    """The votes on what it held are on unknown answers; all others are joined."""
    keep(store, "a", answer(1, "a"))
    keep(store, "b", answer(2, "b"))
    cast(store, (1, -1.0), (2, -1.0))
    store.files("exchanges")[0].write_bytes(b"PAR1")

    assert found(store) == {"candidate": (1, 1.0)}
