"""`dataset build` over many exchanges: its peak memory and its time, beside a DuckDB query of the same selection.

    python -m bench.dataset [--rows 1000000] [--ray]

`--ray` does it on Ray as well, and says whether the content is the same: for an interpreter that has Ray (`make ray`
prints one).

The exchanges are `bench.made_records`'. The query does a part of the work (no splits, no leaks, no personal data, no
planted rows): it is what somebody would write instead.
"""

import argparse
import multiprocessing
import resource
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path

from bench.made_records import make_exchanges
from gateway import clock
from gateway.adapters.ray_data import run_on_ray
from records.dataset.build import Wanted, build
from records.parquet import EXCHANGES, connect, quoted
from records.parts import PartRunner, run_here
from records.store import Store

LAST = date(2026, 11, 20)
_BY_HAND = """
COPY (SELECT DISTINCT request_json::JSON->'$.messages' AS prompt,
                      response_json::JSON->'$.choices[0].message' AS completion
      FROM read_parquet({files}) WHERE route = 'triage' AND complete AND finish_reason = 'stop' AND consent = 'train')
TO {out} (FORMAT json)"""


def main() -> int:
    """Make the exchanges, build, and do it by hand; print all three."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000, help="exchanges (default: 1,000,000)")
    parser.add_argument("--ray", action="store_true", help="on Ray, too")
    arguments = parser.parse_args()
    rows: int = arguments.rows
    acts = {"made": _make, "crossfade dataset build": _build, "one DuckDB query": _by_hand}
    acts |= {"the same on Ray": _build_on_ray} if arguments.ray else {}
    with tempfile.TemporaryDirectory(prefix="crossfade-dataset-") as folder:
        root = Path(folder)
        for name, act in acts.items():
            took_s, peak_mib = _measured(act, root, rows)
            sys.stdout.write(f"{name:24} {rows:>10,} exchanges  {took_s:7.1f} s  peak {peak_mib:6.0f} MiB\n")
            sys.stdout.flush()
    return 0


def _measured(act: Callable[[Path, int], None], root: Path, rows: int) -> tuple[float, float]:
    """Time and peak memory of a process that does nothing else."""
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    began_s = clock.monotonic()
    process = context.Process(target=_alone, args=(act, root, rows, writer))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{act.__name__} ended with {process.exitcode}")
    return clock.monotonic() - began_s, reader.recv()


def _alone(act: Callable[[Path, int], None], root: Path, rows: int, writer: "Connection[float, float]") -> None:
    act(root, rows)
    writer.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def _make(root: Path, rows: int) -> None:
    make_exchanges(root / "records", rows, LAST)


def _build(root: Path, _: int, run: PartRunner = run_here) -> None:
    wanted = Wanted("triage", "trl-sft", validation_ppm=50_000, run=run)
    folder, made = build(Store(root / "records"), wanted, root / "out")
    sys.stdout.write(f"{folder.name}: {made.kept:,} rows, left out {made.left_out}\n")


def _build_on_ray(root: Path, rows: int) -> None:
    before = {folder.name for folder in (root / "out").iterdir()}
    _build(root, rows, run_on_ray)
    if {folder.name for folder in (root / "out").iterdir()} != before:
        raise SystemExit("on Ray it has another content")


def _by_hand(root: Path, _: int) -> None:
    files = quoted(root / "records" / EXCHANGES.name / "date=*" / "*.parquet")
    with connect() as connection:
        connection.execute(_BY_HAND.format(files=files, out=quoted(root / "by-hand.jsonl")))


if __name__ == "__main__":
    sys.exit(main())
