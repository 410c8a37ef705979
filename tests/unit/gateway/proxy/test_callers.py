"""Who calls, without keeping what they show; and whom the frontier has accepted."""

import hmac

import pytest

from gateway.proxy.callers import NOBODY, VERIFIED_S, Callers, credential
from gateway.transport.message import Head
from policies.routing import Key

PEPPER = bytes(range(32))


def digest(secret: bytes) -> str:
    return hmac.digest(PEPPER, secret, "sha256").hex()


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        (b"Authorization: Bearer k", b"Bearer k"),
        (b"api-key: azure", b"azure"),
        (b"X-Api-Key: x", b"x"),
        (b"api-key: azure\r\nAuthorization: Bearer k", b"Bearer k"),
        (b"Authorization:\r\napi-key: azure", b"azure"),
        (b"X-Other: y", b""),
    ],
)
def test_what_a_caller_shows(lines: bytes, shown: bytes) -> None:
    """The Authorization, or the header that stands for it, in that order."""
    assert credential(Head(b"GET / HTTP/1.1\r\n" + lines)) == shown


def test_a_caller_is_an_hmac_of_the_key_alone() -> None:
    """The scheme's name and its case do not matter; the id does not tell the key."""
    callers = Callers(PEPPER)
    ids = {callers.find(shown).id for shown in (b"Bearer sk-1", b"bearer sk-1", b"BEARER  sk-1 ", b"sk-1")}
    assert ids == {digest(b"sk-1")[:16]}
    assert callers.find(b"Bearer sk-2").id not in ids
    assert Callers(bytes(32)).find(b"sk-1").id not in ids
    assert callers.find(b"") is NOBODY


def test_a_gateway_key_is_known_by_its_hmac_until_it_is_revoked() -> None:
    """A live key has its name; a revoked one, one that left the table and an unknown one have none."""
    callers = Callers(PEPPER)
    key = Key("k1", "team", digest(b"cf-1"))
    callers.set_keys((key,))
    assert callers.find(b"Bearer cf-1").key is key
    assert callers.find(b"Bearer cf-2").key is None
    callers.set_keys((Key("k1", "team", digest(b"cf-1"), revoked=True),))
    assert callers.find(b"Bearer cf-1").key is None
    callers.set_keys((key,))
    assert callers.find(b"Bearer cf-1").key is key
    callers.set_keys(())
    assert callers.find(b"Bearer cf-1").key is None


def test_an_accepted_key_is_accepted_for_a_quarter_of_an_hour() -> None:
    """A 2xx accepts from then on, each one anew; errors that say nothing of the key change nothing."""
    callers = Callers(PEPPER)
    caller = callers.find(b"sk-1")
    assert not callers.accepted("openai", caller, 0.0)
    callers.note("openai", caller, 200, 0.0)
    assert callers.accepted("openai", caller, VERIFIED_S - 1)
    assert not callers.accepted("openai", caller, VERIFIED_S)
    callers.note("openai", caller, 201, VERIFIED_S)
    for status in (400, 404, 429, 500):
        callers.note("openai", caller, status, VERIFIED_S)
    assert callers.accepted("openai", caller, VERIFIED_S + 1)
    assert not callers.accepted("openai", callers.find(b"sk-2"), VERIFIED_S + 1)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_accepted_no_more(status: int) -> None:
    """The frontier's refusal ends it at once, also for a key it never accepted."""
    callers = Callers(PEPPER)
    caller = callers.find(b"sk-1")
    callers.note("openai", caller, status, 0.0)
    callers.note("openai", caller, 200, 0.0)
    callers.note("openai", caller, status, 1.0)
    assert not callers.accepted("openai", caller, 1.0)


def test_what_is_remembered_is_bounded() -> None:
    """Any number of keys takes a bounded number of places; the oldest are forgotten first."""
    callers = Callers(PEPPER, most=64)
    found = [callers.find(b"sk-%d" % number) for number in range(200)]
    for caller in found:
        callers.note("openai", caller, 200, 0.0)
    assert (len(callers._known), len(callers._accepted)) == (4, 64)
    assert callers.accepted("openai", found[-1], 1.0)
    assert not callers.accepted("openai", found[0], 1.0)


def test_what_one_server_accepts_opens_no_other_ones_candidate() -> None:
    """A key is as good as the frontier of its route finds it: a server that checks none vouches for nothing."""
    callers = Callers(b"pepper")
    caller = callers.find(b"Bearer junk")
    callers.note("local", caller, 200, 100.0)
    assert callers.accepted("local", caller, 101.0)
    assert not callers.accepted("frontier", caller, 101.0)
    callers.note("frontier", caller, 401, 101.0)
    assert callers.accepted("local", caller, 101.0)
