"""The figures of the decision core at their full size, as one table: `make decisions`.

    python -m tests.acceptance.decisions.report [--quick]

Seeded. Each row says what was measured, what the design demands, and whether it holds; 1 if any does not.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np

from policies import stats
from policies.explain import text
from policies.review import Conditions, review
from policies.rollout import start, step
from policies.rules import Cost, Gates, Latency, Rules, Validity
from tests.acceptance.decisions import measures as m
from tests.acceptance.decisions import tables
from tests.acceptance.decisions.streams import DATA, GATES, LAWS, bfcl
from tests.acceptance.decisions.tables import Row
from tests.rooms.pair_events import KEY, filled, pair


def first_kind(reps: int, n: int) -> Iterator[Row]:
    """H1: wrong promotions at the limit, each gate and law, and the naive test beside it."""
    for gate in GATES:
        for law, draw in LAWS.items():
            wrong, naive = [], []
            for part in range(max(1, reps // 200)):
                scores = draw(np.random.default_rng([1, part]), min(reps, 200), n, gate)
                wrong.append(m.first_certified(scores, gate.limit, gate.lo, least=m.LEAST))
                naive.append(m.first_by_peeking(scores, gate.limit))
            ours, theirs = np.concatenate(wrong), m.share(np.concatenate(naive))
            yield Row(
                f"H1 {gate.name} on its limit, {law}", f"{m.share(ours):.1%} wrong (peeking z-test {theirs:.1%})",
                "<= 5 %, naive > 20 %", m.at_most_five_percent(ours) and theirs > 0.20,
            )  # fmt: skip
    for weight in (0.05, 0.25, 0.5):
        parts = [
            m.arms(np.random.default_rng([2, part]), 50, 6000, rates=(0.02, 0.01), weight=weight)
            for part in range(reps // 100)
        ]
        ours = np.concatenate([m.arms_certified(part) for part in parts])
        theirs = m.share(np.concatenate([m.arms_by_peeking(part) for part in parts]))
        yield Row(
            f"H1 errors by arms, at {weight:.0%}", f"{m.share(ours):.1%} wrong (peeking z-test {theirs:.1%})",
            "<= 5 %, naive > 20 %", m.at_most_five_percent(ours) and theirs > 0.20,
        )  # fmt: skip
    for name in ("quality", "errors", "latency"):
        ours, theirs = m.three_gates(np.random.default_rng(11), reps // 4, 5000, at_limit=name)
        yield Row(
            f"H1 three gates together, {name} on its limit",
            f"{m.share(ours):.1%} wrong (peeking z-test {m.share(theirs):.1%})",
            "<= 5 %, naive > 20 %", m.at_most_five_percent(ours) and m.share(theirs) > 0.20,
        )  # fmt: skip


def real_null(reps: int) -> Iterator[Row]:
    """H2: bootstrapped rollouts of real deficits."""
    baseline, right = bfcl()
    for model, scores in right.items():
        difference = scores - right[baseline]
        difference = -np.abs(difference.mean()) / difference.mean() * difference if difference.mean() else difference
        if difference.mean() > -0.005:
            continue
        wrong, naive = [], []
        for part in range(max(1, reps // 100)):
            runs = np.random.default_rng([3, part]).choice(difference, (min(reps, 100), 4000))
            wrong.append(m.first_certified(runs, difference.mean(), -1.0))
            naive.append(m.first_by_peeking(runs, difference.mean()))
        ours, theirs = np.concatenate(wrong), m.share(np.concatenate(naive))
        yield Row(
            f"H2 {model}, margin {-difference.mean():.3f}", f"{m.share(ours):.1%} wrong (peeking z-test {theirs:.1%})",
            "<= 5 %, naive > 20 %", m.at_most_five_percent(ours) and theirs > 0.20,
        )  # fmt: skip


def power(reps: int) -> Iterator[Row]:
    """H3: what was measured with eight bets, and three gates together."""
    table = (
        (0.3, 0.02, 1356, 3293), (0.3, 0.05, 247, 598), (0.3, 0.10, 85, 169),
        (0.5, 0.02, 4073, 13455), (0.5, 0.05, 642, 1404), (0.5, 0.10, 154, 387),
    )  # fmt: skip
    for sd, margin, n50, n90 in table:
        rng = np.random.default_rng(4)
        parts = [
            m.first_certified(m.three_points(rng, 50, 2 * n90, mean=0.0, sd=sd), -margin, -1.0)
            for _ in range(reps // 50)
        ]
        found = np.concatenate(parts)
        half, most = (float(np.quantile(found, q, method="lower")) for q in (0.5, 0.9))
        near = abs(half / n50 - 1) <= 0.15 and abs(most / n90 - 1) <= 0.15
        yield Row(f"H3 sd {sd}, margin {margin}", f"n50 {half:.0f}, n90 {most:.0f}", f"{n50}, {n90} within 15 %", near)
    found, _ = m.three_gates(np.random.default_rng(5), reps // 2, 4000)
    by = float((found <= 2400).mean())
    told = f"median {np.median(found):.0f}, n90 {np.quantile(found, 0.9):.0f}, {by:.1%} by 2,400"
    yield Row("H3 three gates, a good candidate", told, ">= 90 % by 2,400", by >= 0.90)
    for weight, design in ((0.05, 3079), (0.25, 4493), (0.5, 6115)):
        parts = [
            m.arms_certified(m.arms(np.random.default_rng([6, part]), 25, 12_000, rates=(0.01, 0.01), weight=weight))
            for part in range(max(1, reps // 250))
        ]
        found = np.concatenate(parts)
        half = float(np.median(found))
        yield Row(
            f"B.3 errors by arms, at {weight:.0%}", f"n50 {half:.0f}", f"about {design}, exact", half <= 1.15 * design
        )


def clusters(reps: int) -> Iterator[Row]:
    """H4: the unit is the conversation."""
    for turns, icc in ((5, 0.3), (10, 0.3), (20, 0.6)):
        found = m.clustered(np.random.default_rng(7), reps // 5, 1500, turns=turns, icc=icc)
        unit = m.first_certified(found.mean(axis=2), -0.05, -1.0)
        request = m.share(m.first_certified(found.reshape(len(found), -1), -0.05, -1.0))
        holds = m.at_most_five_percent(unit) and (request > 0.20 or turns == 5)
        yield Row(
            f"H4 {turns} turns, ICC {icc}",
            f"{m.share(unit):.1%} by unit, {request:.1%} by request",
            "<= 5 %, > 20 %",
            holds,
        )


def delays(reps: int) -> Iterator[Row]:
    """H5: table F, false alarms, and the switch on real answers."""
    rng = np.random.default_rng(8)
    table = ((1.0, 3, 3), (0.5, 7, 13), (0.2, 26, 50), (0.1, 77, 156), (0.05, 283, 556), (0.04, 486, 984))
    for rate, median, p90 in table:
        found = m.first_alarm((rng.random((reps, 6000)) < rate).astype(float), 0.02)
        half, most = np.median(found), np.quantile(found, 0.9)
        near = half <= max(median + 1, 1.25 * median)
        yield Row(
            f"H5 errors {rate:.0%}, tolerance 2 %", f"median {half:.0f}, p90 {most:.0f}", f"{median}, {p90}", bool(near)
        )
    for mean, median in ((-0.10, 647), (-0.20, 123), (-0.50, 37)):
        found = m.first_alarm(-m.three_points(rng, reps // 2, 4000, mean=mean, sd=0.45), 0.05, lo=-1.0)
        half = float(np.median(found))
        yield Row(f"F quality {mean:+.2f}, tolerance 0.05", f"median {half:.0f}", f"{median}", half <= 1.25 * median)
    limit = m.share(m.first_alarm((rng.random((reps, 10_000)) < 0.02).astype(float), 0.02))
    inside = m.share(m.first_alarm((rng.random((reps, 10_000)) < 0.01).astype(float), 0.02))
    bar = 1 - math.exp(-1) + 3 * math.sqrt(0.63 * 0.37 / reps)
    yield Row(
        "H5 false alarms within the run length",
        f"{limit:.1%} on the limit, {inside:.1%} at half",
        "<= 63 %, <= 2 %",
        limit <= bar and inside <= 0.02 + 3 * math.sqrt(0.02 / reps),
    )
    if DATA.exists():
        baseline, right = bfcl()
        good = right["Salesforce_xLAM-7b-fc-r"] - right[baseline]
        for model, most in (("google_gemma-7b-it", 100), ("NousResearch_Hermes-2-Pro-Mistral-7B", 400)):
            found = m.redeployed(np.random.default_rng(9), 200, good, right[model] - right[baseline])
            p90 = float(np.quantile(found, 0.9))
            told = f"median {np.median(found):.0f}, p90 {p90:.0f}, {int((found <= 0).sum())} before the switch"
            yield Row(
                f"H5 redeploy of {model}", told, f"p90 <= {most}, none before", p90 <= most and bool((found > 0).all())
            )


def timings() -> Iterator[Row]:
    """Ruling 22: one e-value, one interval, five gates explained."""
    values, counts = np.linspace(-1, 1, 201), np.full(201, 100.0)
    one = _per_call(lambda: stats.log_e_mean(values, counts, -0.05, lo=-1.0), 300)
    yield Row("one e-value, 201 bins", f"{one:.3f} ms", "< 1 ms", one < 1)
    rules = Rules("r", KEY, Gates(validity=Validity(), latency=Latency(warmup=0), cost=Cost()))
    rng = np.random.default_rng(10)
    events = [
        pair(
            f"u{i}", q=round(float(rng.uniform(-1, 1)), 2), valid_candidate=True,
            ttft_candidate_s=float(rng.lognormal()), ttft_baseline_s=float(rng.lognormal()),
            cost_candidate_usd=1e-4, cost_baseline_usd=1e-3,
        )
        for i in range(3000)
    ]  # fmt: skip
    found, rollout = filled(events, rules), start(rules)
    look = _per_call(lambda: text(step(rollout, review(found, rollout, now=0.0, seen=Conditions()), now=0.0)), 20)
    yield Row("five gates judged and explained", f"{look:.1f} ms", "< 50 ms", look < 50)


def _per_call(call: Callable[[], object], times: int) -> float:
    """Milliseconds of one call, of the processor's time: the median of several rounds."""
    rounds: list[float] = []
    for _ in range(5):
        begun = time.process_time()
        for _ in range(times):
            call()
        rounds.append((time.process_time() - begun) * 1000 / times)
    return float(np.median(rounds))


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a tenth of the repetitions")
    reps = 200 if parser.parse_args().quick else 2000
    groups = [timings(), first_kind(reps, 5000), power(reps), clusters(reps), delays(reps // 2), tables.rows(reps)]
    if DATA.exists():
        groups.append(real_null(reps // 2))
    good = True
    for group in groups:
        for row in group:
            good = good and row.holds
            line = f"{'holds' if row.holds else 'FAILS':<6} {row.what:<58} {row.measured:<52} {row.demanded}"
            print(line, flush=True)  # noqa: T201 -- the table is the point
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
