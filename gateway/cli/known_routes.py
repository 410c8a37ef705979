"""Whether a route that a command names is one: a slip of the pen should not look like a route without traffic."""

import argparse
from typing import cast

from gateway.cli import context
from gateway.config.policy_file import SUFFIXES
from gateway.config.settings_file import SettingsError
from gateway.config.yaml_file import YamlFileError, load
from gateway.node.unknown_route import unknown_route
from policies.candidates import route_of
from policies.routing import RoutingError, decode
from records.store import Store

_RECORDED = "SELECT DISTINCT route FROM exchanges WHERE route <> ''"


def slip(name: str, arguments: argparse.Namespace) -> str | None:
    """What is wrong with a route's name, and what was probably meant; None: a policy, the table or a record has it.

    Where nothing is known yet, or a policy cannot be read, any name may be right.

    Raises:
        SettingsError, OSError, duckdb.Error: what is known cannot be read.
    """
    known = _routes(arguments)
    if not known or route_of(name) in known:
        return None
    return unknown_route(name, known)


def _routes(arguments: argparse.Namespace) -> set[str]:
    """All routes that are known; none where a policy cannot be read, whose route might be the one."""
    try:
        return _of_policies(arguments) | _of_gateway(arguments)
    except YamlFileError:
        return set()


def _of_policies(arguments: argparse.Namespace) -> set[str]:
    try:
        folder = context.settings(arguments).policies
    except SettingsError:
        if not arguments.data:
            raise
        return set()  # `--data` needs no settings
    found: set[str] = set()
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix in SUFFIXES:
            said = load(path).value
            if isinstance(said, dict) and "route" in said:
                found.add(str(cast("dict[str, object]", said)["route"]))
    return found


def _of_gateway(arguments: argparse.Namespace) -> set[str]:
    data = context.data(arguments)
    try:
        table = {route_of(route.name) for route in decode(data.routing.read_bytes()).routes}
    except (OSError, RoutingError):
        table = set[str]()  # none yet, or `doctor` says what is wrong with it
    if not data.records.is_dir():
        return table
    rows = Store(data.records, context.warn_of_damage).read(lambda views: views.execute(_RECORDED).fetchall())
    return table | {str(row[0]) for row in rows}
