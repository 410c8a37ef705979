"""What a leader wants the shadow to find out of servers that have to be warm, and what it hears of them."""

from collections.abc import Mapping
from pathlib import Path

from gateway.control.leader.evaluation import Evaluation
from shadow import warming
from shadow.warming import WarmWish


def wishes(evaluations: Mapping[str, Evaluation], now: float) -> dict[str, WarmWish]:
    """What is to be found out now, by rollout."""
    found = {name: each.warm.wish(now) for name, each in evaluations.items()}
    return {name: wish for name, wish in found.items() if wish is not None}


def hear(evaluations: Mapping[str, Evaluation], path: Path, now: float) -> None:
    """Take in what the shadow wrote at `path`, where somebody waits for it."""
    reports = warming.read(path) if wishes(evaluations, now) else {}
    for name, report in reports.items():
        ours = evaluations.get(name)
        if ours is not None and ours.warm.hear(report):
            ours.moved = ours.unshown = True
