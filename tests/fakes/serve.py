"""`crossfade serve` with stand-ins: python -m tests.fakes.serve WORKER [the options of serve].

WORKER is a worker's module; the recorder, the shadow and the admin process are there and do nothing.
"""

import argparse
import sys

from gateway.cli import serve
from gateway.supervisor.programs import Modules

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("worker")
    serve.configure(parser)
    arguments = parser.parse_args()
    idle = "tests.fakes.idle"
    modules = Modules(worker=arguments.worker, recorder=idle, shadow=idle, admin=idle)
    sys.exit(serve.run(arguments, modules))
