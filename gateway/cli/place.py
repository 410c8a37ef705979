"""Which Crossfade a command is about: the settings and the data directory, as its options name them."""

import argparse
import os
from pathlib import Path

from gateway import settings_file
from gateway.cli.options import add_json, add_options
from gateway.datadir import DataDir
from gateway.settings import Settings

__all__ = ["add_json", "add_options", "data", "settings"]
from gateway.yamlfile import Loc


def settings(arguments: argparse.Namespace) -> Settings:
    """The settings the options name.

    Raises:
        SettingsError: they cannot be used.
    """
    overrides: dict[Loc, str] = {("data",): arguments.data} if arguments.data else {}
    return settings_file.load(settings_file.find(arguments.config, os.environ), os.environ, overrides)


def data(arguments: argparse.Namespace) -> DataDir:
    """The data directory the options name; settings are read only if `--data` does not say it.

    Raises:
        SettingsError: they cannot be used.
    """
    return DataDir(Path(arguments.data) if arguments.data else settings(arguments).data)
