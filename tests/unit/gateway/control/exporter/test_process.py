import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path

import msgspec
import pytest

from gateway.control.exporter.boot import ExporterBoot
from gateway.control.exporter.collector import Collector
from gateway.control.exporter.process import (
    EXPOSE_S,
    GATHER_S,
    NAME,
    PAUSES_S,
    POST_SPANS,
    Exporter,
    ExporterProgress,
    work,
)
from gateway.control.exporter.spans import server_span_of, trace_of
from gateway.control.journals.cursors import needed_from, path_of
from gateway.log import Log
from records.comparison import Comparison
from records.erasure import Subject
from records.exchange import Note
from records.forgetting import wish
from records.journal.frames import segment_path
from records.journal.reader import segments
from records.journal.writer import JournalWriter
from records.store import Store
from tests.fakes.exchanges import chat_request, head
from tests.fakes.otlp import FakeCollector
from tests.rooms.recording import KEY, PEPPER, Place
from tests.rooms.waiting import PATIENCE_S

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def traced(flags: str = "01") -> bytes:
    return head(("content-type", "application/json"), ("traceparent", f"00-{TRACE}-{SPAN}-{flags}"))


@dataclass
class Exporting:
    """A data directory whose journals an exporter follows, and the collector it tells."""

    place: Place
    collector: FakeCollector
    url: str
    now: float
    log: StringIO = field(default_factory=StringIO)
    exporters: list[Exporter] = field(default_factory=list[Exporter])

    def exporter(self, **fields: object) -> Exporter:
        """One that has taken up where the last one stopped."""
        root = self.place.root
        boot = ExporterBoot(
            journal=str(root / "journal"), journal_key=KEY.hex(), pepper=PEPPER.hex(),
            records=str(root / "records"), routing=str(root / "routing.json"),
            plan=str(root / "shadow.json"),
            readers=str(root / "readers"), exposition=str(root / "exporter.prom"),
            endpoint=self.url, service_name="crossfade", version="1", **fields,  # type: ignore[arg-type]
        )  # fmt: skip
        exporter = Exporter(boot, Log(NAME, stream=self.log), Collector(self.url, deadline_s=PATIENCE_S))
        exporter.begin()
        self.exporters.append(exporter)
        return exporter

    async def settle(self, exporter: Exporter, seconds: float = GATHER_S) -> None:
        """Read all there is; let time pass; do all that is due then."""
        while await exporter.step(self.now):
            pass
        self.now += seconds
        while await exporter.step(self.now):
            pass

    def spans(self) -> list[tuple[str, str]]:
        """Trace and span of all that was taken, in order."""
        return [(span.trace_id, span.span_id) for span in self.collector.spans]

    def servers(self) -> list[str]:
        """The exchanges that were taken, by their span."""
        return [span.span_id for span in self.collector.spans if span.kind == "server"]

    def events(self, name: str) -> int:
        return self.log.getvalue().count(f'"event": "{name}"')

    def first(self) -> dict[str, int]:
        """What it says that it still needs."""
        return msgspec.json.decode(path_of(self.place.root / "readers", NAME).read_bytes(), type=ExporterProgress).first


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Exporting]:
    collector = FakeCollector()
    place = Place(tmp_path)
    with collector.serving() as url:
        room = Exporting(place, collector, url, place.now)
        yield room
        for exporter in room.exporters:
            await exporter.collector.close()


async def test_what_was_answered_is_told(room: Exporting) -> None:
    """Each exchange is a tree, in the app's trace or in one of its own, told within a second and counted."""
    worker, exporter = room.place.worker(), room.exporter()
    ids = [worker.whole(), worker.whole(request_head=traced()), worker.streamed("a", "b")]
    await room.settle(exporter)
    assert room.servers() == [server_span_of(each) for each in ids]
    assert [trace for trace, _ in room.spans()] == [
        trace_of(ids[0], None), trace_of(ids[0], None), TRACE, TRACE, trace_of(ids[2], None),
        trace_of(ids[2], None),
    ]  # fmt: skip
    assert room.collector.spans[0].resource == {"service.name": "crossfade", "service.version": "1"}
    await room.settle(exporter, EXPOSE_S)
    shown = (room.place.root / "exporter.prom").read_text()
    assert "crossfade_otel_exported_total 6" in shown
    assert "crossfade_otel_lag_seconds 0.0" in shown


async def test_the_shadow_is_told_of_and_controllers_are_not(room: Exporting) -> None:
    """Comparisons stand in the shadow's journal; what the controller writes there is nobody's exchange."""
    exporter, journal = room.exporter(), room.place.root / "journal"
    row = Comparison(
        exchange_id="e1", asked="candidate", route="r", unit="u", candidate_key="k", compared_us=1, p_mirror=1.0,
        came="answered", traceparent=f"00-{TRACE}-{SPAN}-01",
    )  # fmt: skip
    unsampled = msgspec.structs.replace(row, exchange_id="e2", traceparent=f"00-{TRACE}-{SPAN}-00")
    for name in ("shadow-1", "controller-1"):
        writer = JournalWriter(journal / name, KEY, now=lambda: room.now)
        for each in (row, unsampled):
            assert writer.note(Note("comparisons", msgspec.msgpack.encode(each)))
        assert writer.note(Note("comparisons", b"\xc1"))
    await room.settle(exporter)
    (span,) = room.collector.spans
    (link,) = span.wire.links
    assert (link.trace_id.hex(), link.span_id.hex()) == (TRACE, server_span_of("e1"))
    assert exporter.dropped["unread"] == 1
    assert needed_from(room.place.root / "readers")("controller-1") is None


async def test_a_trace_that_is_not_kept_is_not_told(room: Exporting) -> None:
    """An app's unsampled trace stays out, and of traces that begin here as many as are asked for."""
    worker, exporter = room.place.worker(), room.exporter(trace_ppm=0)
    worker.whole(request_head=traced("00"))
    worker.whole()
    await room.settle(exporter)
    await room.settle(exporter)
    assert room.collector.asked == 0
    assert exporter.lag_s(room.now) == 0.0
    taken = worker.whole(request_head=traced())
    await room.settle(room.exporter(trace_ppm=0))
    assert room.servers() == [server_span_of(taken)]


async def test_of_who_is_forgotten_nothing_is_told(room: Exporting) -> None:
    """From the wish on, whatever is still in the journals; others' exchanges are told as before."""
    worker, exporter = room.place.worker(), room.exporter()
    worker.whole(key_id="ann")
    kept = worker.whole(key_id="bob")
    store = Store(room.place.root / "records")
    store.root.mkdir()
    wish(store, Subject("key", "ann", room.now))
    await room.settle(exporter)
    assert room.servers() == [server_span_of(kept)]


async def test_a_collector_that_is_down_costs_patience_alone(room: Exporting) -> None:
    """Nothing more is read than fits a batch, it is logged once, and what waited is told once when it is back."""
    worker, exporter = room.place.worker(), room.exporter()
    room.collector.status = 503
    ids = [worker.whole() for _ in range(5)]
    before = room.first()
    for pause_s in PAUSES_S:
        await room.settle(exporter, pause_s)
    assert room.first() == before
    assert (room.events("exporter.not_taken"), room.spans()) == (1, [])
    assert exporter.lag_s(room.now) > PAUSES_S[-1]
    ids.append(worker.whole())
    room.collector.status = 200
    await room.settle(exporter, PAUSES_S[-1])
    await room.settle(exporter)
    assert room.servers() == [server_span_of(each) for each in ids]
    assert (room.events("exporter.taken_again"), exporter.exported, exporter.dropped.total()) == (1, 12, 0)


async def test_a_collector_that_hangs_is_left_after_the_deadline(room: Exporting) -> None:
    """A post has one deadline; then it is tried again."""
    worker, exporter = room.place.worker(), room.exporter()
    worker.whole()
    room.collector.hangs = threading.Event()
    exporter.collector.deadline_s = 0.05
    await room.settle(exporter)
    assert (exporter.exported, room.events("exporter.not_taken")) == (0, 1)
    room.collector.hangs.set()
    exporter.collector.deadline_s = PATIENCE_S
    await room.settle(exporter, PAUSES_S[0])
    assert exporter.exported == 2


async def test_a_restart_goes_on_where_all_was_taken(room: Exporting) -> None:
    """Killed before the collector took it, it is sent again with the same ids; after, never."""
    worker = room.place.worker()
    first = worker.whole()
    room.collector.status = 503
    await room.settle(room.exporter())
    room.collector.status = 200
    await room.settle(room.exporter())
    once = room.spans()
    second = worker.whole()
    await room.settle(room.exporter())
    assert room.servers() == [server_span_of(first), server_span_of(second)]
    assert room.spans()[: len(once)] == once


async def test_posts_have_a_bound(room: Exporting) -> None:
    """Many spans are several posts, none above the bound, each span once."""
    worker, exporter = room.place.worker(segment_bytes=1024 * 1024), room.exporter()
    ids = [worker.gathered() for _ in range(POST_SPANS)]
    worker.commit()
    await room.settle(exporter)
    assert len(room.collector.posts) == 2
    assert sorted(room.servers()) == sorted(server_span_of(each) for each in ids)


async def test_what_is_about_to_be_removed_is_given_up_and_counted(room: Exporting) -> None:
    """Near the journals' retention the old makes room for the young, of which nothing is lost."""
    worker, exporter = room.place.worker(), room.exporter(journal_retention_s=600.0)
    room.collector.status = 503
    worker.whole()
    await room.settle(exporter)
    await room.settle(exporter, 550.0)
    assert exporter.dropped == {"expired": 2, "unread": 0}
    room.collector.status = 200
    young = room.place.worker("w2")
    young_id = young.whole()
    await room.settle(exporter, PAUSES_S[-1])
    assert room.servers() == [server_span_of(young_id)]


async def test_what_was_removed_unread_is_counted(room: Exporting) -> None:
    """An exporter that comes back after its journal is gone says so, and goes on."""
    worker = room.place.worker(segment_bytes=2048)
    worker.whole()
    await room.settle(room.exporter())
    for _ in range(6):
        worker.whole()
    directory = room.place.root / "journal" / "w1"
    last = segments(directory)[-1]
    for number in segments(directory)[:-1]:
        segment_path(directory, number).unlink()
    exporter = room.exporter()
    assert exporter.dropped["unread"] == last - room.first()["w1"] > 0


async def test_spans_that_are_refused_are_dropped_and_counted(room: Exporting) -> None:
    """They would be refused again: what comes after them goes out. It is logged once."""
    worker, exporter = room.place.worker(), room.exporter()
    room.collector.status = 400
    for _ in range(2):
        worker.whole()
        await room.settle(exporter)
    assert (exporter.dropped["refused"], room.events("exporter.refused")) == (4, 1)
    room.collector.status, room.collector.rejects = 200, 1
    worker.whole()
    await room.settle(exporter)
    assert (exporter.exported, exporter.dropped["rejected"]) == (1, 1)


async def test_an_exchange_nobody_foresaw_costs_itself_alone(room: Exporting) -> None:
    """A row that cannot be made is told by what stands beside its bodies, and holds nothing up."""
    worker, exporter = room.place.worker(), room.exporter(trace_ppm=0)
    ids = [worker.whole(request_head=traced()) for _ in range(2)]
    exporter.inputs.maker = replace(exporter.inputs.maker, prices=None)  # type: ignore[arg-type]
    await room.settle(exporter)
    assert room.servers() == [server_span_of(each) for each in ids]
    assert room.events("exporter.unreadable") == 2
    assert room.collector.spans[1].attributes["crossfade.upstream"] == "openai"


async def test_an_exporter_that_is_told_to_stop_posts_what_it_read(room: Exporting) -> None:
    """What was answered a moment before is told before it ends."""
    worker, exporter = room.place.worker(), room.exporter()
    made = worker.whole(request=chat_request())
    stop = asyncio.Event()
    stop.set()
    await work(exporter, stop, lambda: room.now)
    assert room.servers() == [server_span_of(made)]
    await room.settle(room.exporter())
    assert len(room.servers()) == 1
