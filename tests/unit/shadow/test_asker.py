"""Who asks and with what a conversation begins, of exchanges as the journal has them."""

import msgspec
import pytest

from records.exchange import Exchange
from shadow.asker import MOST_BYTES, NOBODY, asked_by
from tests.fakes.exchanges import chat_request, exchange


def asked(body: bytes, key_id: str = "k") -> Exchange:
    found = exchange(1)
    return msgspec.structs.replace(
        found, request_body=body, meta=msgspec.structs.replace(found.meta, key_id=key_id, target="/v1/chat/completions")
    )


def test_a_user_is_known_by_key_and_name():
    """The same name under another key is another user; what is asked makes no difference."""
    one = asked_by(asked(chat_request("a", user="u-1")))
    assert one.user
    assert not one.prompt
    assert one == asked_by(asked(chat_request("b", user="u-1")))
    assert one != asked_by(asked(chat_request("a", user="u-1"), "other"))


def test_without_a_user_the_beginning_is_known_whoever_asks():
    """Two keys that ask the same are one prompt; another first turn is another."""
    one = asked_by(asked(chat_request("a")))
    assert one.prompt
    assert not one.user
    assert one == asked_by(asked(chat_request("a"), "other"))
    assert one != asked_by(asked(chat_request("b")))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"model": "m", "messages": 3}', b" " * (MOST_BYTES + 1)])
def test_of_what_cannot_be_read_nothing_is_known(body: bytes):
    """A body that was not kept, is none, or is very long."""
    assert asked_by(asked(body)) == NOBODY


def test_slices_are_told_of_whoever_asks():
    """With a user, without one, and of a body that cannot be read."""
    by = ("tool", "length")
    for body in (chat_request("a", user="u-1"), chat_request("a")):
        assert asked_by(asked(body), by).slices == ("tool=none", "length=short")
    assert asked_by(asked(b"{"), by).slices == ("tool=other", "length=short")
    assert asked_by(asked(chat_request("a"))).slices == ()


def test_the_time_of_day_is_no_other_prompt():
    """An app that tells the model what time it is asks the same again, as whoever assigns it sees it."""
    times = ("It is Monday, 30 November 2026, 14:05.", "It is Tuesday, 1 December 2026, 09:12.")
    told = [chat_request("a").replace(b"You triage.", f"You triage. {each}".encode()) for each in times]
    one, other = (asked_by(asked(each)).prompt for each in told)
    assert one == other != asked_by(asked(chat_request("a"))).prompt
