"""How many exchanges a second the recorder turns into rows, on one core: `python -m bench.recorder`.

It writes a journal as workers do, then records it: read, opened, assembled, priced, redacted, written as Parquet. The
figures are CPU seconds of this process, so that a busy machine changes them little.
"""

import argparse
import itertools
import resource
import sys
import tempfile
from io import StringIO
from pathlib import Path

import msgspec

from gateway import clock
from gateway.control.recorder.boot import RecorderBoot
from gateway.control.recorder.process import Recorder
from gateway.log import Log
from policies.routing import Lease, Table, Upstream, encode
from records.exchange import Exchange
from records.journal.writer import JournalWriter
from tests.fakes.exchanges import chat_answer, chat_request, chat_stream, exchange

KEY = bytes(range(32))
WORDS = "the order has been sent and will be with you in a day or two, please write again if it is not "


def kinds() -> dict[str, Exchange]:
    """What is recorded: a short answer, a long prompt, a stream of 100 tokens, a prompt with things to redact."""
    stream = chat_stream(*itertools.islice(itertools.cycle([f"{word} " for word in WORDS.split()]), 100))
    personal = f"{WORDS * 4} I am anna@example.com, +49 30 1234567, card 4111 1111 1111 1111. {WORDS * 4}"
    return {
        "plain, 2 KB + 1 KB": exchange(0, chat_request(WORDS * 20), chat_answer(WORDS * 8)),
        "plain, 16 KB + 1 KB": exchange(0, chat_request(WORDS * 170), chat_answer(WORDS * 8)),
        "stream of 100 chunks": exchange(0, chat_request(WORDS * 20), stream, streamed=True),
        "redacted, 1 KB + 1 KB": exchange(0, chat_request(personal), chat_answer(personal)),
    }


def fill(root: Path, made: Exchange, number: int) -> int:
    """Write `number` exchanges like `made` into a journal. Returns its bytes."""
    writer = JournalWriter(root / "journal" / "w1", KEY, now=clock.wall)
    for at in range(number):
        fresh = exchange(at, arrived_at=clock.wall()).meta.id
        meta = msgspec.structs.replace(made.meta, id=fresh, arrived_at=clock.wall())
        writer.whole(meta, made.request_body, made.response_body)
        if not writer.commit():
            raise OSError("the journal refused")
    writer.close()
    table = Table(1, Lease(clock.wall()), (Upstream("openai", "https://api.openai.com/v1"),), "openai")
    (root / "routing.json").write_bytes(encode(table))
    return sum(path.stat().st_size for path in (root / "journal").rglob("*.seg"))


def record(root: Path, number: int) -> float:
    """Record the journal. Returns the CPU seconds it took."""
    boot = RecorderBoot(
        journal=str(root / "journal"),
        journal_key=KEY.hex(),
        pepper=KEY.hex(),
        records=str(root / "records"),
        exposition=str(root / "recorder.prom"),
        routing=str(root / "routing.json"),
        plan=str(root / "shadow.json"),
        readers=str(root / "readers"),
    )
    recorder = Recorder(boot, Log("recorder", stream=StringIO()))
    recorder.begin(clock.wall())
    before = cpu_s()
    now = clock.wall()
    while recorder.step(now):
        now += 1.0
    recorder.finish(now)
    spent = cpu_s() - before
    found = len(recorder.store.ids())
    recorder.close()
    if found != number:
        raise AssertionError(f"{found} rows of {number} exchanges")
    return spent


def cpu_s() -> float:
    """User and system time of this process, all its threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> int:
    """Print one line per kind of exchange."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=5000, help="exchanges of each kind")
    number = parser.parse_args().n
    with tempfile.TemporaryDirectory() as folder:  # what is loaded once is no row's cost
        fill(Path(folder), kinds()["plain, 2 KB + 1 KB"], 50)
        record(Path(folder), 50)
    print(f"{'exchange':24} {'rows/s':>8} {'µs/row':>8} {'journal':>10} {'records':>10}")
    for name, made in kinds().items():
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            journal_bytes = fill(root, made, number)
            spent = record(root, number)
            record_bytes = sum(path.stat().st_size for path in (root / "records").rglob("*.parquet"))
        rate, each = number / spent, spent / number * 1e6
        print(f"{name:24} {rate:8.0f} {each:8.0f} {journal_bytes / 1e6:7.1f} MB {record_bytes / 1e6:7.1f} MB")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
