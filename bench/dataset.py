"""`dataset build` over many exchanges: its peak memory and its time, beside a DuckDB query of the same selection.

    python -m bench.dataset [--rows 1000000] [--ray]

`--ray` does it on Ray as well, and says whether the content is the same: for an interpreter that has Ray (`make ray`
prints one).

The exchanges are made by DuckDB: short chats of ten thousand users under twenty system prompts, a fifth of them said
twice, a tenth cut off by their length. The query does a part of the work (no splits, no leaks, no personal data, no
planted rows): it is what somebody would write instead.
"""

import argparse
import multiprocessing
import resource
import sys
import tempfile
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from gateway import clock
from gateway.adapters.ray_data import run_on_ray
from records.dataset.build import Wanted, build
from records.parquet import EXCHANGES, Column, connect, quoted
from records.parts import PartRunner, run_here
from records.store import Store

DAYS = 20
_MADE = {
    "id": "printf('01980000-%04x-7%03x-8000-%012x', n // 4096 % 65536, n % 4096, n)",
    "arrived_at": "make_timestamp(1795000000000000 + n * 1000)",
    "conversation_id": "printf('%016x', n)",
    "key_id": "'k'",
    "user_id": "printf('%016x', hash(n) % 10000)",
    "route": "'triage'",
    "variant": "'baseline'",
    "why": "'assigned'",
    "endpoint": "'chat'",
    "model_requested": "'gpt-4o'",
    "model_returned": "'gpt-4o-2024-11-20'",
    "status": "200",
    "complete": "true",
    "finish_reason": "CASE WHEN n % 10 = 0 THEN 'length' ELSE 'stop' END",
    "consent": "'train'",
    "system_hash": "printf('%016x', n % 20)",
    "request_json": """printf('{"model":"gpt-4o","messages":[{"role":"system","content":"You triage, by rule %d."},'
        '{"role":"user","content":"Where is parcel %d, which was sent on day %d to the depot of %s?"}]}',
        said % 20, said, said % 365, md5(said::VARCHAR))""",
    "response_json": """printf('{"choices":[{"index":0,"message":{"role":"assistant","content":"It is at stop %d."},'
        '"finish_reason":"stop"}]}', said % 1000)""",
}
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
    table = root / "records" / EXCHANGES.name
    columns = ", ".join(f"{_value(column)} AS {column.name}" for column in EXCHANGES.columns)
    with connect() as connection:
        for number in range(DAYS):
            first, last = rows * number // DAYS, rows * (number + 1) // DAYS
            said = "CASE WHEN range % 5 = 1 THEN range - 1 ELSE range END"
            source = f"(SELECT range AS n, {said} AS said FROM range({first}, {last}))"  # noqa: S608 -- our own words
            folder = table / f"date=2026-11-{number + 1:02}"
            folder.mkdir(parents=True)
            path = quoted(folder / "0-made.parquet")
            connection.execute(f"COPY (SELECT {columns} FROM {source}) TO {path}")  # noqa: S608 -- our own words


def _value(column: Column) -> str:
    plain = {"VARCHAR": "''", "BIGINT": "0", "DOUBLE": "0.0", "BOOLEAN": "false", "TIMESTAMP": "NULL"}
    return f"({_MADE.get(column.name, plain[column.sql])})::{column.sql}"


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
