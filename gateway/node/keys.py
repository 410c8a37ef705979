"""The gateway's own keys: made here, shown once, and kept as HMACs under the pepper."""

import hmac
import json
import re
import secrets
import sqlite3
from dataclasses import dataclass

import msgspec

from gateway.node.database import AuditEntry, audit, writing
from policies.routing import Key

PREFIX = "cf-"
SECRET_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class KeyRefusedError(Exception):
    """The key cannot be made or revoked; the message says why."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What is kept of a key."""

    id: str
    name: str
    scopes: tuple[str, ...]
    created_at: float
    revoked_at: float | None


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes a key, when, and why: for the audit log."""

    name: str
    at: float
    reason: str = ""


def new_secret() -> str:
    """A key as an app sends it: 256 random bits."""
    return PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def fingerprint(pepper: bytes, key: str) -> str:
    """What is kept instead of a key: hex of HMAC-SHA256."""
    return hmac.digest(pepper, key.encode(), "sha256").hex()


def check_name(name: str) -> None:
    """Refuse a name that no key can have, before a place is made for the key.

    Raises:
        KeyRefusedError: it is none.
    """
    if not _NAME.fullmatch(name):
        raise KeyRefusedError(
            f"{name!r} is no name for a key. hint: letters, digits, dot, dash and underscore; at most 64"
        )


def create(
    connection: sqlite3.Connection, name: str, *, fingerprint: str, scopes: tuple[str, ...], actor: Actor
) -> StoredKey:
    """Keep a new key.

    Raises:
        KeyRefusedError: the name is taken or is none.
    """
    check_name(name)
    stored = StoredKey(f"key_{fingerprint[:16]}", name, scopes, actor.at, None)
    try:
        with writing(connection):
            connection.execute(
                "INSERT INTO keys (id, name, hmac, scopes, created_at) VALUES (?, ?, ?, ?, ?)",
                (stored.id, name, fingerprint, json.dumps(scopes), actor.at),
            )
            audit(connection, AuditEntry(actor.at, actor.name, "keys.create", stored.id, actor.reason, ""))
    except sqlite3.IntegrityError as error:
        raise KeyRefusedError(
            f"there is a key called {name} already. hint: names of revoked keys stay taken; choose another"
        ) from error
    return stored


def revoke(connection: sqlite3.Connection, name_or_id: str, *, actor: Actor) -> StoredKey:
    """End a key's life; to end it twice changes nothing.

    Raises:
        KeyRefusedError: there is none by that name.
    """
    with writing(connection):
        found = [key for key in stored(connection) if name_or_id in (key.name, key.id)]
        if not found:
            raise KeyRefusedError(f"no key is called {name_or_id!r}. hint: `crossfade keys list` shows what there is")
        key = found[0]
        if key.revoked_at is None:
            connection.execute("UPDATE keys SET revoked_at = ? WHERE id = ?", (actor.at, key.id))
            audit(connection, AuditEntry(actor.at, actor.name, "keys.revoke", key.id, actor.reason, ""))
    return next(each for each in stored(connection) if each.id == key.id)


def stored(connection: sqlite3.Connection) -> list[StoredKey]:
    """All keys, oldest first."""
    rows = connection.execute("SELECT id, name, scopes, created_at, revoked_at FROM keys ORDER BY created_at, id")
    return [StoredKey(id_, name, _scopes(scopes) or (), at, end) for id_, name, scopes, at, end in rows.fetchall()]


def for_table(connection: sqlite3.Connection) -> tuple[Key, ...]:
    """All keys as the routing table lists them; one whose scopes cannot be read opens nothing, and stops no other."""
    rows = connection.execute("SELECT id, name, hmac, scopes, revoked_at FROM keys ORDER BY created_at, id").fetchall()
    return tuple(_for_table(*row) for row in rows)


def _for_table(id_: str, name: str, digest: str, scopes: str, end: float | None) -> Key:
    found = _scopes(scopes)
    return Key(id_, name, digest, found or (), end is not None or found is None)


def _scopes(text: str) -> tuple[str, ...] | None:
    """What a key may do; None: nobody can read it."""
    try:
        return msgspec.json.decode(text, type=tuple[str, ...])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
