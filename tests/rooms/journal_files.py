"""Exchanges made up for journals, and a journal to keep them in."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from records.exchange import Exchange, Meta
from records.journal.frames import segment_path
from records.journal.reader import Assembler, Found, SegmentReader, segments
from records.journal.writer import JournalWriter

KEY = bytes(range(32))


def identity(number: int) -> tuple[bytes, str]:
    """A request id, as bytes and as text."""
    raw = number.to_bytes(16, "big")
    text = raw.hex()
    return raw, f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def meta_of(number: int, **fields: Any) -> Meta:
    """The row of a plain exchange; its sizes are those of `bodies`."""
    request, response = bodies(number)
    plain: dict[str, Any] = {
        "id": identity(number)[1], "worker": "w", "arrived_at": 1.0, "method": "POST", "target": "/v1/x",
        "request_head": b"", "key_id": "", "key_name": "", "route": "", "variant": "baseline", "why": "unrouted",
        "reason": "", "upstream": "openai", "model": "m", "unit": "", "weight_ppm": 0, "table_version": 1,
        "no_train": False, "pinned": False, "retry_count": 0, "status": 200, "response_head": b"",
        "outcome": "complete", "attempts": [], "overhead_s": 0.0, "first_byte_s": None, "total_s": 1.0,
        "request_bytes": len(request), "request_sha256": "", "response_bytes": len(response), "response_sha256": "",
        "chunk_ends": [], "chunk_times_us": [],
    }  # fmt: skip
    return Meta(**(plain | fields))


def bodies(number: int) -> tuple[bytes, bytes]:
    """The bodies of an exchange; some are long."""
    return b"ask %d" % number, b"answer %d " % number * (200 if number % 7 == 0 else 3)


def keep_whole(writer: JournalWriter, number: int, **fields: Any) -> bool:
    """Keep exchange `number` in one frame."""
    writer.whole(meta_of(number, **fields), *bodies(number))
    return writer.commit()


class Hand:
    """A clock in the hand of a test."""

    def __init__(self) -> None:
        self.s = 1_000.0

    def __call__(self) -> float:
        return self.s


def read_all(worker: Path, *, dead: bool = True) -> tuple[list[Found], int]:
    """All that a reader finds in a worker's directory, and how much it passed over."""
    assembler = Assembler()
    found: list[Found] = []
    damaged = 0
    for number in segments(worker):
        reader = SegmentReader(segment_path(worker, number), KEY)
        found += [item for frame in reader.frames() for item in assembler.feed(frame)]
        damaged += reader.damaged
    return found + (list(assembler.lost_worker()) if dead else []), damaged


def exchanges(found: list[Found]) -> Iterator[Exchange]:
    """The exchanges among what was found."""
    return (item for item in found if isinstance(item, Exchange))


def numbers(found: list[Found]) -> list[int]:
    """Which exchanges were found, in order."""
    return [int(item.meta.id.replace("-", ""), 16) for item in exchanges(found)]


def fill(directory: Path, count: int, **options: Any) -> Path:
    """A closed journal of `count` exchanges; the path of its first segment."""
    writer = JournalWriter(directory, KEY, now=Hand(), **options)
    for number in range(1, count + 1):
        assert keep_whole(writer, number)
    writer.close()
    return segment_path(directory, 1)


def open_fds() -> int:
    """File descriptors of this process."""
    return len(os.listdir("/proc/self/fd"))
