"""The latency gate beside the baseline: what it says before a line is known, and of pairs at the line."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from policies import latency_gate
from policies.baseline_line import BLOCKS, KnownBlock
from policies.concurrent import LatencyPairs
from policies.evidence import Evidence
from policies.readings import Look
from policies.results import GateResult
from policies.rules import Gates, Guards, Latency
from policies.terms import Owner, Verdict
from tests.rooms.pair_events import RULES, evidence, filled, own, pair

GATE = Latency(ratio=1.2, block_s=3600.0)
LIMITED = Latency(limit_s=1.2, warmup=0, counts_failures=True)
BESIDE = Latency(block_s=3600.0, warmup=0, counts_failures=True)
FAST: dict[str, object] = {"ttft_candidate_s": 0.5}
SLOW: dict[str, object] = {"ttft_candidate_s": 3.0}
FAILED: dict[str, object] = {"error_candidate": True}


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


@pytest.mark.parametrize("name", ["latency", "latency:relative_total_p95"])
@pytest.mark.parametrize(
    ("changed", "is_kept"),
    [
        ({"ratio": 1.1}, False), ({"measure": "total", "quantile": 0.5}, False), ({"quantile": 0.99}, False),
        ({"block_s": 60.0}, False), ({"limit_s": 0.8, "block_s": None}, False), (None, False),
        ({"alpha": 0.01}, True), ({"warmup": 7}, True), ({"required": False}, True),
    ],
)  # fmt: skip
def test_units_held_to_another_limit_say_nothing_of_this_one(
    name: str, changed: dict[str, object] | None, *, is_kept: bool
):
    """Whether a unit was beyond three times the baseline's is no evidence of 1.1 times; what only judges keeps it."""
    loose = Latency(ratio=3.0, block_s=3600.0, name=name)
    found = lined()
    found.rules = replace(RULES, gates=Gates(also_latency=(loose,), latency=None))
    counted = {name: {10: 500}, f"{name}_harm": {10: 500}}
    found.histograms, found.weighted = {**counted, "quality": {0: 500}}, dict(counted)
    found.beside.found = found.more_beside.setdefault(name, found.beside).found = [(0, 0, None)]
    edited = () if changed is None else (replace(loose, **changed),)  # pyright: ignore[reportArgumentType]

    found.judge_by(replace(RULES, gates=Gates(also_latency=edited, latency=None)))

    assert set(found.histograms) == ({"quality", *counted} if is_kept else {"quality"})
    assert set(found.weighted) == (set(counted) if is_kept else set())
    assert bool((found.beside if name == "latency" else found.more_beside.get(name, LatencyPairs())).found) is is_kept


def _in_shadow(gate: Latency, last: dict[str, object]) -> GateResult:
    events = [pair(f"u{n}", float(n), ttft_baseline_s=1.0, **(FAST if n % 10 else last)) for n in range(600)]
    return latency_gate.screen(gate, filled(events, replace(RULES, gates=Gates(latency=gate))), Look())


def _in_canary(gate: Latency, last: dict[str, object], hang_ups: float | None = None) -> GateResult:
    told = lined(weight_ppm=500_000) if gate.block_s else evidence(weight_ppm=500_000)
    told.judge_by(replace(RULES, gates=Gates(latency=gate), guards=Guards(hang_ups=hang_ups)))
    for n in range(800):
        told.observe(own(Owner.CANDIDATE, f"c{n}", 4.0 * n, **(FAST if n % 10 else last)))
        told.observe(own(Owner.BASELINE, f"b{n}", 4.0 * n, ttft_baseline_s=0.9 if n % 25 else 1.1))
    told.observe(own(Owner.BASELINE, "last", 30_000.0, ttft_baseline_s=0.9))
    told.advance(90_000.0)
    return latency_gate.canary(gate, told, Look())


@pytest.mark.parametrize(
    ("looked_at", "gate"),
    [(_in_shadow, LIMITED), (_in_shadow, BESIDE), (_in_canary, LIMITED), (_in_canary, BESIDE)],
    ids=["limit in the shadow", "ratio in the shadow", "limit in the canary", "beside the baseline"],
)
def test_to_fail_what_it_is_slow_at_makes_no_candidate_fast(
    looked_at: Callable[[Latency, dict[str, object]], GateResult], gate: Latency
):
    """It is certified no sooner than if it had answered them slowly, and failing is no harm to its speed."""
    fast, slow, failed = (looked_at(gate, last) for last in (FAST, SLOW, FAILED))
    assert (fast.verdict, slow.log10_e) == (Verdict.PASS, failed.log10_e)
    assert failed.verdict is Verdict.INCONCLUSIVE
    assert "10.00% failed, and are beyond any limit" in failed.reason
    assert (failed.log10_harm or 0.0) < (slow.log10_harm or 0.0)
    assert looked_at(replace(gate, counts_failures=False), FAILED).verdict is Verdict.PASS  # as in records of before


LEFT: dict[str, object] = {"left": "waiting", "error_candidate": None, "ttft_candidate_s": 0.2}


@pytest.mark.parametrize("gate", [LIMITED, BESIDE], ids=["a limit", "beside the baseline"])
def test_an_app_that_hangs_up_makes_no_candidate_fast(gate: Latency):
    """What it hung up on is certified no sooner than a slow answer, and is no harm: nobody knows how it would go on."""
    slow, left = _in_canary(gate, SLOW, hang_ups=0.05), _in_canary(gate, LEFT, hang_ups=0.05)
    assert "10.00% failed or were hung up on, and are beyond any limit" in left.reason
    assert (left.log10_e, left.verdict) == (slow.log10_e, Verdict.INCONCLUSIVE)
    assert (left.log10_harm or 0.0) < (slow.log10_harm or 0.0)
    assert _in_canary(gate, LEFT).verdict is Verdict.PASS  # as in records of before: it was heard nowhere


def test_apps_that_hang_up_on_both_alike_keep_nobody_from_a_certificate_beside_the_baseline():
    """Every fifth request of both is cut short while the app reads; times to the first byte are whole all the same."""
    cut: dict[str, object] = {"left": "reading", "error_candidate": None, "error_baseline": None}
    gate = replace(BESIDE, measure="total")
    told = lined(weight_ppm=500_000)
    told.judge_by(replace(RULES, gates=Gates(latency=gate), guards=Guards(hang_ups=0.05)))
    told.line.of = gate.what
    for n in range(1500):
        last = cut if n % 5 == 0 else {}
        told.observe(own(Owner.CANDIDATE, f"c{n}", 4.0 * n, ttft_candidate_s=0.1, total_candidate_s=0.5, **last))
        beyond = 1.1 if n % 25 == 1 else 0.9
        told.observe(own(Owner.BASELINE, f"b{n}", 4.0 * n, ttft_baseline_s=0.1, total_baseline_s=beyond, **last))
    told.observe(own(Owner.BASELINE, "last", 30_000.0, total_baseline_s=0.9))
    told.advance(90_000.0)
    assert latency_gate.canary(gate, told, Look()).verdict is Verdict.PASS
    assert told.line.known[-1].quantile_s < 1.2  # what was cut short draws no line
    first_byte = replace(LIMITED, limit_s=0.2)
    assert latency_gate.canary(first_byte, _all_cut(first_byte, cut), Look()).verdict is Verdict.PASS


def _all_cut(gate: Latency, cut: dict[str, object]) -> Evidence:
    rules = replace(RULES, gates=Gates(latency=gate), guards=Guards(hang_ups=0.05))
    events = [own(Owner.CANDIDATE, f"c{n}", ttft_candidate_s=0.1, total_candidate_s=0.2, **cut) for n in range(300)]
    return filled(events, rules, 500_000)


def test_where_nothing_was_timed_failures_are_no_times():
    """There is no evidence then, as without them."""
    events = [pair(f"u{n}", **(FAILED if n % 10 else {})) for n in range(300)]
    told = latency_gate.screen(LIMITED, filled(events, replace(RULES, gates=Gates(latency=LIMITED))), Look())
    assert told.reason == "latency: no evidence yet"


def test_it_says_when_the_shadow_itself_was_too_late_to_time():
    """Whether some were timed or none: else one would look for the reason at the candidate."""
    rules = replace(RULES, gates=Gates(latency=LIMITED), guards=Guards(hang_ups=0.05))
    few = filled([pair(f"u{n}", **(FAST if n < 8 else {})) for n in range(100)], rules)
    none = filled([pair(f"u{n}") for n in range(100)], rules)
    end = "were timed: the shadow itself was too late to time the others"
    assert latency_gate.screen(LIMITED, few, Look()).reason.endswith(f"not certified yet; of 100 conversations 8 {end}")
    assert (
        latency_gate.screen(LIMITED, none, Look()).reason == f"latency: no evidence yet; of 100 conversations 0 {end}"
    )
    warm = latency_gate.screen(replace(LIMITED, warmup=5), few, Look()).reason
    assert "of 100 conversations 8 were timed, the first 5 of which only warm up" in warm
    half = filled([pair(f"u{n}", **(FAST if n % 2 else {})) for n in range(100)], rules)
    assert "too late" not in latency_gate.screen(LIMITED, half, Look()).reason


def test_a_p99_that_failures_use_up_ends_by_its_budget():
    """Undecided it stays, and not for ever: its budget is spent, and the reason says how many failed."""
    gate = replace(LIMITED, quantile=0.99)
    stages = tuple(replace(stage, by_pairs=True) for stage in RULES.ladder.stages)
    rules = replace(RULES, gates=Gates(latency=gate), ladder=replace(RULES.ladder, stages=stages))
    events = [own(Owner.CANDIDATE, f"u{n}", float(n), **(FAST if n % 125 else FAILED)) for n in range(7000)]
    told = latency_gate.canary(gate, filled(events, rules, 500_000), Look(bounds=False))

    assert told.verdict is Verdict.INCONCLUSIVE
    assert told.budget is not None
    assert 2000 < told.budget <= told.n
    assert "0.80% failed, and are beyond any limit" in told.reason
