"""`crossfade serve` with stand-ins: python -m tests.fakes.serve WORKER [the options of serve].

WORKER is a worker's module; the controller publishes the settings' table; the recorder, the shadow and the admin
process are there and do nothing. Where HELD names a pipe, the settings are read once somebody has opened and closed it.
"""

import argparse
import os
import sys
from pathlib import Path

from gateway.cli import serve
from gateway.cli.arguments import command_line
from gateway.supervisor.programs import Modules

HELD = "CROSSFADE_TEST_HELD"


class HeldArguments(argparse.Namespace):
    """Options whose `config` takes until a pipe is closed: settings on a slow disk."""

    def __getattribute__(self, name: str) -> object:
        """An option."""
        if name == "config":
            Path(os.environ[HELD]).read_bytes()
        return super().__getattribute__(name)


if __name__ == "__main__":
    worker, *options = sys.argv[1:]
    held = HeldArguments() if HELD in os.environ else None
    arguments = command_line().parse_args(["serve", *options], held)
    idle = "tests.fakes.idle"
    controller = "tests.fakes.controller"
    modules = Modules(worker=worker, controller=controller, recorder=idle, shadow=idle, admin=idle)
    sys.exit(serve.run(arguments, modules))
