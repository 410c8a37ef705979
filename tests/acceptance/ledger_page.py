"""The other side's books as a page of metrics: what servers sent and an app received, by hand, in the gateway's words.

Nothing here knows the gateway's code: names of families and labels are written out, prices are the room's own.
"""

import http.server
import threading
from collections import defaultdict
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.fakes.quiet_server import QuietServer

EDGES = {
    "crossfade_request_seconds": (0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0),
    "crossfade_time_to_first_token_seconds": (0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0),
    "crossfade_time_per_output_token_seconds": (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3),
    "crossfade_overhead_seconds": (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0),
}
"""Where buckets end, in the range that is met here."""
Labels = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Books:
    """Sums by family and labels; times as they were seen."""

    values: dict[str, dict[Labels, float]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(float)))
    times: dict[str, dict[Labels, list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))

    def add(self, name: str, value: float = 1.0, /, **labels: str) -> None:
        """To a counter, or what a gauge shows."""
        self.values[f"crossfade_{name}"][tuple(labels.items())] += value

    def see(self, name: str, seconds: float, /, **labels: str) -> None:
        """A time, for a histogram."""
        self.times[f"crossfade_{name}"][tuple(labels.items())].append(seconds)

    def text(self) -> str:
        """As a scraper reads it."""
        lines: list[str] = []
        for name, series in self.values.items():
            kind = "counter" if name.endswith("_total") else "gauge"
            lines += [f"# TYPE {name} {kind}", *(f"{name}{_shown(key)} {value!r}" for key, value in series.items())]
        for name, seen in self.times.items():
            lines.append(f"# TYPE {name} histogram")
            for key, seconds in seen.items():
                lines += _buckets(name, key, seconds)
        return "\n".join([*lines, ""])


def _buckets(name: str, key: Labels, seconds: Sequence[float]) -> list[str]:
    edges = [*((str(edge), edge) for edge in EDGES[name]), ("+Inf", float("inf"))]
    rows = [f"{name}_bucket{_shown((*key, ('le', text)))} {sum(s <= edge for s in seconds)}" for text, edge in edges]
    return [*rows, f"{name}_sum{_shown(key)} {sum(seconds)!r}", f"{name}_count{_shown(key)} {len(seconds)}"]


def _shown(key: Labels) -> str:
    pairs = ",".join(f'{name}="{value}"' for name, value in key)
    return f"{{{pairs}}}" if pairs else ""


@dataclass(slots=True)
class Page:
    """What is served now."""

    port: int = 0
    text: str = ""
    live: Callable[[], str] = str
    """What grows while nothing happens."""


@contextmanager
def shown() -> Generator[Page]:
    """The page behind a port of its own, as `GET /metrics`."""
    page = Page()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = (page.text + page.live()).encode()
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is said on stderr."""

    server = QuietServer(("127.0.0.1", 0), Handler)
    page.port = int(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield page
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
