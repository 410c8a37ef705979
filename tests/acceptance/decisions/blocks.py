"""Both variants under one load, hour by hour, and a baseline that falls ill: what a void block brings. Seeded."""

from dataclasses import dataclass, replace

import numpy as np

from policies.evidence import Evidence
from policies.explain import decode, encode, record, replay
from policies.gates import evaluate
from policies.review import Conditions, review
from policies.rollout import start, step
from policies.rules import Gates, Ladder, Latency, Rules, Stage, Units
from policies.terms import Move, Owner, Phase, Verdict
from tests.rooms.pair_events import KEY, evidence, own

GATE = Latency(ratio=1.2, warmup=0, block_s=100.0, quantile=0.5)
LINE = Rules(
    "r", KEY, Gates(None, errors=None, latency=GATE),
    ladder=Ladder((Stage(0), Stage(500_000), Stage(1_000_000))), units=Units(close_after_s=1.0),
)  # fmt: skip
ILL_FROM, ILL_FOR = 6, 2
"""Blocks before the baseline is ill, and how many it is."""


def under_load(slower: float, blocks: int, *, ill_from: int = 10**6, seed: int = 9) -> Evidence:
    """Both variants at half of the traffic, after a shadow of twelve blocks; from a block on the baseline is ill."""
    rng, shadow = np.random.default_rng(seed), evidence(LINE)
    canary: Evidence | None = None
    for number in range(250 * (13 + blocks)):
        at = number * 0.4
        block = int(at // GATE.block_s) - 12 if GATE.block_s else 0
        found = (
            shadow if block < 0 else (canary := canary or shadow.next(replace(shadow.key, weight_ppm=500_000), LINE))
        )
        for owner, times in ((Owner.BASELINE, 4.0 if block >= ill_from else 1.0), (Owner.CANDIDATE, slower)):
            if owner is Owner.CANDIDATE and block < 0:
                continue
            taken = times * float(rng.lognormal(0.0, 0.6))
            side = "candidate" if owner is Owner.CANDIDATE else "baseline"
            found.observe(own(owner, f"{owner}{number}", at, id=f"{number}{owner}", **{f"ttft_{side}_s": taken}))
        if not number % 50:
            found.advance(at)
    if canary is None:
        raise ValueError("no block but the shadow's")
    canary.advance(1e9)
    return canary


@dataclass(frozen=True)
class VoidOutcome:
    """What came of an equal candidate whose baseline falls ill."""

    certified: bool
    """Before that."""
    advanced: bool
    """Out of a void block."""
    added: int
    """Units that void blocks brought to any histogram of the gate, beyond the block that ended as they began."""
    replayed: bool
    """Whether the record of the decision, read again, makes the same decision."""


def void_blocks(seed: int) -> VoidOutcome:
    """One run."""
    before = under_load(1.0, ILL_FROM, seed=seed)
    during = under_load(1.0, ILL_FROM + ILL_FOR, ill_from=ILL_FROM, seed=seed)
    stands = replace(start(LINE), stage=1, phase=Phase.CANARY)
    decision = step(stands, review(during, stands, now=0.0, seen=Conditions()), now=0.0)
    kept = record(decision, during, Conditions(), version="1")
    added = max(_units(during, name) - _units(before, name) for name in ("latency", "latency_harm"))
    return VoidOutcome(
        evaluate(GATE, before).verdict is Verdict.PASS, decision.move is Move.ADVANCE, max(0, added - 250),
        replay(decode(encode(kept))) == decision,
    )  # fmt: skip


def _units(found: Evidence, name: str) -> int:
    return sum(found.histogram(name).values())
