"""Measuring: scenarios, load, and CPU per request of the gateways that are up."""

import json
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from bench.peers import BIN, PEERS, Running, UnavailableError, ours

GATEWAY_CORE, LOAD_CORE = 0, 1
SLOW_STREAMS = 400


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of load."""

    name: str
    model: str
    prompt_bytes: int
    options: tuple[str, ...]
    must: float | None = None
    """Bar: CPU per request ÷ nginx's."""
    goal: float | None = None

    @property
    def stream(self) -> bool:
        """Whether it asks for events."""
        return "--stream" in self.options

    def body(self) -> bytes:
        """The request; each one carries a user of its own."""
        fields: dict[str, object] = {
            "model": self.model,
            "messages": [
                {"role": "system", "content": "You triage support tickets."},
                {
                    "role": "user",
                    "content": ("Please look at order 4711. " * (self.prompt_bytes // 27 + 1))[: self.prompt_bytes],
                },
            ],
            "user": "user-@@@@@@@@",
            "temperature": 0.2,
        }
        return json.dumps(fields | ({"stream": True} if self.stream else {})).encode()


SCENARIOS = (
    Scenario("sat1k", "mock-c64-d0-t0", 700, ("--conns", "32"), 4.0, 2.0),
    Scenario("sat32k", "mock-c64-d0-t0", 32_000, ("--conns", "32"), 4.0, 2.0),
    Scenario("burst", "mock-c64-d0-t0", 700, ("--conns", "8", "--stream"), 1.7, 1.2),
    Scenario("stream40", "mock-c64-d20-t0", 700, ("--rate", "31", "--stream"), 2.0, 1.3),
)
TWICE = Scenario("sat1k-twice", "mock-c64-d0-t0", 700, ("--conns", "64"))
"""For two workers: sat1k for each."""
LATENCY = Scenario("latency", "mock-c64-d0-t0", 700, ("--rate", "20"))
SLOW = Scenario("slow", "mock-c64-d500-t0", 700, ("--conns", str(SLOW_STREAMS), "--stream"))


class Quantiles(msgspec.Struct, frozen=True):
    """Of one of the load generator's series, in microseconds."""

    n: int
    p50: float
    p99: float


class Load(msgspec.Struct, frozen=True):
    """What the load generator prints."""

    ok: int
    errors: int
    rps: float
    latency_us: Quantiles | None = None
    transit_us: Quantiles | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """One measurement of one gateway in one scenario."""

    cpu_us: float
    rps: float
    errors: int
    p50_us: float
    p99_us: float


@dataclass(slots=True)
class Bench:
    """The run: gateways that are up, and what was measured."""

    directory: Path
    mock_port: int
    gateways: list[Running] = field(default_factory=list[Running])
    unavailable: dict[str, str] = field(default_factory=dict[str, str])
    figures: dict[tuple[str, str], list[Figures]] = field(default_factory=lambda: defaultdict(list))
    memory: dict[str, dict[str, float]] = field(default_factory=dict[str, dict[str, float]])
    two_workers: list[float] = field(default_factory=list[float])
    """2 × CPU per request with one worker ÷ with two, sat1k, as many connections to each: what a second core brings."""

    def start(self, names: Sequence[str]) -> None:
        """Start every gateway that can be had."""
        for name in names:
            home = self.directory / name
            home.mkdir(parents=True)
            try:
                gateway = PEERS[name](home, self.mock_port, GATEWAY_CORE)
            except UnavailableError as error:
                self.unavailable[name] = str(error)
                say(f"{name}: left out: {error}")
                continue
            self.gateways.append(gateway)
            self.memory[name] = {"idle_mb": gateway.rss_bytes() / 1e6}
            gateway.pause()

    def load(self, scenario: Scenario, port: int, headers: Sequence[str], seconds: float) -> Load:
        """Put load on a port."""
        body = self.directory / f"{scenario.name}.json"
        body.write_bytes(scenario.body())
        command = ["taskset", "-c", str(LOAD_CORE), str(BIN / "load"), "--port", str(port), "--body", str(body)]
        for header in headers:
            command += ["--header", header]
        command += [*scenario.options, "--seconds", str(seconds)]
        done = subprocess.run(command, capture_output=True, check=True, timeout=seconds + 60)
        result = msgspec.json.decode(done.stdout, type=Load)
        if result.errors:
            say(f"  {scenario.name}: {result.errors} errors; {done.stderr.decode(errors='replace')[:300]}")
        return result

    def measure(self, gateway: Running, scenario: Scenario, seconds: float) -> Figures:
        """One gateway, one scenario."""
        gateway.resume()
        self.load(scenario, gateway.port, gateway.headers, min(0.5, seconds))
        before = gateway.cpu_s()
        load = self.load(scenario, gateway.port, gateway.headers, seconds)
        cpu_s = gateway.cpu_s() - before
        gateway.pause()
        latency = load.latency_us or Quantiles(0, float("nan"), float("nan"))
        cpu_us = cpu_s / load.ok * 1e6 if load.ok > load.errors else float("nan")
        return Figures(cpu_us, load.rps, load.errors, latency.p50, latency.p99)

    def run(self, runs: int, seconds: float, scenarios: Sequence[Scenario]) -> None:
        """Every scenario on every gateway, one after the other, `runs` times."""
        for turn in range(runs):
            for scenario in scenarios:
                if scenario is LATENCY:
                    load = self.load(scenario, self.mock_port, (), seconds)
                    latency = load.latency_us or Quantiles(0, float("nan"), float("nan"))
                    direct = Figures(0, load.rps, load.errors, latency.p50, latency.p99)
                    self.figures["direct", scenario.name].append(direct)
                for gateway in self.gateways:
                    figures = self.measure(gateway, scenario, seconds)
                    self.figures[gateway.name, scenario.name].append(figures)
                    what = f"{scenario.name:9} {gateway.name:8} {figures.cpu_us:9.1f} µs {figures.rps:9.1f} req/s"
                    say(f"  run {turn + 1}: {what}")

    def measure_memory(self) -> None:
        """What an open slow stream holds, in a gateway that has answered a few requests before."""
        body = self.directory / "slow.json"
        body.write_bytes(SLOW.body())
        for gateway in self.gateways:
            gateway.resume()
            self.load(SCENARIOS[0], gateway.port, gateway.headers, 0.5)
            before = gateway.rss_bytes()
            command = [
                "taskset",
                "-c",
                str(LOAD_CORE),
                str(BIN / "load"),
                "--port",
                str(gateway.port),
                "--body",
                str(body),
            ]
            for header in gateway.headers:
                command += ["--header", header]
            process = subprocess.Popen(
                [*command, *SLOW.options, "--seconds", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            try:
                process.wait(6)
            except subprocess.TimeoutExpired:
                grown = gateway.rss_bytes() - before
                self.memory[gateway.name]["per_stream_kib"] = grown / SLOW_STREAMS / 1024
            process.kill()
            process.communicate()
            gateway.pause()

    def note_memory(self) -> None:
        """What each gateway holds after all that load."""
        for gateway in self.gateways:
            self.memory[gateway.name]["after_load_mb"] = gateway.rss_bytes() / 1e6

    def measure_two_workers(self, seconds: float, runs: int) -> None:
        """Two workers behind one socket, against one: CPU per request, since load and mock need the cores too.

        Each worker has as many connections as the one has: with half of them it would have half as many requests to a
        turn, and what a turn costs by itself would look like what the workers cost each other.
        """
        (self.directory / "two").mkdir()
        two = ours(self.directory / "two", self.mock_port, GATEWAY_CORE, workers=2)
        one = next(gateway for gateway in self.gateways if gateway.name == "ours")
        try:
            for _ in range(runs):
                single = self.measure(one, SCENARIOS[0], seconds).cpu_us
                pair = self.measure(two, TWICE, seconds).cpu_us
                self.two_workers.append(2 * single / pair)
        finally:
            two.resume()
            two.stop()

    def median(self, name: str, scenario: str, what: str) -> float:
        """The median of the runs; NaN where it was not measured."""
        values = [float(getattr(figures, what)) for figures in self.figures.get((name, scenario), [])]
        return statistics.median(values) if values else float("nan")

    def stop(self) -> None:
        """Stop them all."""
        for gateway in self.gateways:
            gateway.resume()
            gateway.stop()


def say(text: str) -> None:
    """Progress goes to stderr: stdout is the table."""
    sys.stderr.write(text + "\n")
