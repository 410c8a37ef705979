"""What thirty people who keep the console open cost the apps: `python -m bench.consoles`.

A whole `crossfade serve` with a route in its shadow answers a steady load, in turns with thirty live pages open and
with none; each page hears its events, as a browser does. Printed are both p99s of each round, and the ratio of their
medians, which is to stay below 1.05. One answer in a hundred is what a neighbour on the machine spoils first: only a
quiet machine can say that it holds.
"""

import argparse
import contextlib
import os
import socket
import statistics
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from bench.measure import LOAD_CORE, Bench, Load, Scenario, say
from bench.peers import CACHE, build_tools, start_mock
from gateway.console.live import STREAMS
from tests.rooms.serving import REAL, Serving
from tests.rooms.waiting import PATIENCE_S

ROUTE = "bench"
MOST = 1.05
MODEL = "mock-c64-d0-t0"
SETTINGS = """\
upstreams:
  openai: {{base_url: "http://127.0.0.1:{port}/v1"}}
  own: {{kind: vllm, base_url: "http://127.0.0.1:{port}/v1"}}
policies: policies
"""
POLICY = f"""\
route: {ROUTE}
match: {{model: {MODEL}}}
baseline: {{upstream: openai, deterministic: true}}
candidate: {{upstream: own, model: {MODEL}, revision: "1"}}
compare: [exact]
stages: [shadow, 100%]
"""


@dataclass(slots=True)
class Page:
    """One open page, while entered: loaded as a browser does, then it hears its events."""

    port: int
    heard: int = 0
    _socket: socket.socket = field(init=False)
    _thread: threading.Thread = field(init=False)

    def __enter__(self) -> Self:
        with self._asked(f"/routes/{ROUTE}") as page, page.makefile("rb") as answer:
            if b" 200 " not in answer.readline() or not answer.read():
                raise RuntimeError("the console does not answer")
        self._socket = self._asked(f"/console/events?route={ROUTE}")
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE_S)
        self._socket.close()

    def _asked(self, path: str) -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)
        made.sendall(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\nconnection: close\r\n\r\n".encode())
        return made

    def _listen(self) -> None:
        with self._socket.makefile("rb") as events, contextlib.suppress(ConnectionError):  # of our own shutdown
            for line in events:
                self.heard += line.startswith(b"data:")


def p99_ms(load: Load) -> float:
    """One answer in a hundred took longer."""
    if load.latency_us is None or load.errors:
        raise RuntimeError(f"{load.errors} of {load.ok + load.errors} requests failed: nothing is measured")
    return load.latency_us.p99 / 1000


def main() -> int:
    """Measure and print. 1: with consoles it is more than five hundredths slower."""
    parser = argparse.ArgumentParser(prog="python -m bench.consoles", description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each half of a round")
    parser.add_argument("--rate", type=int, default=100, help="requests a second")
    arguments = parser.parse_args()
    build_tools()
    CACHE.mkdir(exist_ok=True)
    scenario = Scenario("consoles", MODEL, 700, ("--rate", str(arguments.rate)))
    with tempfile.TemporaryDirectory(prefix="bench-", dir=CACHE) as folder:
        mock_port, mock = start_mock(LOAD_CORE)
        try:
            rounds = _measured(Path(folder), mock_port, scenario, arguments.rounds, arguments.seconds)
        finally:
            mock.kill()
            mock.wait()
    without, beside = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"{'p99':8} {'no console':>12} {f'{STREAMS} consoles':>12}")
    for turn, (one, other) in enumerate(rounds, 1):
        print(f"round {turn:<2} {one:9.2f} ms {other:9.2f} ms")
    print(f"median   {without:9.2f} ms {beside:9.2f} ms, ratio {beside / without:.3f}, at most {MOST}")
    print(f"at {arguments.rate} requests a second; load of this machine at the end: {os.getloadavg()[0]:.1f}")
    return 0 if beside <= MOST * without else 1


def _measured(
    folder: Path, mock_port: int, scenario: Scenario, rounds: int, seconds: float
) -> list[tuple[float, float]]:
    """Each round's p99 without consoles and with them."""
    (folder / "policies").mkdir()
    (folder / "policies" / f"{ROUTE}.yaml").write_text(POLICY)
    found: list[tuple[float, float]] = []
    with Serving(folder, SETTINGS.format(port=mock_port), worker=REAL) as serving:
        serving.await_ready()
        serving.await_control()
        serving.await_metric(f'crossfade_weight_ratio{{route="{ROUTE}"}}')
        bench = Bench(folder, mock_port)

        def loaded() -> float:
            return p99_ms(bench.load(scenario, serving.port, (), seconds))

        bench.load(scenario, serving.port, (), min(2.0, seconds))
        for turn in range(rounds):
            without = loaded()
            pages = [Page(serving.admin_port) for _ in range(STREAMS)]
            with contextlib.ExitStack() as opened:
                for page in pages:
                    opened.enter_context(page)
                before = [page.heard for page in pages]
                found.append((without, loaded()))
                if any(page.heard <= then for page, then in zip(pages, before, strict=True)):
                    raise RuntimeError(f"a page heard nothing: {[page.heard for page in pages]}")
            say(f"  round {turn + 1}: {found[-1][0]:.2f} ms, with consoles {found[-1][1]:.2f} ms")
    return found


if __name__ == "__main__":
    sys.exit(main())
