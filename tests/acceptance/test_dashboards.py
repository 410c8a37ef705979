"""Every query of the dashboard and every alert, asked of a real Prometheus that scrapes a gateway moving traffic.

The traffic is `crossfade demo`'s: the same processes, policies and metrics as in production. `make dashboards` runs it.
"""

import json
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.acceptance import prometheus_server
from tests.acceptance.prometheus_server import Prometheus, promtool, scraping
from tests.fakes import engine_pages
from tests.rooms.waiting import PATIENCE_S, await_true
from tools import dashboards

DEPLOY = Path(__file__).parents[2] / "deploy" / "prometheus"
ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not prometheus_server.is_installed(), reason="no Prometheus is here: make dashboards"),
]
VALUES = {"${datasource}": "", "$__rate_interval": "30s", "$__range": "5m"}
VALUES |= {f"${name}": ".*" for name in ("job", "instance", "route", "gate", "engine")}
SCRAPES = 10
"""After the candidate got its first traffic: every rate has its points."""


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo under way, and the Prometheus that watches it."""

    process: subprocess.Popen[str]
    admin_port: int
    prometheus: Prometheus

    def metrics(self) -> bytes:
        """What is scraped."""
        return httpx.get(f"http://127.0.0.1:{self.admin_port}/metrics", timeout=PATIENCE_S, trust_env=False).content


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo, once its candidate answers apps."""
    folder = tmp_path_factory.mktemp("prometheus")
    environment = os.environ | {"TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli.main", "demo", "--pace", "60"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        port = int(_await_line(process, r"http://127\.0\.0\.1:(\d+)/metrics"))
        with engine_pages.showing() as engines, scraping(folder, port, others=engines) as prometheus:
            _await_line(process, r"(shadow) → ")
            prometheus.await_scrapes(SCRAPES, 'crossfade_requests_total{variant="candidate"}')
            yield Demo(process, port, prometheus)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)
    assert not list(folder.glob("crossfade-demo-*"))


def _await_line(process: subprocess.Popen[str], pattern: str) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(pattern, line):
            return found[1]
    raise AssertionError(f"the demo ended before it said {pattern!r}")


def _filled(expr: str) -> str:
    for name, value in VALUES.items():
        expr = expr.replace(name, value)
    return expr


def _queries() -> list[Any]:
    found = []
    for name, text in dashboards.pages().items():
        for panel in json.loads(text)["panels"]:
            found += [
                pytest.param(_filled(target["expr"]), id=f"{name}-{panel['id']}-{target['refId']}")
                for target in panel.get("targets", ())
            ]
    return found


def test_the_rules_do_what_their_tests_say():
    """Promtool accepts the configuration and the alerts, and the alerts fire when they should and not before."""
    for command in (
        ("check", "config", DEPLOY / "prometheus.yml"),
        ("check", "rules", DEPLOY / "rules" / "crossfade.yml"),
        ("test", "rules", DEPLOY / "rules.test.yml"),
    ):
        told = promtool(*command)
        assert told.returncode == 0, told.stdout + told.stderr


def test_the_metrics_are_as_prometheus_wants_them(demo: Demo):
    """Promtool finds nothing to complain of in what the admin port exposes."""
    told = promtool("check", "metrics", stdin=demo.metrics())
    assert (told.returncode, told.stdout + told.stderr) == (0, b"")


@pytest.mark.parametrize("expr", _queries())
def test_each_query_of_the_dashboard_has_numbers(demo: Demo, expr: str):
    """Under traffic each panel's query comes to give at least one series, and at least one value that is a number."""

    def has_numbers() -> bool:
        return any(math.isfinite(float(each["value"][1])) for each in demo.prometheus.query(expr))

    await_true(has_numbers, f"a number of {expr}")  # a gate that begins anew with its stage has none for a while
    assert demo.prometheus.query(expr) != []


def test_no_alert_fires_while_all_is_well(demo: Demo):
    """Every alert's expression is evaluated without an error, and none holds on a healthy gateway."""
    rules = yaml.safe_load((DEPLOY / "rules" / "crossfade.yml").read_text("utf-8"))
    alerts = {rule["alert"]: rule["expr"] for group in rules["groups"] for rule in group["rules"]}
    firing = [name for name, expr in alerts.items() if demo.prometheus.query(expr)]
    assert firing == []
