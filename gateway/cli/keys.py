"""`crossfade keys`: create, list and revoke the gateway's own keys."""

import argparse
import getpass
import json
import sys
from datetime import UTC, datetime

from gateway import clock
from gateway.cli import context, layout
from gateway.cli.failure import failed
from gateway.config.settings_file import SettingsError
from gateway.node import keys
from gateway.node.database import StateError, opened
from gateway.node.datadir import DataDirError, prepare
from gateway.node.keys import Actor, KeyRefusedError, StoredKey
from gateway.node.pepper import pepper_of


def run(arguments: argparse.Namespace) -> int:
    """Do it; 1: refused."""
    try:
        return {"create": _create, "list": _list, "revoke": _revoke}[arguments.action](arguments)
    except (SettingsError, DataDirError, StateError, KeyRefusedError) as error:
        return failed(error, arguments)


def _create(arguments: argparse.Namespace) -> int:
    settings = context.settings(arguments)
    keys.check_name(arguments.name)
    data = prepare(settings.data)
    pepper = pepper_of(settings, data)
    key = keys.new_secret()
    with opened(data.state) as state:
        stored = keys.create(
            state,
            arguments.name,
            fingerprint=keys.fingerprint(pepper, key),
            scopes=tuple(arguments.scope),
            actor=_actor(""),
        )
    if arguments.json:
        print(json.dumps({"id": stored.id, "name": stored.name, "key": key}))
    else:
        print(key)
    print(
        f"{stored.name} ({stored.id}): this key is shown once and kept nowhere. Put it where the app reads it.",
        file=sys.stderr,
    )
    if settings.keys.mode != "virtual":
        print("The settings say keys: {mode: passthrough}: nobody is asked for it yet.", file=sys.stderr)
    return 0


def _list(arguments: argparse.Namespace) -> int:
    with opened(context.served(arguments).state) as state:
        found = keys.stored(state)
    if arguments.json:
        rows = [
            {
                "id": key.id,
                "name": key.name,
                "scopes": list(key.scopes),
                "created_at": key.created_at,
                "revoked_at": key.revoked_at,
            }
            for key in found
        ]
        print(json.dumps(rows))
        return 0
    if not found:
        print("no keys yet: `crossfade keys create NAME` makes one", file=sys.stderr)
        return 0
    print("\n".join(layout.table([_HEAD, *map(_row, found)], cut=(0,))))
    return 0


_HEAD = ("NAME", "ID", "SINCE, UTC", "REVOKED, UTC")


def _row(key: StoredKey) -> tuple[str, ...]:
    return key.name, key.id, _minute(key.created_at), "" if key.revoked_at is None else _minute(key.revoked_at)


def _revoke(arguments: argparse.Namespace) -> int:
    with opened(context.served(arguments).state) as state:
        key = keys.revoke(state, arguments.name, actor=_actor(arguments.reason))
    if arguments.json:
        print(json.dumps({"id": key.id, "name": key.name, "revoked_at": key.revoked_at}))
    else:
        print(f"{key.name} ({key.id}) is revoked")
    return 0


def _actor(reason: str) -> Actor:
    return Actor(f"cli:{getpass.getuser()}", clock.wall(), reason)


def _minute(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")
