import pytest

from gateway.control.state.seal import ForgedError, NewerError, RecordSeal

KEY = bytes(range(32))


def test_a_record_opens_where_it_belongs() -> None:
    """What was sealed for a place opens there, whatever bytes it is made of, and nowhere else."""
    seal = RecordSeal(KEY)
    for content in (b"", b" ", b"{}", bytes(range(256))):
        record = seal.close("rollout/triage", content)
        assert seal.open("rollout/triage", record) == content
        with pytest.raises(ForgedError, match="rollout/other"):
            seal.open("rollout/other", record)
    assert seal.refused == 4


def test_place_and_content_do_not_run_together() -> None:
    """Letters cannot be moved between a place's name and the content."""
    seal = RecordSeal(KEY)
    assert seal.close("a/b", b"c").split(b" ")[1] != seal.close("a/", b"bc").split(b" ")[1]
    with pytest.raises(ForgedError):
        seal.open("a/", seal.close("a/b", b"c")[:-1] + b"bc")


def test_every_changed_bit_shows() -> None:
    """A record with any byte changed, cut off or added is refused and counted."""
    seal = RecordSeal(KEY)
    record = seal.close("p", b"content")
    altered = [record[:at] + bytes([byte ^ 1]) + record[at + 1 :] for at, byte in enumerate(record)]
    for each in [*altered, *(record[:end] for end in range(len(record))), record + b"x", b"", b"junk"]:
        with pytest.raises(ForgedError):
            seal.open("p", each)
    assert seal.refused == 2 * len(record) + 3


def test_another_key_is_another_hand() -> None:
    """A record sealed with another key is refused, and the message says what to compare; no key is in a repr."""
    with pytest.raises(ForgedError, match="state_key_file"):
        RecordSeal(KEY).open("p", RecordSeal(bytes(32)).close("p", b"x"))
    assert repr(RecordSeal(KEY)) == "RecordSeal(refused=0)"


def test_a_newer_format_is_told_from_a_forgery() -> None:
    """A record of a later format says so and is not counted as forged."""
    seal = RecordSeal(KEY)
    with pytest.raises(NewerError, match="newer version"):
        seal.open("p", b"cf2 whatever")
    assert seal.refused == 0
