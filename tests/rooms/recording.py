"""A journal that is written as a worker writes it, and a recorder beside it, for tests."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import msgspec

from gateway import clock
from gateway.control.recorder.boot import RecorderBoot
from gateway.control.recorder.process import Recorder
from gateway.log import Log
from records.exchange import Exchange, FeedbackFrame
from records.journal.writer import JournalWriter
from tests.fakes.exchanges import chat_stream, exchange, head

KEY = bytes(range(32))
PEPPER = bytes(reversed(range(32)))


@dataclass(slots=True)
class Worker:
    """A journal writer and what it wrote."""

    journal: Path
    name: str
    numbers: Iterator[int]
    segment_bytes: int = 4096
    ids: list[str] = field(default_factory=list[str])
    writer: JournalWriter = field(init=False)

    def __post_init__(self) -> None:
        self.writer = JournalWriter(self.journal / self.name, KEY, now=clock.wall, segment_bytes=self.segment_bytes)

    def next(self, **meta: object) -> Exchange:
        made = exchange(next(self.numbers), worker=self.name, arrived_at=clock.wall(), **meta)
        self.ids.append(made.meta.id)
        return made

    def whole(self, **meta: object) -> str:
        made = self.next(**meta)
        self.writer.whole(made.meta, made.request_body, made.response_body)
        assert self.writer.commit()
        return made.meta.id

    def gathered(self, **meta: object) -> str:
        """An exchange that is written with the next ones, at `commit`."""
        made = self.next(**meta)
        self.writer.whole(made.meta, made.request_body, made.response_body)
        return made.meta.id

    def commit(self) -> None:
        assert self.writer.commit()

    def begin(self) -> Exchange:
        made = self.next(outcome="app_gone")
        assert self.writer.open(made.meta, made.request_body, b"")
        return made

    def part(self, made: Exchange, data: bytes) -> None:
        assert self.writer.part(bytes.fromhex(made.meta.id.replace("-", "")), data)

    def end(self, made: Exchange, data: bytes = b"", sent: int = 0) -> None:
        """`sent`: bytes of the answer that parts hold."""
        meta = msgspec.structs.replace(
            made.meta,
            outcome="complete",
            response_head=head(("content-type", "text/event-stream")),
            response_bytes=sent + len(data),
        )
        assert self.writer.close_exchange(meta, data)

    def streamed(self, *pieces: str) -> str:
        made = self.begin()
        stream = chat_stream(*pieces)
        self.part(made, stream[:40])
        self.end(made, stream[40:], sent=40)
        return made.meta.id

    def feedback(self, exchange_id: str, body: bytes = b'{"score":1}') -> None:
        assert self.writer.feedback(FeedbackFrame(exchange_id, clock.wall(), "k", body))

    def die(self) -> None:
        """What a SIGKILL leaves: the frames, and a lock that nobody holds."""
        self.writer.close()


@dataclass(slots=True)
class Place:
    """A data directory with journals and records, and the recorders of it, one after another."""

    root: Path
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    now: float = field(default_factory=clock.wall)
    log: StringIO = field(default_factory=StringIO)

    def worker(self, name: str = "w1", segment_bytes: int = 4096) -> Worker:
        return Worker(self.root / "journal", name, self.numbers, segment_bytes)

    def boot(self, **fields: object) -> RecorderBoot:
        return RecorderBoot(
            journal=str(self.root / "journal"),
            journal_key=KEY.hex(),
            pepper=PEPPER.hex(),
            records=str(self.root / "records"),
            exposition=str(self.root / "recorder.prom"),
            routing=str(self.root / "routing.json"),
            plan=str(self.root / "shadow.json"),
            readers=str(self.root / "readers"),
            **fields,
        )

    def recorder(self, **fields: object) -> Recorder:
        """A recorder that has taken up where the last one stopped."""
        recorder = Recorder(self.boot(**fields), Log("recorder", stream=self.log))
        recorder.begin(self.now)
        return recorder

    def step(self, recorder: Recorder, seconds: float = 1.0) -> None:
        """Let time pass, and the recorder do what is due."""
        self.now += seconds
        recorder.step(self.now)

    def settle(self, recorder: Recorder) -> None:
        """Until everything is recorded and the journals of dead workers are gone."""
        for seconds in (0.0, 1.0, 60.0, 1.0, 6.0, 6.0):
            self.step(recorder, seconds)

    def rows(self, columns: str = "id", table: str = "exchanges") -> list[tuple[object, ...]]:
        """What the records say, in order of id."""
        from records.store import Store  # noqa: PLC0415 -- a connection of its own each time

        with Store(self.root / "records").open_views() as views:
            return views.sql(f"SELECT {columns} FROM {table}_all ORDER BY 1").fetchall()  # noqa: S608 -- a test's words

    def ids(self) -> list[str]:
        return [str(row[0]) for row in self.rows()]
