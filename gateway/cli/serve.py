"""`crossfade serve`: the data port, the admin port, and all that runs beside them, until it is told to stop."""

import argparse
import asyncio
import importlib.metadata
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gateway.cli.failure import INTERRUPTED
from gateway.config import settings_file
from gateway.config.settings import Settings
from gateway.config.settings_file import SettingsError
from gateway.config.yaml_file import Loc
from gateway.log import Log
from gateway.node.datadir import DataDir, DataDirError, clear_run, held, prepare, sockets
from gateway.process import ORDER_SIGNALS
from gateway.supervisor.child import forbid_core_dumps
from gateway.supervisor.process import Supervisor
from gateway.supervisor.programs import Modules, Programs, read_secrets
from gateway.supervisor.sockets import BindError

OVERRIDES: dict[str, Loc] = {"listen": ("server", "listen"), "admin": ("server", "admin"), "data": ("data",)}
"""Option -> what it says instead of the settings."""


@dataclass(slots=True)
class Configuration:
    """Where the settings come from, so that they can be read again."""

    path: Path | None
    """None: there was no file yet. One that was found stays: its loss is an error, not a return to the defaults."""
    overrides: Mapping[Loc, str]
    environment: Mapping[str, str]
    modules: Modules

    def settings(self) -> Settings:
        """What the settings say now.

        Raises:
            SettingsError: anything in them is wrong.
        """
        if self.path is None:
            self.path = settings_file.find(None, self.environment)
        return settings_file.load(self.path, self.environment, self.overrides)

    def plan(self, data: DataDir, sockets: Path) -> Programs:
        """What follows from the settings as they are now.

        Raises:
            SettingsError: anything in them is wrong.
            DataDirError: the data directory cannot be used.
        """
        settings = self.settings()
        if settings.data.absolute() != data.root:
            raise DataDirError("the data directory cannot change while it is served from. hint: stop, then start")
        if note := settings_file.policies_note(settings):
            Log("supervisor").notice("policies.earlier_folder", note=note)
        return Programs(
            settings, data, read_secrets(settings, data, self.environment), self.modules, self.environment, sockets
        )


def run(arguments: argparse.Namespace, modules: Modules | None = None) -> int:
    """Serve. 1: it could not start; 130: ended by Ctrl-C, in order."""
    os.umask(0o077)
    forbid_core_dumps()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ORDER_SIGNALS)  # until the supervisor listens
    overrides = {loc: getattr(arguments, name) for name, loc in OVERRIDES.items() if getattr(arguments, name)}
    try:
        path = settings_file.find(arguments.config, os.environ)
        configuration = Configuration(path, overrides, dict(os.environ), modules or Modules())
        data = prepare(configuration.settings().data.absolute())
        with held(data), sockets(data) as place:
            clear_run(data)
            plan = configuration.plan(data, place)
            _greet(plan)
            version = importlib.metadata.version("crossfade")
            again = partial(configuration.plan, data, place)
            how = asyncio.run(Supervisor(plan, again, Log("supervisor"), version).run())
    except (SettingsError, DataDirError, BindError) as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return INTERRUPTED if how is signal.SIGINT else 0


def _greet(plan: Programs) -> None:
    """Tell a person at a terminal what to do next; a machine reads the log."""
    if not sys.stderr.isatty():
        return
    server = plan.settings.server
    scheme = "http" if server.tls is None or server.tls == "front-proxy" else "https"
    print(f"Crossfade keeps what it sees in {plan.data.root}.", file=sys.stderr)
    print(f"Point an app at it:  export OPENAI_BASE_URL={scheme}://{server.listen}/v1", file=sys.stderr)
    print(f"Look at it:          curl http{'s' if server.admin_tls else ''}://{server.admin}/metrics", file=sys.stderr)
