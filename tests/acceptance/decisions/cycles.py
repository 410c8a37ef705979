"""The whole cycle of an alarm: suspended, tried, back or rolled back, by the shipped decisions and detectors."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from policies.events import PairEvent
from policies.evidence import Evidence
from policies.review import Conditions, key_of, review
from policies.rollout import STOPPED, Rollout, start, step
from policies.rules import PPM, CandidateKey, Detectors, Gates, Held, Ladder, RollbackSettings, Rules, Stage
from policies.terms import Owner, Phase

RULES = Rules(
    "r", CandidateKey("vllm/m"), Gates(None, None, None, None, None), detectors=Detectors(spare_s=60.0),
    ladder=Ladder((Stage(0), Stage(PPM))), rollback=RollbackSettings(trial=200),
)  # fmt: skip
"""Nothing but the detector of failures: what it costs is what is measured."""
BEGUN_S = 30.0
"""It turns bad then."""


@dataclass(frozen=True, slots=True)
class CycleOutcome:
    """What came of a candidate at 100 %."""

    phase: Phase
    """In the end."""
    away_s: float
    """At weight 0, before it was rolled back."""
    ended_s: float
    """From the first failure that was due until it was rolled back, or looked at no longer."""
    met: int
    """Failures that apps met."""


def cycle(rng: np.random.Generator, rate: Callable[[float], float], *, per_s: float, most_s: float) -> CycleOutcome:
    """One candidate: `rate` is its share of failures by the time since it turned bad; looked at each second, until it
    is rolled back, or for so long.
    """
    stands = replace(start(RULES), stage=1, phase=Phase.PROMOTED, seen_at=0.0)
    evidence, now, met, away_s, units = Evidence(key_of(stands), RULES), 0.0, 0, 0.0, 0
    while now < BEGUN_S + most_s:
        for at in now + np.arange(0, 1, 1 / per_s):
            units += 1
            bad = bool(rng.random() < (rate(at - BEGUN_S) if at >= BEGUN_S else 0.0))
            met += bad and stands.weight_ppm > 0
            if event := _event(stands, f"u{units}", float(at), bad=bad):
                evidence.observe(event, stands.held)
        now += 1.0
        found = review(evidence, stands, now=now, seen=Conditions(), bounds=False)
        stands = step(stands, found, now=now).rollout
        away_s += stands.phase is Phase.SUSPENDED
        if key_of(stands) != evidence.key:
            evidence = evidence.next(key_of(stands), RULES)
        if stands.phase in STOPPED:
            break
    return CycleOutcome(stands.phase, away_s, now - BEGUN_S, met)


def trial_failed(rng: np.random.Generator, rate: float, *, per_s: float = 20.0) -> bool:
    """Whether a suspended candidate that fails so often fails its trial."""
    held = Held(watch=1)
    stands = replace(start(RULES), stage=1, phase=Phase.SUSPENDED, seen_at=0.0, held=held, suspended_ago_s=(60.0,))
    evidence, now, units = Evidence(key_of(stands), RULES), 0.0, 0
    while stands.phase is Phase.SUSPENDED:
        for at in now + np.arange(0, 1, 1 / per_s):
            units += 1
            event = _event(stands, f"u{units}", float(at), bad=bool(rng.random() < rate))
            if event is not None:
                evidence.observe(event, held)
        now += 1.0
        found = review(evidence, stands, now=now, seen=Conditions(), bounds=False)
        stands = step(stands, found, now=now).rollout
    return stands.phase is Phase.ROLLED_BACK


def _event(stands: Rollout, unit: str, at: float, *, bad: bool) -> PairEvent | None:
    """What is told of a request: an app's, or one of a trial; None: the candidate is not asked."""
    if stands.weight_ppm:
        return PairEvent(unit, at, owner=Owner.CANDIDATE, error_candidate=bad)
    if not stands.is_tried:
        return None
    return PairEvent(unit, at, error_candidate=bad, error_baseline=False, heard="trial")
