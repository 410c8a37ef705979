"""The latency gate beside the baseline: what it says before a line is known, and of pairs at the line."""

from dataclasses import replace

from policies import latency_gate
from policies.baseline_line import BLOCKS, KnownBlock
from policies.evidence import Evidence
from policies.readings import Look
from policies.rules import Gates, Latency
from policies.terms import Verdict
from tests.rooms.pair_events import RULES, evidence

GATE = Latency(ratio=1.2, block_s=3600.0)


def lined(blocks: int = BLOCKS, weight_ppm: int = 50_000) -> Evidence:
    """A canary whose baseline is known for so many blocks."""
    found = evidence(replace(RULES, gates=Gates(latency=GATE)), weight_ppm)
    found.line.of = GATE.what
    found.line.known = [KnownBlock(3600.0 * n, 1.0, is_void=False) for n in range(blocks)]
    found.line.line_s = 1.0 if blocks >= BLOCKS else None
    return found


def test_it_waits_for_a_line():
    """And says how many blocks are known; nothing is certified by a frozen quantile meanwhile."""
    told = latency_gate.canary(GATE, lined(7), Look(latency_limit_s=9.0))
    assert told.verdict is Verdict.INCONCLUSIVE
    assert f"7 of the {BLOCKS} blocks" in told.reason
    assert latency_gate.canary(GATE, lined(), Look()).reason == "latency: no evidence yet"


def test_pairs_above_the_line_certify_and_below_it_harm():
    """By the two histograms: one at the limit, one at harm's."""
    good, bad = lined(), lined()
    good.histograms |= {"latency": {10: 600}, "latency_harm": {10: 600}}
    bad.histograms |= {"latency": {-100: 200}, "latency_harm": {-80: 200}}
    passed, failed = (latency_gate.canary(GATE, each, Look()) for each in (good, bad))
    assert (passed.verdict, passed.limit, passed.n) == (Verdict.PASS, 0.0, 600)
    assert failed.verdict is Verdict.FAIL


def test_a_certificate_waits_while_the_baseline_is_ill():
    """Harm does not."""
    good, bad = lined(), lined()
    good.histograms |= {"latency": {10: 600}, "latency_harm": {10: 600}}
    bad.histograms |= {"latency": {-100: 200}, "latency_harm": {-80: 200}}
    for each in (good, bad):
        each.line.requests, each.line.beyond = 100, 60
    assert latency_gate.canary(GATE, good, Look()).verdict is Verdict.INCONCLUSIVE
    assert latency_gate.canary(GATE, bad, Look()).verdict is Verdict.FAIL
