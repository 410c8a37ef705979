"""A real Prometheus that scrapes one gateway with the repository's own configuration. `make prometheus` gets it."""

import contextlib
import json
import subprocess
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from gateway import clock
from tests.rooms.serving import free_port
from tests.rooms.waiting import NO_TLS, PATIENCE_S, await_true
from tools import prometheus

DEPLOY = Path(__file__).parents[2] / "deploy" / "prometheus"
RULES = DEPLOY / "rules" / "crossfade.yml"


def is_installed() -> bool:
    """Whether there is one here."""
    return all(prometheus.found(name) for name in prometheus.PROGRAMS)


def promtool(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """What promtool says."""
    program = prometheus.found("promtool")
    assert program is not None
    return subprocess.run([program, *arguments], input=stdin, capture_output=True, timeout=PATIENCE_S, check=False)


@dataclass(frozen=True, slots=True)
class Prometheus:
    """Scrapes while entered."""

    base_url: str

    def query(self, expr: str, at: float | None = None) -> list[dict[str, Any]]:
        """The series of an expression at a moment, in Unix seconds; now, unless it is said."""
        asked = {"query": expr} if at is None else {"query": expr, "time": repr(at)}
        told = httpx.get(
            f"{self.base_url}/api/v1/query", params=asked, timeout=PATIENCE_S, trust_env=False, verify=NO_TLS
        )
        assert told.status_code == 200, f"{expr}: {told.text}"
        return told.json()["data"]["result"]

    def firing(self) -> set[str]:
        """The alerts that fire now."""
        told = httpx.get(f"{self.base_url}/api/v1/alerts", timeout=PATIENCE_S, trust_env=False, verify=NO_TLS)
        assert told.status_code == 200, told.text
        alerts = told.json()["data"]["alerts"]
        return {each["labels"]["alertname"] for each in alerts if each["state"] == "firing"}

    def await_value(self, expr: str, value: float) -> None:
        """Wait until the one series of an expression has this value."""

        def has_it() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return [float(each["value"][1]) for each in self.query(expr)] == [value]
            return False

        await_true(has_it, f"{expr} is {value:g}")

    def await_scrapes(self, number: int, series: str) -> None:
        """Wait until some series of these was scraped so often."""
        until_s = clock.monotonic() + PATIENCE_S
        while clock.monotonic() < until_s:
            with contextlib.suppress(httpx.TransportError, AssertionError):
                seen = self.query(f"max(count_over_time({series}[10m]))")
                if seen and float(seen[0]["value"][1]) >= number:
                    return
            time.sleep(0.2)  # a poll with a deadline: another process scrapes
        raise AssertionError(f"Prometheus did not scrape {series} {number} times within {PATIENCE_S:.0f} s")


@contextlib.contextmanager
def scraping(
    directory: Path, admin_port: int, rules: Path = RULES, others: Mapping[str, int] | None = None
) -> Generator[Prometheus]:
    """A Prometheus over deploy/prometheus, scraping the gateway's port often. `others`: jobs beside it, by port."""
    config = yaml.safe_load((DEPLOY / "prometheus.yml").read_text("utf-8"))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(rules)]
    config["scrape_configs"] = [
        job | {"static_configs": [{"targets": [f"127.0.0.1:{admin_port}"]}]}
        for job in config["scrape_configs"]
        if job["job_name"] == "crossfade"
    ]
    config["scrape_configs"] += [
        {"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
        for name, port in (others or {}).items()
    ]
    path, port = directory / "prometheus.yml", free_port()
    path.write_text(json.dumps(config), "utf-8")
    program = prometheus.found("prometheus")
    assert program is not None
    options = [f"--config.file={path}", f"--storage.tsdb.path={directory / 'tsdb'}"]
    options.append(f"--web.listen-address=127.0.0.1:{port}")
    with (directory / "prometheus.log").open("wb") as log:
        process = subprocess.Popen([program, *options], stdout=log, stderr=log)
    try:
        yield Prometheus(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
