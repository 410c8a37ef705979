"""Which Crossfade a command is about: the settings and the data directory, as its options name them."""

import argparse
import os
import sys
from pathlib import Path

from gateway.config import settings_file
from gateway.config.settings import Settings
from gateway.config.settings_file import SettingsError
from gateway.config.yaml_file import FileProblem, Loc
from gateway.node import state_location
from gateway.node.datadir import DataDir, DataDirError, prepare
from gateway.node.state_location import StatePlace
from gateway.supervisor import running
from records.durable import DAMAGE_HINT


def settings(arguments: argparse.Namespace) -> Settings:
    """The settings the options name.

    Raises:
        SettingsError: they cannot be used.
    """
    overrides: dict[Loc, str] = {("data",): arguments.data} if arguments.data else {}
    return settings_file.load(settings_file.find(arguments.config, os.environ), os.environ, overrides)


def data(arguments: argparse.Namespace) -> DataDir:
    """The data directory the options name; settings are read only if `--data` does not say it.

    A directory that is not there, or a file, is a slip of who typed its name: to take it for an empty one would say
    that nothing is recorded, serves or is forbidden.

    Raises:
        SettingsError: they cannot be used, or there is no directory of the name that `--data` says.
    """
    if not arguments.data:
        return _named(arguments)
    found = DataDir(Path(arguments.data))
    if not found.root.is_dir():
        what = "no such directory" if not found.root.exists() else "a file, and no directory"
        raise SettingsError(FileProblem(f"--data {arguments.data}", None, what, _hint(arguments)))
    if not found.is_one:
        what = "this is no data directory: no gateway keeps anything in it"
        raise SettingsError(FileProblem(f"--data {arguments.data}", None, what, _hint(arguments)))
    return found


def served(arguments: argparse.Namespace) -> DataDir:
    """The same, where a gateway ran once: for what would else say that something holds that nobody heeds.

    Raises:
        SettingsError: as above.
        DataDirError: no gateway has run from there.
    """
    found = data(arguments)
    if not any(each.exists() for each in (found.format, found.journal, found.routing)):
        raise _not_served(found)
    return found


def made(arguments: argparse.Namespace) -> DataDir:
    """The same, made where there is none: for what may come before a gateway ever runs, as other systems' logs.

    Raises:
        SettingsError: they cannot be used.
        DataDirError: of a newer format, or not ours to write.
    """
    return prepare(_named(arguments).root)


def warn_of_damage(path: str) -> None:
    """Warn of an unreadable file of the records (`Store.told`); the command continues without it."""
    print(f"WARNING: records/{path} cannot be read. hint: {DAMAGE_HINT}", file=sys.stderr)


def state(arguments: argparse.Namespace) -> tuple[StatePlace, DataDir]:
    """Where the shared state is, and the data directory.

    Raises:
        SettingsError: the settings cannot be used, or there is no directory of the name that `--data` says.
        DataDirError: no gateway keeps anything there, the state of one that serves is gone, or its secrets cannot be
            read.
    """
    found, directory = settings(arguments), data(arguments)
    if not directory.state.exists():
        serving = running.supervisor(directory)
        raise _not_served(directory) if serving is None else _state_gone(directory, serving.pid)
    return state_location.find(found, directory, os.environ), directory


def _hint(arguments: argparse.Namespace) -> str:
    """What to name instead: what the settings name, if that is there."""
    if "://" in arguments.data:
        return f"fetch it first: crossfade records fetch {arguments.data} --to DIR"
    try:
        found = settings_file.load(settings_file.find(arguments.config, os.environ), os.environ).data
    except SettingsError:
        return "name the directory that the gateway keeps its data in"
    return f"the settings name {found}" if found.is_dir() else "name the directory that the gateway keeps its data in"


def _named(arguments: argparse.Namespace) -> DataDir:
    return DataDir(Path(arguments.data) if arguments.data else settings(arguments).data)


def _state_gone(data: DataDir, pid: int) -> DataDirError:
    hint = "`crossfade kill` needs no state, and takes all traffic to the baseline; its controller puts the file back"
    return DataDirError(f"{data.state} is gone while a gateway (pid {pid}) serves from there. hint: {hint}")


def _not_served(data: DataDir) -> DataDirError:
    hint = "`crossfade serve` starts one; if one runs, name its directory with --data, or its settings with --config"
    return DataDirError(f"{data.root}: no gateway has run from here. hint: {hint}")
