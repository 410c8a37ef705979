"""Request ids: in the order of time, not to be guessed, and recognised without any state."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from gateway.proxy.ids import Ids

PEPPER = bytes(range(32))


@given(st.lists(st.floats(0, 4e9), min_size=2, max_size=50))
def test_ids_rise_whatever_the_clock_does(moments: list[float]) -> None:
    """Each id is above the one before, also when the clock stands still or goes back."""
    ids = Ids(PEPPER)
    made = [ids.new(moment) for moment in moments]
    assert [raw for raw, _ in made] == sorted({raw for raw, _ in made})
    assert [text for _, text in made] == sorted(text for _, text in made)


def test_more_ids_than_the_counter_holds_in_a_millisecond() -> None:
    """A worker that makes more ids in a millisecond than there are numbers borrows from the next one."""
    ids = Ids(PEPPER)
    made = [ids.new(1_700_000_000.0)[0] for _ in range(10_000)]
    assert made == sorted(set(made))


def test_an_id_is_a_uuid_of_version_7_and_of_its_moment() -> None:
    """The text is what RFC 9562 calls a UUIDv7, and the bytes are the same."""
    raw, text = Ids(PEPPER).new(1_700_000_000.123)
    found = uuid.UUID(text)
    assert found.bytes == raw
    assert (found.version, found.variant) == (7, uuid.RFC_4122)
    assert found.int >> 80 == 1_700_000_000_123


def test_our_own_ids_are_recognised() -> None:
    """Any worker with the same pepper knows an id; one with another pepper does not."""
    _, text = Ids(PEPPER).new(1_700_000_000.0)
    assert Ids(PEPPER).is_ours(text)
    assert not Ids(bytes(32)).is_ours(text)


def test_no_changed_id_is_ours() -> None:
    """Any digit changed, and it is no id of ours; nor is anything that only looks like one."""
    ids = Ids(PEPPER)
    _, text = ids.new(1_700_000_000.0)
    for at, digit in enumerate(text):
        if digit != "-":
            assert not ids.is_ours(text[:at] + ("0" if digit != "0" else "1") + text[at + 1 :])
    for other in ("", "x", text.upper(), text + "\n", text[:-1], str(uuid.uuid4()), text.replace("-", "")):
        assert not ids.is_ours(other)


def test_two_workers_do_not_make_the_same_ids() -> None:
    """Ids of the same moment made by two processes differ, for all but one in millions of pairs."""
    assert Ids(PEPPER).new(1.0) != Ids(PEPPER).new(1.0)
