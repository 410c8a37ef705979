import hmac
from collections.abc import Iterator
from pathlib import Path
from sqlite3 import Connection

import pytest

from gateway.node import keys
from gateway.node.database import opened, read_audit
from gateway.node.keys import Actor, KeyRefusedError

PEPPER = bytes(range(32))


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Connection]:
    with opened(tmp_path / "state.db") as connection:
        yield connection


def make(state: Connection, name: str, at: float = 1.0) -> str:
    key = keys.new_secret()
    keys.create(state, name, fingerprint=keys.fingerprint(PEPPER, key), scopes=(), actor=Actor("ada", at))
    return key


def test_a_key_is_256_random_bits() -> None:
    """Keys begin with cf-, carry 43 characters of randomness, and differ."""
    made = {keys.new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(key.startswith("cf-") and len(key) == 46 for key in made)


def test_the_table_gets_the_hmac_and_never_the_key(state: Connection, tmp_path: Path) -> None:
    """What the routing table lists is HMAC-SHA256 under the pepper; the key itself is in no file."""
    key = make(state, "team-a")
    (listed,) = keys.for_table(state)
    assert listed.hmac == hmac.new(PEPPER, key.encode(), "sha256").hexdigest()
    assert (listed.name, listed.revoked, listed.id) == ("team-a", False, f"key_{listed.hmac[:16]}")
    assert not any(key.encode() in path.read_bytes() for path in tmp_path.iterdir())


def test_a_revoked_key_stays_listed_as_revoked(state: Connection) -> None:
    """Revoking marks the key, by name or id; doing it again changes nothing."""
    make(state, "team-a")
    first = keys.revoke(state, "team-a", actor=Actor("ada", 2.0, "left"))
    again = keys.revoke(state, first.id, actor=Actor("ada", 3.0))
    assert first.revoked_at == again.revoked_at == 2.0
    assert [key.revoked for key in keys.for_table(state)] == [True]
    assert [(each.action, each.reason) for each in read_audit(state)] == [("keys.create", ""), ("keys.revoke", "left")]


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "-a", "a\n"])
def test_names_that_are_none(state: Connection, name: str) -> None:
    """A name is a word that can stand in a policy and in a label."""
    with pytest.raises(KeyRefusedError, match="no name for a key"):
        make(state, name)


def test_a_name_is_used_once(state: Connection) -> None:
    """A taken name is refused, even of a revoked key: records must not mix two keys up."""
    make(state, "team-a")
    keys.revoke(state, "team-a", actor=Actor("ada", 2.0))
    with pytest.raises(KeyRefusedError, match="already"):
        make(state, "team-a")
    assert len(read_audit(state)) == 2


def test_an_unknown_key_cannot_be_revoked(state: Connection) -> None:
    """Revoking what is not there is refused, so that a typing mistake is noticed."""
    with pytest.raises(KeyRefusedError, match="no key is called"):
        keys.revoke(state, "nope", actor=Actor("ada", 2.0))
