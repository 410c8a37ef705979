"""How long the console's pages take over many records, and what its process holds: `python -m bench.pages`.

A whole `crossfade serve` over a million exchanges and a hundred thousand comparisons of the last twenty days. Each page
is asked for twice, and then again in rounds. Printed are median and p95 of each page, and the memory of the admin
process; bars are 150 ms and 300 MB.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from bench.made_records import MODEL, ROUTE, first_id, make_comparisons, make_exchanges
from gateway import clock
from gateway.console.pages import NAV
from tests.rooms.serving import REAL, Serving
from tests.rooms.waiting import NO_TLS, PATIENCE_S

MOST_MS = 150.0
MOST_MB = 300.0
COMPARED = 10
"""One exchange in so many is compared."""
WARM = 2
SETTINGS = """\
upstreams:
  openai: {base_url: "http://127.0.0.1:9/v1"}
  own: {kind: vllm, base_url: "http://127.0.0.1:9/v1"}
policies: policies
"""
POLICY = f"""\
route: {ROUTE}
match: {{model: {MODEL}}}
baseline: {{upstream: openai, deterministic: true}}
candidate: {{upstream: own, model: tuned, revision: "1"}}
compare: [exact]
stages: [shadow, 100%]
"""


def main() -> int:
    """Measure and print. 1: a page or the process is above its bar."""
    parser = argparse.ArgumentParser(prog="python -m bench.pages", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="exchanges (default: 1,000,000)")
    parser.add_argument("--rounds", type=int, default=100, help="of all pages (default: 100)")
    arguments = parser.parse_args()
    yesterday = (datetime.fromtimestamp(clock.wall(), UTC) - timedelta(days=1)).date()
    with tempfile.TemporaryDirectory(prefix="crossfade-pages-") as folder:
        root = Path(folder)
        records = root / "crossfade-data" / "records"
        make_exchanges(records, arguments.rows, yesterday)
        make_comparisons(records, arguments.rows, COMPARED, yesterday)
        (root / "policies").mkdir()
        (root / "policies" / f"{ROUTE}.yaml").write_text(POLICY)
        with Serving(root, SETTINGS, worker=REAL) as serving:
            serving.await_ready()
            serving.await_control()
            serving.await_metric(f'crossfade_weight_ratio{{route="{ROUTE}"}}')
            taken = _taken_ms(serving, arguments.rounds, first_id(yesterday))
            held_mb = _held_mb(serving)
    for path, each in taken.items():
        print(f"{path:44} median {_at(each, 0.5):7.1f} ms   p95 {_at(each, 0.95):7.1f} ms")
    slowest = max(_at(each, 0.95) for each in taken.values())
    print(f"{arguments.rows:,} exchanges, {arguments.rows // COMPARED:,} comparisons; load {os.getloadavg()[0]:.1f}")
    print(f"slowest p95 {slowest:.1f} ms, at most {MOST_MS:g}; admin process {held_mb:.0f} MB, at most {MOST_MB:g}")
    return 0 if slowest <= MOST_MS and held_mb <= MOST_MB else 1


def _paths(one: str) -> Iterator[str]:
    """Every page that is read; `one`: the id of an exchange that was compared."""
    yield from (path for _, path in NAV)
    yield from (f"/routes/{ROUTE}", f"/routes/{ROUTE}?view=history", f"/routes/{ROUTE}/report")
    yield from (f"/pairs?route={ROUTE}&view=disagreements", f"/pairs/{one}", f"/traffic/{one}")


def _taken_ms(serving: Serving, rounds: int, one: str) -> dict[str, list[float]]:
    """By page, the times of the rounds."""
    found: dict[str, list[float]] = {path: [] for path in _paths(one)}
    address = f"http://127.0.0.1:{serving.admin_port}"
    with httpx.Client(base_url=address, timeout=PATIENCE_S, trust_env=False, verify=NO_TLS) as browser:
        for turn in range(WARM + rounds):
            for path, each in found.items():
                began_s = clock.monotonic()
                answer = browser.get(path, headers={"accept": "text/html"})
                if not answer.is_success:
                    raise SystemExit(f"{path}: {answer.status_code} {answer.text[:200]}")
                if turn >= WARM:
                    each.append((clock.monotonic() - began_s) * 1000)
    return found


def _held_mb(serving: Serving) -> float:
    """Memory of the admin process now."""
    status = Path(f"/proc/{serving.pid_of('admin')}/status").read_text("ascii")
    (line,) = (each for each in status.splitlines() if each.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024 / 1e6


def _at(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


if __name__ == "__main__":
    sys.exit(main())
