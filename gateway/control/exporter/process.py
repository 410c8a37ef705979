"""The exporter, a process of its own: follows the journals, and tells a collector of what happened.

    the journals ──► rows, redacted ──► spans ──► posts, bounded ──► the collector
        ▲                                                      │ taken
        └──────────── how far it is: `readers/exporter.json` ◄─┘

Rules:
1. What is read and not yet taken is bounded (`BATCH_BYTES`), and nothing more is read before it is: the backlog is the
   journal's, on disk. So a collector that is down costs no memory, and neither the recorder nor any app a moment.
2. How far it is, is written down once all of it was taken. After a crash spans may be sent again, with the same ids.
3. The recorder keeps what we still need, for `journal_retention` at most. What comes near that age and is still not
   taken is given up, counted, so that what is younger is not lost with it.
4. A collector that does not take anything is logged once, and once more when it does again.
"""

import asyncio
import signal
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from gateway import clock
from gateway.control.exporter.boot import ExporterBoot
from gateway.control.exporter.collector import LONGEST_PAUSE_S, Collector, PostResult
from gateway.control.exporter.inputs import ExporterInputs
from gateway.control.exporter.otlp import rejected, request_body, span_message
from gateway.control.exporter.spans import Span, comparison_spans, exchange_spans, is_exported
from gateway.control.journals import cursors as readers
from gateway.control.journals.follower import Journals
from gateway.control.journals.tail import Progress
from gateway.log import Log
from gateway.node.plain_error import disk_hint, plain
from gateway.process import read_boot, say_ready
from gateway.telemetry.metrics import PREFIX, Sample, render
from records.comparison import Comparison
from records.durable import replace
from records.exchange import Exchange, Note
from records.journal.reader import Found, segments
from records.record_maker import bare
from records.trace_context import read_traceparent, traceparent_of

NAME = "exporter"
OWN_NOBODY = "controller-"
"""Begins the names of the controllers' journals: nothing in them is for us."""
POLL_S = 0.1
GATHER_S = 1.0
"""Longest that spans wait for others to be posted with."""
KEEP_S = 1.0
"""How often it is written down at most how far it is."""
EXPOSE_S = 1.0
BATCH_BYTES = 2 * 1024 * 1024
"""Of frames: about what is read before it is taken."""
POST_SPANS, POST_BYTES = 512, 1024 * 1024
"""What a post holds at most; a single span is never longer than `turns.CHARS` make it."""
PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Between posts that are not taken; the last of them goes on."""
GIVEN_UP_SHARE = 0.9
"""Of the journals' retention."""


class ExporterProgress(readers.Reader, frozen=True):
    """`readers/exporter.json`: how far the journals are told of."""

    workers: dict[str, Progress] = msgspec.field(default_factory=dict[str, Progress])


@dataclass(frozen=True, slots=True)
class Post:
    """Spans that go out together."""

    spans: tuple[SpanMessage, ...]
    ended_at: float
    """When the newest of them ended; Unix seconds."""


@dataclass(slots=True)
class Exporter:
    """One step at a time: `step` reads, or posts what is due."""

    boot: ExporterBoot
    log: Log
    collector: Collector
    inputs: ExporterInputs = field(init=False)
    journals: Journals = field(init=False)
    exported: int = 0
    dropped: Counter[str] = field(default_factory=Counter[str])
    """By reason."""
    _gathered: list[tuple[SpanMessage, float]] = field(default_factory=list[tuple[SpanMessage, float]], init=False)
    """Not yet in a post, each with when it ended."""
    _gathered_bytes: int = field(default=0, init=False)
    """Of frames, about."""
    _since: float | None = field(default=None, init=False)
    """When the first of them was found."""
    _posts: deque[Post] = field(default_factory=deque[Post], init=False)
    _kept: dict[str, Progress] = field(init=False)
    """How far it was last written down."""
    _kept_at: float = field(default=0.0, init=False)
    _failures: int = field(default=0, init=False)
    """Posts in a row that were not taken."""
    _not_before: float = field(default=0.0, init=False)
    _exposed_at: float = field(default=0.0, init=False)
    _refused: str = field(default="", init=False)
    """The refusal that was last logged."""

    def __post_init__(self) -> None:
        self.inputs = ExporterInputs(self.boot)

    def begin(self) -> None:
        """Take up where an earlier exporter stopped.

        Raises:
            OSError: our word cannot be written; the supervisor starts us again.
        """
        self.inputs.look()
        self._kept = _load(Path(self.boot.readers))
        root = Path(self.boot.journal)
        self.journals = Journals(root, bytes.fromhex(self.boot.journal_key), self._kept, follows=_is_followed)
        self.dropped["unread"] += sum(_missed(root / name, progress) for name, progress in self._kept.items())
        self._write_down(self._kept)

    # One step -----------------------------------------------------------------------------------------------------

    async def step(self, now: float) -> bool:
        """Read, or post. Returns whether there may be more to do at once. `now`: Unix seconds."""
        if not 0 <= now - self._exposed_at < EXPOSE_S:
            self._exposed_at = now
            self._expose(now)
        if self._posts:
            return await self._post_next(now)
        found = self._read(now)
        is_due = self._since is not None and not 0 <= now - self._since < GATHER_S
        if is_due or self._gathered_bytes >= BATCH_BYTES:
            self._make_posts()
            return True
        self._keep_place(now)
        return found

    def _read(self, now: float) -> bool:
        found = self.journals.poll(now, BATCH_BYTES - self._gathered_bytes)
        self.inputs.look()  # behind the journals: the table that they were served from is there, with its prices
        for one in found:
            self._take(one)
        if self._gathered and self._since is None:
            self._since = now
        self.dropped["unread"] += self.journals.take_damage()
        return bool(found)

    def _take(self, found: Found) -> None:
        match found:
            case Exchange():
                self._gathered_bytes += len(found.request_body) + len(found.response_body) + 1024
                self._gather(self._of_exchange(found), found.meta.arrived_at + found.meta.total_s)
            case Note(table="comparisons"):
                self._gathered_bytes += len(found.row)
                self._gather_comparison(found)
            case _:
                pass

    def _of_exchange(self, exchange: Exchange) -> Sequence[Span]:
        meta = exchange.meta
        parent = read_traceparent(traceparent_of(meta.request_headers))
        if not is_exported(meta.id, parent, self.boot.trace_ppm):
            return ()
        try:
            row = self.inputs.maker.record(exchange)
            found = exchange_spans(row, meta.attempts, parent, self.inputs.terms)
        except Exception as error:  # noqa: BLE001 -- fence: one body that nobody foresaw must not stop all the others
            self.log.alarm("exporter.unreadable", id=meta.id, reason=type(error).__name__)
            row = bare(meta)
            found = exchange_spans(row, meta.attempts, parent, self.inputs.terms)
        return () if self.inputs.sieve.covers(row) else found

    def _gather_comparison(self, note: Note) -> None:
        try:
            row = msgspec.msgpack.decode(note.row, type=Comparison)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self.dropped["unread"] += 1
            return
        is_wanted = is_exported(row.exchange_id, read_traceparent(row.traceparent), self.boot.trace_ppm)
        if is_wanted and not self.inputs.sieve.covers(row):
            self._gather(comparison_spans(row, self.inputs.terms), row.compared_us / 1_000_000)

    def _gather(self, spans: Iterable[Span], ended_at: float) -> None:
        self._gathered += ((span_message(span, self.boot.conventions), ended_at) for span in spans)

    # Posting ------------------------------------------------------------------------------------------------------

    def _make_posts(self) -> None:
        self._posts.extend(_posts(self._gathered))
        self._gathered, self._gathered_bytes, self._since = [], 0, None

    async def _post_next(self, now: float) -> bool:
        """Post what has waited longest, unless its time has not come. Returns whether there is more to do at once."""
        if 0 < self._not_before - now <= LONGEST_PAUSE_S:  # further off: of a clock that was set back since
            return self._give_up(now)
        post = self._posts[0]
        resource = {"service.name": self.boot.service_name, "service.version": self.boot.version}
        result = await self.collector.post(request_body(post.spans, resource, self.boot.version))
        if result.fate == "later":
            self._wait(result, now)
            return self._give_up(now)
        self._posts.popleft()
        self._count(result, len(post.spans))
        self._keep_place(now)
        return True

    def _wait(self, result: PostResult, now: float) -> None:
        if not self._failures:
            hint = "is the collector up, and the key right? spans wait in the journal (docs/opentelemetry.md)"
            self.log.alarm("exporter.not_taken", reason=result.reason, hint=hint)
        pause_s = max(result.pause_s, PAUSES_S[min(self._failures, len(PAUSES_S) - 1)])
        self._failures += 1
        self._not_before = now + pause_s

    def _give_up(self, now: float) -> bool:
        """Drop what is about to be removed from the journals, unasked: what is younger has to be read before it is."""
        limit_s, before = self.boot.journal_retention_s * GIVEN_UP_SHARE, len(self._posts)
        while self._posts and now - self._posts[0].ended_at >= limit_s:
            self.dropped["expired"] += len(self._posts.popleft().spans)
        self._keep_place(now)
        return len(self._posts) < before

    def _count(self, result: PostResult, spans: int) -> None:
        if result.fate == "refused":
            self.dropped["refused"] += spans
            if result.reason != self._refused:
                self._refused = result.reason
                hint = "is it an OTLP/HTTP endpoint that takes protobuf?"
                self.log.alarm("exporter.refused", reason=result.reason, hint=hint)
            return
        unwanted = min(spans, rejected(result.answer))
        self.exported += spans - unwanted
        self.dropped["rejected"] += unwanted
        if self._failures:
            self.log.info("exporter.taken_again", failures=self._failures)
        self._failures, self._refused = 0, ""

    # Its word -----------------------------------------------------------------------------------------------------

    def _keep_place(self, now: float) -> None:
        """Write down how far we are, if that is new, and all that was read was taken or given up."""
        if self._posts or self._gathered or 0 <= now - self._kept_at < KEEP_S:
            return
        progress = self.journals.progress()
        if progress == self._kept:
            return
        self._kept_at = now
        try:
            self._write_down(progress)
        except OSError as error:
            if self.log.is_news("exporter.disk_refused", plain(error)):
                self.log.alarm("exporter.disk_refused", reason=plain(error), hint=disk_hint(error))

    def _write_down(self, progress: dict[str, Progress]) -> None:
        first = {name: one.done.segment + 1 if one.ended else one.safe.segment for name, one in progress.items()}
        readers.write(Path(self.boot.readers), NAME, ExporterProgress(first, (OWN_NOBODY,), progress))
        self._kept = progress

    def lag_s(self, now: float) -> float:
        """About how old the oldest exchange is that was not taken yet."""
        waiting = [post.ended_at for post in self._posts] + [ended_at for _, ended_at in self._gathered]
        return max(0.0, now - min(waiting)) if waiting else self.journals.lag_s(now)

    def _expose(self, now: float) -> None:
        samples = [
            Sample(f"{PREFIX}otel_exported_total", self.exported),
            *(
                Sample(f"{PREFIX}otel_dropped_total", self.dropped[reason], (reason,))
                for reason in ("expired", "refused", "rejected", "unread")
            ),
            Sample(f"{PREFIX}otel_lag_seconds", self.lag_s(now)),
        ]
        try:
            replace(Path(self.boot.exposition), render(samples).encode())
        except OSError as error:
            if self.log.is_news("exporter.not_exposed", plain(error)):
                self.log.notice("exporter.not_exposed", reason=plain(error))

    async def finish(self, now: float) -> None:
        """Post what was read, once, to a collector that has taken things. The journal keeps the rest."""
        self._read(now)
        self._make_posts()
        self._not_before, self._kept_at = now, 0.0
        if self._posts and not self._failures:  # one that hangs would take longer than we have
            await self._post_next(now)
        self._keep_place(now)
        self._expose(now)
        await self.collector.close()


def _load(folder: Path) -> dict[str, Progress]:
    """How far an earlier exporter came; nothing that can be read: from the oldest there is on."""
    try:
        return msgspec.json.decode(readers.path_of(folder, NAME).read_bytes(), type=ExporterProgress).workers
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return {}


def _is_followed(worker: str) -> bool:
    return not worker.startswith(OWN_NOBODY)


def _missed(directory: Path, progress: Progress) -> int:
    """Segments of a journal that were removed, at their greatest age, while no exporter ran."""
    there = segments(directory) if directory.is_dir() else []
    return max(0, there[0] - progress.safe.segment) if there and not progress.ended else 0


def _posts(spans: Iterable[tuple[SpanMessage, float]]) -> Iterator[Post]:
    """Posts that are neither too many spans nor too many bytes; one span is always one post's."""
    held: list[SpanMessage] = []
    size, ended_at = 0, 0.0
    for span, at in spans:
        length = span.ByteSize()
        if held and (len(held) >= POST_SPANS or size + length > POST_BYTES):
            yield Post(tuple(held), ended_at)
            held, size, ended_at = [], 0, 0.0
        held.append(span)
        size, ended_at = size + length, max(ended_at, at)
    if held:
        yield Post(tuple(held), ended_at)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    """Let others run, for so long unless told to stop."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


async def work(exporter: Exporter, stop: asyncio.Event, now: Callable[[], float] = clock.wall) -> None:
    """Export until told to stop; then what was read, once.

    Raises:
        OSError: our word cannot be written; the supervisor starts us again.
    """
    exporter.begin()
    say_ready(exporter.boot.ready_fd)
    while not stop.is_set():
        found = await exporter.step(now())
        await _pause(stop, 0.0 if found else POLL_S)
    await exporter.finish(now())


async def _main(boot: ExporterBoot, log: Log) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    headers, ca = (Path(path) if path else None for path in (boot.headers_file, boot.ca_file))
    await work(Exporter(boot, log, Collector(boot.endpoint, headers, ca)), stop)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the exporter as the supervisor starts it."""
    boot, log = read_boot(argv, ExporterBoot), Log(NAME)
    try:
        asyncio.run(_main(boot, log))
    except OSError as error:
        log.alarm("exporter.failed", reason=f"{type(error).__name__}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
