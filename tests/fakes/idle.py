"""A process of the control plane that is there and does nothing: python -m tests.fakes.idle --boot-fd N."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any


def main(begin: Callable[[dict[str, Any]], None] = lambda boot: None) -> int:
    """Begin with the boot, report ready, and wait for SIGTERM."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    parser = argparse.ArgumentParser()
    parser.add_argument("--boot-fd", type=int, required=True)
    with os.fdopen(parser.parse_args().boot_fd, "rb") as pipe:
        boot = json.load(pipe)
    begin(boot)
    os.write(boot["ready_fd"], b"1")
    signal.sigwait({signal.SIGTERM})
    return 0


if __name__ == "__main__":
    sys.exit(main())
