"""Which exchanges `records tail` and `records stats` are about: their options as conditions, in the console's words."""

import argparse

from gateway.admin.filters import RecordFilter, wanted
from gateway.cli import context
from gateway.node.datadir import secret
from gateway.node.pepper import pepper_of
from records.request_facts import user_hash

FAILED = "(status >= 400 OR status = 0 OR outcome <> 'complete')"
"""What an app would call a failure: an error's status, or an answer that is not whole."""


def filter_of(arguments: argparse.Namespace, *, now: float) -> RecordFilter:
    """The conditions.

    Raises:
        FilterError: a word of them says nothing.
        SettingsError, DataDirError: a user is asked for, and the secret users are hashed with cannot be read.
    """
    words = {name: getattr(arguments, name) or "" for name in ("route", "model", "status", "since")}
    found = wanted("exchanges", {**words, "q": arguments.where or ""}, now=now)
    if arguments.user:
        found.add("user_id = ?", user_hash(arguments.user, pepper(arguments)))
    if arguments.failed:
        found.add(FAILED)
    return found


def pepper(arguments: argparse.Namespace) -> bytes:
    """What users are hashed with.

    Raises:
        SettingsError, DataDirError: it cannot be read.
    """
    data = context.data(arguments)
    return secret(data.root / "pepper") if arguments.data else pepper_of(context.settings(arguments), data)
