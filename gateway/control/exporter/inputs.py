"""The files that others write for the exporter: the routing table, prices, who is forgotten. They are polled."""

import contextlib
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from gateway.control import prices
from gateway.control.exporter.boot import ExporterBoot
from gateway.control.exporter.providers import upstream_places
from gateway.control.exporter.spans import SpanTerms
from gateway.control.row_maker import maker_for
from policies import routing
from records.erasure import FILE, Forgotten, Sieve, decode
from records.record_maker import RecordMaker
from shadow import plan

Stamp = tuple[int, int, int] | None


@dataclass(slots=True)
class ExporterInputs:
    """What rows and spans are made by, as the files say now."""

    boot: ExporterBoot
    maker: RecordMaker = field(init=False)
    terms: SpanTerms = field(init=False)
    sieve: Sieve = field(default_factory=lambda: Sieve(Forgotten()), init=False)
    """Knows who is forgotten: nothing is told of them any more."""
    _table: routing.Table | None = field(default=None, init=False)
    _seen: tuple[Stamp, ...] | None = field(default=None, init=False)

    def look(self) -> None:
        """Read again what has changed; what cannot be read takes nothing away."""
        table, gpu, forgotten = Path(self.boot.routing), Path(self.boot.gpu), Path(self.boot.records) / FILE
        asked = Path(self.boot.plan)
        seen = tuple(_stamp(path) for path in (table, gpu, forgotten, asked))
        if seen == self._seen:
            return
        self._seen = seen
        with contextlib.suppress(OSError, routing.RoutingError):  # what was read before holds on
            self._table = routing.decode(table.read_bytes())
        with contextlib.suppress(OSError, msgspec.MsgspecError):  # of a damaged one the recorder tells
            self.sieve = Sieve(decode(forgotten.read_bytes()))
        self.maker = maker_for(self.boot, self._table, prices.usd_per_answer(gpu), plan.read(asked))
        places = upstream_places(self._table.upstreams if self._table is not None else ())
        self.terms = SpanTerms(places, self.maker.route_prices, self.boot.content)


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
