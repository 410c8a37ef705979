"""Failures that come in runs, and scores that are alike within a conversation: what detectors make of them. Seeded."""

import numpy as np

from policies.bursts import Bursts
from policies.detectors import Detector
from tests.acceptance.decisions.measures import first_alarm
from tests.acceptance.decisions.streams import Array

Rng = np.random.Generator
TOLERANCE = 0.02
SPARE_S = 60.0


def failures(rng: Rng, n: int, *, rate: float, run: int, at_once: int) -> tuple[list[bool], list[int]]:
    """Which of `n` requests fail, and whose each is: once a conversation fails, its next `run - 1` requests do."""
    whose = rng.integers(0, at_once, n).tolist()
    begins = (rng.random(n) < rate / run).tolist()
    left = [0] * at_once
    failed: list[bool] = []
    for conversation, begin in zip(whose, begins, strict=True):
        if begin and not left[conversation]:
            left[conversation] = run
        failed.append(left[conversation] > 0)
        left[conversation] = max(0, left[conversation] - 1)
    return failed, whose


def heard(failed: list[bool], whose: list[int], *, per_s: float) -> Array:
    """What a detector is told: all of it but a conversation's further failures within a minute."""
    bursts = Bursts()
    kept = [
        float(bad)
        for number, (bad, unit) in enumerate(zip(failed, whose, strict=True))
        if not bad or bursts.is_news("errors", str(unit), number / per_s, spare_s=SPARE_S)
    ]
    return np.array(kept + [0.0] * (len(failed) - len(kept)))


def false_alarms(rng: Rng, rows: int, n: int, *, run: int, at_once: int, rate: float = 0.005) -> tuple[int, int]:
    """How many of `rows` stretches of `n` requests alarm: by the rule, and if each failure counted."""
    ruled, plain = [], []
    for _ in range(rows):
        failed, whose = failures(rng, n, rate=rate, run=run, at_once=at_once)
        ruled.append(heard(failed, whose, per_s=1.0))
        plain.append(np.array(failed, dtype=float))
    return tuple(int(np.isfinite(first_alarm(np.array(each), TOLERANCE)).sum()) for each in (ruled, plain))  # pyright: ignore[reportReturnType]


def delay(rng: Rng, rows: int, rate: float, *, at_once: int = 200, per_s: float = 20.0) -> float:
    """The median number of requests until a candidate that fails so often is noticed."""
    found: list[float] = []
    for _ in range(rows):
        whose, failed = rng.integers(0, at_once, 2000), rng.random(2000) < rate
        bursts, detector = Bursts(), Detector(TOLERANCE)
        for number, (bad, unit) in enumerate(zip(failed.tolist(), whose.tolist(), strict=True), 1):
            if not bad or bursts.is_news("errors", str(unit), number / per_s, spare_s=SPARE_S):
                detector = detector.after(float(bad))
            if detector.height >= 1e4:
                found.append(number)
                break
        else:
            found.append(np.inf)
    return float(np.median(found))


def quality_alarms(rng: Rng, rows: int, conversations: int, *, turns: int = 10, icc: float = 0.3) -> tuple[int, int]:
    """How many stretches of healthy conversations, one after the other, alarm when held to -.02: ruled, and plain."""
    found = [0, 0]
    weights = [Bursts() for _ in range(1)]
    exponents = [weights[0].weight("quality", "u", rho=0.3) for _ in range(turns)]
    strength = (1 - icc) / icc
    for _ in range(rows):
        means = rng.beta(strength / 2, strength / 2, conversations)
        scores = np.where(rng.random((conversations, turns)) < means[:, None], 0.5, -0.5)
        for which, by in enumerate((exponents, [1.0] * turns)):
            detector = Detector(TOLERANCE, lo=-1.0)
            for row in scores.tolist():
                for score, weight in zip(row, by, strict=True):
                    detector = detector.after(-score, weight=weight)
            found[which] += detector.peak >= 1e4
    return found[0], found[1]
