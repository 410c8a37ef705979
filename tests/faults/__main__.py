"""The faults at full size, with their figures: `python -m tests.faults kills [--count 200]`.

Each prints what it found and exits 1 if a promise broke. The suite runs the same functions at a smaller size.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from tests.fakes.redis_server import kinds, running
from tests.faults.bad_input import bad_input, many_heads, slow_senders
from tests.faults.bad_upstream import bad_upstream
from tests.faults.chaos import chaos
from tests.faults.disk_full import can_mount, disk_full
from tests.faults.hangups import hangups
from tests.faults.kills import kills
from tests.faults.loop import backlog, dead_man, rivals
from tests.faults.overload import keep_alive_races, mixed, overload, slow_readers
from tests.faults.recorded import kills_recorded
from tests.faults.replay import corpus, own_cases, replay
from tests.faults.serving_faults import ROWS, serving_faults
from tests.faults.shadow import FAULTS, shadow_cpu, shadow_faults
from tests.faults.smuggling import fuzz_http
from tests.faults.state_schedules import on_redis, on_sqlite
from tests.faults.state_server import server_faults
from tests.faults.stopping import stopping
from tests.rooms.stores import RedisStore


class Found(Protocol):
    """What a fault run found."""

    def held(self) -> bool: ...
    def report(self) -> str: ...


Part = tuple[str, Callable[[], Coroutine[Any, Any, Found]]]


async def _disk_full(count: int, directory: Path) -> Found:
    if not can_mount():
        sys.exit("a small disk needs a mount namespace: run this as root, with unshare")
    return await asyncio.to_thread(disk_full, count, directory)


def state_parts(count: int, directory: Path) -> list[Part]:
    """Schedules on a file, and on each server that there is fewer of them and every fault."""

    async def on_file() -> Found:
        return await asyncio.to_thread(on_sqlite, count, directory)

    async def schedules(kind: str) -> Found:
        with tempfile.TemporaryDirectory() as folder, running(kind, Path(folder)) as server:
            return await asyncio.to_thread(on_redis, kind, count // 10, RedisStore(server, Path(folder)))

    async def faults(kind: str) -> Found:
        with tempfile.TemporaryDirectory() as folder, running(kind, Path(folder)) as server:
            return await asyncio.to_thread(server_faults, server, kind, Path(folder))

    found: list[Part] = [("two leaders, pauses, clock jumps on a file", on_file)]
    for kind in kinds():
        found.append((f"the same on {kind}, with flushes", partial(schedules, kind)))
        found.append((f"{kind} in trouble", partial(faults, kind)))
    return found


def shadow_parts(count: int, directory: Path, only: str) -> list[Part]:
    """All that may be ill, and what the shadow costs; with `only`, what is called so."""
    ill = [name for name in FAULTS if only in name]
    found: list[Part] = [
        (
            "the candidate, the shadow, the control plane ill",
            lambda: shadow_faults(directory / "ill", pairs=count, faults=ill),
        )
    ]
    if not only:
        found.append(("the shadow at work, beside none", lambda: shadow_cpu(directory / "cpu", pairs=count)))
    return found


def parts(fault: str, directory: Path, count: int, *, only: str = "") -> list[Part]:
    """What belongs to a fault, in order."""
    at = directory.joinpath
    found: dict[str, list[Part]] = {
        "replay": [
            ("recorded requests of the official SDK", lambda: replay(corpus(), at("recorded"))),
            ("cases of our own", lambda: replay(own_cases() * count, at("own"))),
        ],
        "kills": [
            ("SIGKILL of workers, against the journal", lambda: kills(count, at("kills"))),
            ("SIGKILL of workers and recorder, against the records", lambda: kills_recorded(count, at("recorded"))),
        ],
        "hangups": [("hang-ups at random points", lambda: hangups(count, at("hangups")))],
        "badinput": [
            ("malformed requests and bombs", lambda: bad_input(at("bad"), repeat=count)),
            ("large heads, no two alike", lambda: many_heads(at("heads"), 1_000 * count)),
            ("slow senders", lambda: slow_senders(at("slow"), 100 * count)),
            ("misbehaving upstreams", lambda: bad_upstream(at("upstream"), repeat=count)),
            ("overload", lambda: overload(at("overload"), asked=200 * count)),
            ("slow readers", lambda: slow_readers(at("readers"), 100 * count)),
            ("cookies, keys and redirects", lambda: mixed(at("mixed"), 1_000 * count)),
            ("kept connections closed after an answer", lambda: keep_alive_races(at("a"), 200 * count, when="after")),
            ("kept connections closed on a request", lambda: keep_alive_races(at("b"), 200 * count, when="on")),
        ],
        "diskfull": [("a disk that fills up", lambda: _disk_full(count, directory))],
        "serving": [("a candidate that serves and fails", lambda: serving_faults(at("serving"), only))],
        "shadow": shadow_parts(count, directory, only),
        "fuzz-http": [("mutated requests", lambda: fuzz_http(count, at("fuzz")))],
        "state": state_parts(count, directory),
        "loop": [
            ("nothing but a worker left (G5)", lambda: asyncio.to_thread(stopping, 5 * count, at("stopping"))),
            ("the only controller killed (G7)", lambda: asyncio.to_thread(dead_man, count, at("dead"))),
            ("ten minutes without a control plane", lambda: asyncio.to_thread(backlog, 240 * count, at("backlog"))),
            ("two controllers on one state (G8)", lambda: asyncio.to_thread(rivals, 40 * count, at("rivals"))),
        ],
    }
    return found[fault]


COUNTS = {
    "replay": 10, "kills": 200, "hangups": 10_000, "badinput": 2, "diskfull": 5_000, "fuzz-http": 100_000,
    "serving": 1, "shadow": 5, "state": 10_000, "loop": 50,
}  # fmt: skip
"""The issue's figures, or what finds something."""


def main() -> int:
    """Run one fault; 0 if every promise held."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("fault", choices=sorted((*COUNTS, "chaos")))
    parser.add_argument("--count", type=int, help="how often; default: the figure that is published")
    parser.add_argument("--only", default="", help="of shadow and serving: rows with these words, as 'candidate huge'")
    parser.add_argument("--minutes", type=float, default=20.0, help="of chaos: how long")
    parser.add_argument("--seed", type=int, default=1, help="of chaos: the same seed draws the same faults")
    arguments = parser.parse_args()
    rows = {"shadow": FAULTS, "serving": [row.name for row in ROWS]}.get(arguments.fault, ())
    if arguments.only and not any(arguments.only in name for name in rows):
        parser.error(f"--only is for shadow and serving, and part of one of: {', '.join(rows)}")
    held = True
    with tempfile.TemporaryDirectory(prefix="crossfade-faults-") as directory:
        if arguments.fault == "chaos":
            return chaos(Path(directory) / "chaos", arguments.minutes, arguments.seed)
        count = arguments.count or COUNTS[arguments.fault]
        for title, run in parts(arguments.fault, Path(directory), count, only=arguments.only):
            found = asyncio.run(run())
            held &= found.held()
            sys.stdout.write(f"{title}: {'held' if found.held() else 'BROKEN'}\n{found.report()}\n\n")
            sys.stdout.flush()
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
