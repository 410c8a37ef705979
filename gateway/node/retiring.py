"""When providers turn off models that baselines answer with, as this node's processes last said in `/metrics`."""

from dataclasses import dataclass

from gateway.node.datadir import DataDir
from gateway.telemetry.metrics import PREFIX, Sample, samples_of
from policies.candidates import route_of


@dataclass(frozen=True, slots=True)
class Retiring:
    """A model with a last day."""

    route: str
    model: str
    at: float
    """Unix seconds."""
    finish_at: float | None
    """When a candidate of the route has all traffic at today's pace, `inf` for never; None: none wants it."""


def retiring(data: DataDir) -> list[Retiring]:
    """Every route and model with a date, the earliest first; a process that has said nothing knows of none."""
    finish: dict[str, float] = {}
    for sample in _said(data, "controller", "finish_timestamp_seconds"):
        route = route_of(sample.labels[0])
        finish[route] = min(sample.value, finish.get(route, sample.value))
    dated = _said(data, "recorder", "model_retires_timestamp_seconds")
    found = [Retiring(*each.labels, at=each.value, finish_at=finish.get(each.labels[0])) for each in dated]
    return sorted(found, key=lambda each: (each.at, each.route, each.model))


def _said(data: DataDir, owner: str, name: str) -> list[Sample]:
    try:
        return samples_of(data.exposition(owner).read_text("utf-8"), f"{PREFIX}{name}")
    except (OSError, UnicodeDecodeError):
        return []
