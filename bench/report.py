"""The benchmark's table: figures, ratios to nginx, and the bars they are held against."""

import datetime
import math
import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from bench.measure import LATENCY, SCENARIOS, SLOW_STREAMS, Bench, Scenario
from bench.peers import machine


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure that has to hold."""

    name: str
    value: float
    must: float
    goal: float
    unit: str = "×"
    at_least: bool = False

    @property
    def measured(self) -> bool:
        """Whether there is a figure at all."""
        return not math.isnan(self.value)

    def holds(self, limit: float) -> bool:
        """Whether the figure is within `limit`."""
        return self.value >= limit if self.at_least else self.value <= limit

    @property
    def word(self) -> str:
        """How it went."""
        if not self.measured:
            return "not measured"
        return "goal" if self.holds(self.goal) else "met" if self.holds(self.must) else "MISSED"


@dataclass(frozen=True, slots=True)
class Report:
    """What one run found."""

    bench: Bench
    runs: int
    seconds: float

    def cpu(self, name: str, scenario: Scenario) -> float:
        """Median CPU microseconds per request."""
        return self.bench.median(name, scenario.name, "cpu_us")

    def ratio(self, left: str, right: str, scenario: Scenario) -> float:
        """Median of the runs' own ratios: both sides of each were measured within seconds."""
        pairs = zip(
            self.bench.figures.get((left, scenario.name), []),
            self.bench.figures.get((right, scenario.name), []),
            strict=False,
        )
        values = [a.cpu_us / b.cpu_us for a, b in pairs if b.cpu_us and not math.isnan(a.cpu_us)]
        return statistics.median(values) if values else math.nan

    def bars(self) -> Iterator[Bar]:
        """The bars of the design, with this run's figures."""
        for scenario in SCENARIOS:
            if scenario.must is not None and scenario.goal is not None:
                ratio = self.ratio("ours", "nginx", scenario)
                yield Bar(f"{scenario.name}: CPU per request ÷ nginx", ratio, scenario.must, scenario.goal)
        sat1k = SCENARIOS[0]
        yield Bar("LiteLLM ÷ ours, sat1k", self.ratio("litellm", "ours", sat1k), 100, 200, at_least=True)
        yield Bar("Portkey ÷ ours, sat1k", self.ratio("portkey", "ours", sat1k), 20, 40, at_least=True)
        p50 = self.bench.median("ours", LATENCY.name, "p50_us") - self.bench.median("nginx", LATENCY.name, "p50_us")
        yield Bar("added latency p50 at 20 req/s, over nginx", p50 / 1e3, 0.5, 0.2, "ms")
        memory = self.bench.memory.get("ours", {})
        yield Bar("memory of an idle worker", memory.get("idle_mb", math.nan), 60, 40, "MB")
        name = f"memory per open slow stream ({SLOW_STREAMS} open)"
        yield Bar(name, memory.get("per_stream_kib", math.nan), 64, 24, "KiB")
        two = statistics.median(self.bench.two_workers) if self.bench.two_workers else math.nan
        yield Bar("two workers against one (from CPU per request)", two, 1.8, 1.95, at_least=True)

    def held(self) -> bool:
        """Whether no bar that was measured is missed."""
        return all(bar.holds(bar.must) for bar in self.bars() if bar.measured)

    def text(self) -> str:
        """The table."""
        return "\n".join((*self._head(), *self._figures(), "", *self._bars(), "")) + "\n"

    def _head(self) -> Iterator[str]:
        yield f"Machine: {machine()}; {datetime.datetime.now(datetime.UTC):%Y-%m-%d}"  # noqa: TID251 -- the report's date
        yield f"Medians of {self.runs} interleaved runs of {self.seconds:g} s; one core, capture on"
        for gateway in self.bench.gateways:
            yield f"  {gateway.name}: {gateway.version}"
        for name, why in self.bench.unavailable.items():
            yield f"  {name}: not here: {why}"
        yield ""

    def _figures(self) -> Iterator[str]:
        names = [gateway.name for gateway in self.bench.gateways]
        yield "CPU µs per request" + "".join(f"{name:>22}" for name in names)
        for scenario in SCENARIOS:
            cells = (self._cell(name, scenario) for name in names)
            yield f"  {scenario.name:16}" + "".join(f"{cell:>22}" for cell in cells)
        yield "req/s, sat1k      " + "".join(f"{self.bench.median(name, 'sat1k', 'rps'):>22,.0f}" for name in names)
        for what, label in (("p50_us", "p50"), ("p99_us", "p99")):
            direct = self.bench.median("direct", LATENCY.name, what)
            added = [(self.bench.median(name, LATENCY.name, what) - direct) / 1e3 for name in names]
            yield f"added ms, {label}     " + "".join(f"{value:>22.2f}" for value in added)
        for key, label in (
            ("idle_mb", "MB idle"),
            ("after_load_mb", "MB after load"),
            ("per_stream_kib", "KiB per stream"),
        ):
            yield f"{label:18}" + "".join(f"{self.bench.memory[name].get(key, math.nan):>22.1f}" for name in names)
        errors = {
            f"{name} {scenario}": sum(figures.errors for figures in measured)
            for (name, scenario), measured in self.bench.figures.items()
        }
        yield f"failed requests   { ({key: count for key, count in errors.items() if count} or 'none') }"

    def _cell(self, name: str, scenario: Scenario) -> str:
        ratio = self.ratio(name, "nginx", scenario)
        times = "" if math.isnan(ratio) else f" ({ratio:,.2f}×)"
        return f"{self.cpu(name, scenario):,.0f}{times}"

    def _bars(self) -> Iterator[str]:
        yield f"{'bar':52}{'here':>12}{'must':>10}{'goal':>10}"
        for bar in self.bars():
            sign = "≥" if bar.at_least else "≤"
            here = f"{bar.value:.2f} {bar.unit}" if bar.measured else "-"
            yield f"{bar.name:52}{here:>12}{f'{sign} {bar.must:g}':>10}{f'{sign} {bar.goal:g}':>10}  {bar.word}"

    def values(self) -> dict[str, object]:
        """All figures, for machines."""
        return {
            "machine": machine(),
            "versions": {gateway.name: gateway.version for gateway in self.bench.gateways},
            "unavailable": self.bench.unavailable,
            "figures": {
                f"{name}/{scenario}": [asdict(one) for one in found]
                for (name, scenario), found in self.bench.figures.items()
            },
            "memory": self.bench.memory,
            "two_workers": self.bench.two_workers,
            "bars": [asdict(bar) | {"result": bar.word} for bar in self.bars()],
        }
