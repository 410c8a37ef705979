"""`make bench`: what a request costs in the gateway, beside nginx and the peers, measured in one interleaved run.

The figure is CPU microseconds of the gateway's processes per request (utime + stime), because it holds on a shared
machine; only ratios of one run are quoted. The gateway has one core, the load generator and the mock upstream another.
The interpreter is a good part of it: one that was built without its optimisations (pyenv's, unless told) costs more
than a distribution's. To see that one: `make bench VENV=.venv-dist PYTHON=/usr/bin/python3`.

    python -m bench.run [--quick] [--only ours,interpreted,migrated,nginx] [--runs 5] [--seconds 4] [--json FILE]
"""

import argparse
import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from bench.measure import LATENCY, LOAD_CORE, SCENARIOS, Bench, say
from bench.peers import CACHE, PEERS, build_tools, start_mock
from bench.report import Report

USUAL = "ours,nginx,litellm,portkey"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short run: for development, not for quoting")
    parser.add_argument("--only", default=USUAL, help=f"gateways, comma-separated, of {', '.join(PEERS)}")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--json", type=Path, help="also write all figures here")
    arguments = parser.parse_args(argv)
    runs, seconds = (1, 1.5) if arguments.quick else (arguments.runs, arguments.seconds)
    if (os.cpu_count() or 1) < 2:
        say("one core only: the gateway and the load share it, and the figures say little")
    for stopping in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(stopping) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(stopping, _stop)
    build_tools()
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=CACHE) as directory:
        mock_port, mock = start_mock(LOAD_CORE)
        bench = Bench(Path(directory), mock_port)
        try:
            bench.start(arguments.only.split(","))
            bench.measure_memory()
            bench.run(runs, seconds, (*SCENARIOS, LATENCY))
            bench.note_memory()
            if any(gateway.name == "ours" for gateway in bench.gateways):
                bench.measure_two_workers(seconds, runs)
        finally:
            bench.stop()
            mock.kill()
            mock.wait()
        report = Report(bench, runs, seconds)
        sys.stdout.write(report.text())
        if arguments.json:
            arguments.json.write_text(json.dumps(report.values(), indent=2) + "\n")
    return 0 if report.held() else 1


def _stop(number: int, _: FrameType | None) -> None:
    """End as Ctrl-C does: what was started is stopped.

    Raises:
        SystemExit: always.
    """
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
