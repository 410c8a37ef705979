"""What `crossfade status` says of the shared state."""

import argparse
from dataclasses import asdict

from gateway.cli import context as place
from gateway.cli.status import SharedView
from gateway.config.settings_file import SettingsError
from gateway.control.operations.standings import standings
from gateway.control.state.open import open_state
from gateway.control.state.port import StateDownError
from gateway.node.datadir import DataDirError


def read(arguments: argparse.Namespace, now: float) -> SharedView:
    """What it says; why not, where it cannot be used."""
    try:
        where, _ = place.state(arguments)
        state = open_state(where)
        try:
            rollouts = {route: asdict(standing) for route, standing in standings(state).items()}
            return SharedView(state.leader(now), [node.name for node in state.nodes(now)], None, rollouts)
        finally:
            state.close()
    except (SettingsError, DataDirError, StateDownError) as error:
        return SharedView(problem=str(error))
