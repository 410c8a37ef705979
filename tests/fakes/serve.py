"""`crossfade serve` with stand-ins: python -m tests.fakes.serve WORKER [the options of serve].

WORKER is a worker's module; the controller publishes the settings' table; the recorder, the shadow and the admin
process are there and do nothing.
"""

import sys

from gateway.cli import serve
from gateway.cli.arguments import command_line
from gateway.supervisor.programs import Modules

if __name__ == "__main__":
    worker, *options = sys.argv[1:]
    arguments = command_line().parse_args(["serve", *options])
    idle = "tests.fakes.idle"
    controller = "tests.fakes.controller"
    modules = Modules(worker=worker, controller=controller, recorder=idle, shadow=idle, admin=idle)
    sys.exit(serve.run(arguments, modules))
