"""The tables of decisions-2, section 9, as far as they are built: rows of `make decisions`.

Each holds what was measured against its bar, with the naive rule beside it, so that the table bites.

Longer than a file should be: it is one list, as long as the design's.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from policies import stats
from policies.terms import Phase
from tests.acceptance.decisions import answers as a
from tests.acceptance.decisions import blocks as vb
from tests.acceptance.decisions import bursts as b
from tests.acceptance.decisions import cycles as c
from tests.acceptance.decisions import days as d
from tests.acceptance.decisions import field as f
from tests.acceptance.decisions import measures as m
from tests.acceptance.decisions import moving as v
from tests.acceptance.decisions import several as s


@dataclass(frozen=True)
class Row:
    """One figure."""

    what: str
    measured: str
    demanded: str
    holds: bool


def likeness(reps: int) -> Iterator[Row]:
    """1, 2: likeness against the baseline's likeness to itself."""
    for itself, n90s in ((0.7, (1082, 873)), (0.9, (499, 391)), (0.97, (249, 205))):
        for wild, wanted in zip((False, True), n90s, strict=True):
            rng = np.random.default_rng([18, 1])
            scores, naive = f.alike_runs(rng, reps // 4, 3000, itself=itself, wild=wild)
            found = m.first_certified(scores, -0.05, -1.0)
            ours, theirs = m.share(found), m.share(m.first_certified(naive, -0.05, -1.0))
            n90 = float(np.quantile(found, 0.9, method="lower"))
            yield Row(
                f"9.1 the same model, alike {itself}{', a few wild prompts' if wild else ''}",
                f"{ours:.1%} promoted by 3,000, n90 {n90:.0f} (plain likeness {theirs:.1%})",
                f">= 99 %, n90 {wanted} and 15 % at most, plain none up to 0.9",
                ours >= 0.99 and n90 <= 1.15 * wanted and (itself > 0.9 or theirs == 0),
            )  # fmt: skip
    at, naive = f.alike_runs(np.random.default_rng([18, 2]), reps // 2, 3000, itself=0.9, less=0.05)
    wrong = m.first_certified(at, -0.05, -1.0)
    yield Row("9.2 0.05 less alike", f"{m.share(wrong):.1%} wrong", "<= 5 %", m.at_most_five_percent(wrong))
    below, _ = f.alike_runs(np.random.default_rng([18, 2]), reps // 4, 3000, itself=0.9, less=0.12)
    never = m.share(m.first_certified(below, -0.05, -1.0, least=m.LEAST))
    yield Row("9.2 0.12 less alike", f"{never:.1%} promoted", "none", never == 0)


def missing(reps: int) -> Iterator[Row]:
    """3: exactly the bad verdicts missing."""
    for share in (0.01, 0.02, 0.05):
        found = f.hidden(np.random.default_rng([18, 3]), reps // 2, 4000, mean=-0.05, share=share, bad_ones=True)
        ours, theirs = f.certified_counting(found, -1.0), m.share(f.certified_counting(found, None))
        yield Row(
            f"9.3 {share:.0%} of verdicts missing, the bad ones", f"{m.share(ours):.1%} wrong (left out {theirs:.1%})",
            "<= 5 %, left out > 15 %", m.at_most_five_percent(ours) and theirs > 0.15,
        )  # fmt: skip
    found = f.hidden(np.random.default_rng([18, 3, 1]), reps // 2, 4000, mean=0.0, share=0.05, bad_ones=False)
    ours, theirs = f.certified_counting(found, -1.0), m.share(f.certified_counting(found, None))
    yield Row(
        "9.3 5% of verdicts missing, at random, of an equal one",
        f"{m.share(ours):.1%} certified (left out {theirs:.1%})",
        "<= 5 %, left out > 90 %", m.at_most_five_percent(ours) and theirs > 0.90,
    )  # fmt: skip


def latency(reps: int) -> Iterator[Row]:
    """4, 5: relative latency at its limit, and beside a baseline that has a brown-out."""
    for what, speeds in (
        ("swing x2", f.Speeds(1.2, swing=2.0)), ("swing x3", f.Speeds(1.2, swing=3.0)),
        ("half the spread", f.Speeds(1.2, spread=0.5)), ("1.5 times the spread", f.Speeds(1.2, spread=1.5)),
        ("p99", f.Speeds(1.2, p=0.99)),
    ):  # fmt: skip
        runs = f.latency_runs(np.random.default_rng([18, 4]), reps // 4, 3000, speeds)
        told = f"{m.share(runs.certified):.1%} wrong, false harm {m.share(runs.harmed):.1%}"
        naive = m.share(runs.naive)
        yield Row(
            f"9.4 latency at its limit, {what}", f"{told} (frozen limit {naive:.1%})", "<= 5 %, harm <= 0.5 %",
            m.at_most_five_percent(runs.certified) and m.share(runs.harmed) <= 0.005,
        )  # fmt: skip
    for spread in (0.5, 1.5):
        speeds = f.Speeds(1.2, spread=spread, swing=2.0, pooled=True)
        runs = f.latency_runs(np.random.default_rng([18, 4, 1]), reps // 4, 5000, speeds)
        yield Row(
            f"9.4 a day's p95 at its limit, {spread} of the spread, swing x2",
            f"{m.share(runs.by_days):.1%} wrong by whole days (at any moment {m.share(runs.certified):.1%})", "<= 5 %",
            m.at_most_five_percent(runs.by_days),
        )  # fmt: skip
    for slower in (1.5, 3.0, 1.0):
        runs = f.latency_runs(np.random.default_rng([18, 5]), reps // 8, 6000, f.Speeds(slower, ill=(-12, -8, 4.0)))
        ours, naive = m.share(runs.certified), m.share(runs.naive)
        holds = ours >= 0.95 if slower == 1.0 else ours == 0
        yield Row(
            f"9.5 {slower:g} times the baseline's, which was ill at first",
            f"{ours:.1%} certified by 6,000 (frozen limit {naive:.1%})",
            ">= 95 %" if slower == 1.0 else "none, frozen nearly all", holds and (slower == 1.0 or naive > 0.9),
        )  # fmt: skip
    both = f.Speeds(1.0, ill=(8, 12, 4.0), both_ill=True)
    runs = f.latency_runs(np.random.default_rng([18, 6]), reps // 8, 6000, both)
    ours, harmed = m.share(runs.certified), m.share(runs.harmed)
    yield Row(
        "9.5 an equal one, both ill together", f"{ours:.1%} certified by 6,000, harm {harmed:.1%}", ">= 95 %, no harm",
        ours >= 0.95 and harmed == 0,
    )  # fmt: skip


def recurring(reps: int) -> Iterator[Row]:
    """7: few users, and prompts that are repeated."""
    for what, count, icc, rho in (
        *(("users", count, icc, 0.3) for count in (50, 100, 300, 1000) for icc in (0.1, 0.3)),
        *(("prompts", count, 0.6, 0.5) for count in (120, 300, 1000)),
    ):
        scores, whose = f.recurring(
            np.random.default_rng([18, 7]), max(200, reps // 4), 4000, clusters_=count, icc=icc, mean=-0.05
        )
        ours = f.certified_weighted(scores, f.weights(whose, rho))
        naive = m.share(f.certified_weighted(scores, np.ones_like(scores)))
        bites = (what, count, icc) == ("users", 100, 0.3)
        yield Row(
            f"9.7 {count} {what} who come again, ICC {icc}", f"{m.share(ours):.1%} wrong (each 1: {naive:.1%})",
            "<= 5 %" + (", each 1 > 10 %" if bites else ""),
            m.at_most_five_percent(ours) and (not bites or naive > 0.10),
        )  # fmt: skip


def many_users(reps: int) -> Iterator[Row]:
    """7: what the weights cost where users hardly ever come again."""
    scores, whose = f.recurring(
        np.random.default_rng([18, 7, 1]), max(200, reps // 4), 4000, clusters_=10_000, icc=0.3, mean=0.0
    )
    each = (f.weights(whose, 0.3), np.ones_like(scores))
    ours, naive = (float(np.quantile(f.certified_weighted(scores, w), 0.9, method="lower")) for w in each)
    yield Row(
        "9.7 10,000 users, an equal candidate", f"n90 {ours:.0f} (each 1: {naive:.0f})", "within 15 %",
        abs(ours / naive - 1) <= 0.15,
    )  # fmt: skip


def bets(reps: int) -> Iterator[Row]:
    """10: the nulls with the new bets, how far from one planned look, and the planning rule."""
    for sd, margin in ((0.15, 0.02), (0.3, 0.02), (0.25, 0.05), (0.4, 0.05), (0.6, 0.05), (0.35, 0.1), (0.5, 0.1)):
        runs = m.three_points(np.random.default_rng([18, 10]), reps, 4000, mean=-margin, sd=sd)
        ours, naive = m.first_certified(runs, -margin, -1.0), m.share(m.first_by_peeking(runs, -margin))
        yield Row(
            f"9.10 null, sd {sd}, margin {margin}", f"{m.share(ours):.1%} wrong (peeking z-test {naive:.1%})",
            "<= 5 %, naive > 20 %", m.at_most_five_percent(ours) and naive > 0.20,
        )  # fmt: skip
    ratios: list[float] = []
    for sd in (0.3, 0.4, 0.5):
        for margin, true in (
            (0.05, -0.01),
            (0.05, 0.0),
            (0.05, 0.02),
            (0.05, 0.05),
            (0.1, -0.02),
            (0.1, 0.0),
            (0.1, 0.05),
        ):
            gap = margin + true
            planned = stats.units_needed(sd, gap) or 0
            rows = reps // 4 if true else max(400, reps // 4)
            runs = m.three_points(np.random.default_rng([18, 12]), rows, 2 * planned, mean=true, sd=sd)
            n90 = float(np.quantile(m.first_certified(runs, -margin, -1.0), 0.9, method="lower"))
            ratios.append(n90 / d.fixed_n(sd, gap))
            if true == 0:
                yield Row(
                    f"9.10 planned for sd {sd}, margin {margin}", f"n90 {n90:.0f}, planned {planned}", "within 15 %",
                    abs(n90 / planned - 1) <= 0.15,
                )  # fmt: skip
    near = sum(ratio <= 1.85 for ratio in ratios)
    yield Row(
        "9.10 n90 over one planned look",
        f"median {np.median(ratios):.2f}, {near} of {len(ratios)} at most 1.85, largest {max(ratios):.2f}",
        "16 at most 1.85 (16 bets: median 1.97)", near >= 16,
    )  # fmt: skip


def whole_days(reps: int) -> Iterator[Row]:
    """11: night and day, and what turns bad within the first day."""
    for what, days, per_day in (
        ("night +.05 for 30 %, day -.10", (d.SHORT_NIGHT,), 1000), ("the same", (d.SHORT_NIGHT,), 3000),
        ("night +.05 for half, day -.15", (d.LONG_NIGHT,), 1000), ("the same", (d.LONG_NIGHT,), 3000),
        ("500 good, then -.10", (d.turning(500, 1000), d.BAD), 1000),
    ):  # fmt: skip
        rng = np.random.default_rng([18, 21])
        ours = d.by_whole_days(rng, reps, days, per_day)
        naive = d.at_any_time(rng, max(50, reps // 10), days[0], per_day)
        yield Row(
            f"9.11 {what}, {per_day:,} a day", f"{m.share(ours):.1%} wrong (at any moment {naive:.1%})",
            "<= 5 %, at any moment > 40 %", m.at_most_five_percent(ours) and naive > 0.40,
        )  # fmt: skip
    first = (d.by_whole_days(np.random.default_rng([18, 23]), reps, (d.STEADY,), 3000) == 1).mean()
    yield Row("9.11 healthy, 3,000 a day", f"{first:.1%} advance on day 1", ">= 90 %", bool(first >= 0.9))


def budgets(reps: int) -> Iterator[Row]:
    """12: budgets in compared pairs. That the core holds while only the hold is missing stands in `test_rollout`."""
    for sd in (0.3, 0.4, 0.5):
        lost = d.spent(np.random.default_rng([18, 25]), reps // 2, sd)
        yield Row(f"9.12 budget spent by an equal candidate, sd {sd}", f"{lost:.2%}", "<= 1 %", lost <= 0.01)


def outputs(reps: int) -> Iterator[Row]:
    """Whom the guard of outputs convicts: issue 18, section 3."""
    for what, skew, wrong, strays in (
        ("77 labels, the baseline errs in 15 %", 0.0, 0.15, 0.0), ("the same, 60 % of strays", 0.0, 0.25, 0.6),
        ("common labels, 10 % of strays", 1.0, 0.3, 0.1), ("one label at 40 %", 1.5, 0.2, 0.0),
    ):  # fmt: skip
        rng = np.random.default_rng([18, 11])
        right = a.asked(rng, reps // 2, 2000, skew)
        ours, theirs = a.classified(rng, right, wrong=0.05), a.classified(rng, right, wrong=wrong, strays=strays)
        convicted, before = m.share(a.convicted(ours, theirs)), a.convicted_by_shares(ours, theirs)
        yield Row(
            f"outputs: a right tune, {what}", f"{convicted:.1%} convicted (by distinct answers {before:.1%})",
            "none", convicted == 0,
        )  # fmt: skip
    rng = np.random.default_rng([18, 12])
    right = a.asked(rng, reps, 2000, 0.0)
    theirs = a.free_words(right, side=0)
    at = m.share(a.convicted(a.collapsed(a.free_words(right, side=1), rng, share=0.5), theirs))
    yield Row(
        "outputs: one answer to half, at the limit",
        f"{at:.2%} convicted",
        "<= 1 %",
        at <= 0.01 + 3 * (0.01 / reps) ** 0.5,
    )
    found = a.convicted(a.collapsed(right[:, :400], rng), a.classified(rng, right[:, :400], wrong=0.1))
    told = f"median {np.median(found):.0f}, at most {found.max():.0f} pairs"
    yield Row("outputs: one label for all, baseline 77", told, "median <= 40, all by 80", bool(found.max() <= 80))


def detectors(reps: int) -> Iterator[Row]:
    """8, 9: runs of failures within conversations, delays, and scores that are alike."""
    rows, n = reps // 10, 5000
    for run in (2, 3, 4):
        ruled, plain = b.false_alarms(np.random.default_rng([18, 31]), rows, n, run=run, at_once=5)
        per = 1e6 / (rows * n)
        yield Row(
            f"9.8 false alarms, 0.5 % in runs of {run}, 5 at once",
            f"{ruled * per:.0f} per 1e6 requests (each counted {plain * per:.0f})", "<= 5", ruled * per <= 5,
        )  # fmt: skip
    for rate, median in ((1.0, 3), (0.5, 7), (0.2, 26), (0.1, 80), (0.05, 288)):
        found = b.delay(np.random.default_rng([18, 32]), max(40, reps // 10), rate)
        yield Row(
            f"9.8 delay where {rate:.0%} fail",
            f"median {found:.0f}",
            f"{median}",
            found <= max(median + 1, 1.15 * median),
        )
    stretches, talks = max(12, reps // 50), 250
    ruled, plain = b.quality_alarms(np.random.default_rng([18, 33]), stretches, talks)
    per = 1e6 / (stretches * talks * 10)
    yield Row(
        "9.9 quality held to -.02, 10 turns, healthy", f"{ruled * per:.0f} per 1e6 (each whole {plain * per:.0f})",
        "<= 100", ruled * per <= 100,
    )  # fmt: skip


def void_blocks(reps: int) -> Iterator[Row]:
    """6: what a block brings in which the baseline is ill."""
    runs = [vb.void_blocks(n) for n in range(max(4, reps // 100))]
    certified, out = sum(run.certified for run in runs), sum(run.advanced for run in runs)
    yield Row(
        "9.6 an equal candidate, the baseline ill",
        f"{certified} of {len(runs)} certified before, {out} advance out of it", "most, none",
        certified > len(runs) / 2 and out == 0,
    )  # fmt: skip
    added, same = max(run.added for run in runs), sum(run.replayed for run in runs)
    yield Row(
        "9.6 void blocks in the record", f"{added} units added, {same} of {len(runs)} decisions made again the same",
        "0, all", added == 0 and same == len(runs),
    )  # fmt: skip


def reverse_shadow(reps: int) -> Iterator[Row]:
    """13: at 25 % of 4,000 conversations a day its own thousand are compared, until that is certified."""
    found, few = (d.by_whole_days(np.random.default_rng([18, 13]), reps, (d.STEADY,), n) for n in (1000, 50))
    ours, naive = float((found <= 3).mean()), float((few <= 3).mean())
    yield Row(
        "9.13 25 %, 4,000 a day, certified in 3 days", f"{ours:.1%} (by 5 % of its conversations {naive:.1%})",
        ">= 90 %, by 5 % < 20 %", ours >= 0.90 and naive < 0.20,
    )  # fmt: skip
    before, after = d.reverse_calls()
    yield Row("9.13 of its conversations asked again", f"{before:.0%}, then {after:.0%}", "100 %, then 5 %",
              (before, after) == (1.0, 0.05))  # fmt: skip


def suspensions(reps: int) -> Iterator[Row]:
    """8: the whole cycle of an alarm; beside it what one alarm cost before, which is a day."""
    each = max(6, reps // 16)
    for lasts_s in (3.0, 5.0, 30.0, 90.0):
        for per_s in (2.0, 20.0):
            runs = [
                c.cycle(np.random.default_rng([18, 50, n]), _for(lasts_s), per_s=per_s, most_s=300.0)
                for n in range(each)
            ]
            back, away = sum(run.phase is Phase.ROLLED_BACK for run in runs), max(run.away_s for run in runs)
            wanted = each if lasts_s == 90.0 else 0
            told = f"{back} of {each} rolled back, at weight 0 for {away / 60:.1f} min at most (before: 24 h)"
            yield Row(
                f"9.8 all fail for {lasts_s:.0f} s, {per_s:.0f}/s", told, f"{wanted} rolled back, <= 3 min",
                back == wanted and away <= 180,
            )  # fmt: skip
    for rate, in_time in ((1.0, 1.0), (0.5, 1.0), (0.2, 1.0), (0.1, 0.85)):
        runs = [
            c.cycle(np.random.default_rng([18, 51, n]), _always(rate), per_s=2.0, most_s=1200.0) for n in range(each)
        ]
        done = sum(run.phase is Phase.ROLLED_BACK for run in runs)
        soon = sum(run.ended_s <= 180.0 for run in runs) / each
        half, met = (float(np.median(found)) for found in zip(*((run.ended_s, run.met) for run in runs), strict=True))
        told = f"{done} of {each}, {half:.0f} s (median), {soon:.0%} within 180 s; apps met {met:.0f}"
        demanded = f"all, {in_time:.0%} within 180 s"
        yield Row(f"9.8 {rate:.0%} fail on, 2/s", told, demanded, done == each and soon >= in_time)
    for rate, most in ((0.005, 0.002), (0.01, 0.005), (0.02, 0.02)):
        failed = sum(c.trial_failed(np.random.default_rng([18, 52, n]), rate) for n in range(reps))
        yield Row(
            f"9.8 healthy at {rate:.1%} fails its trial", f"{failed / reps:.2%}", f"<= {most:.1%}",
            failed <= most * reps + 3 * (most * reps) ** 0.5,
        )  # fmt: skip


def _for(lasts_s: float) -> Callable[[float], float]:
    """All requests fail for so long."""
    return lambda at_s: float(at_s < lasts_s)


def _always(rate: float) -> Callable[[float], float]:
    return lambda _: rate


def candidates(reps: int) -> Iterator[Row]:
    """14: several candidates on one sample, and what the good one among them takes."""
    for count, n90 in ((2, 1123), (4, 1210), (8, 1390)):
        at = s.runs(np.random.default_rng([18, 14, count]), reps // 2, 3000, (-s.MARGIN,) * count)
        ours, naive = (each.min(axis=1) for each in at)
        yield Row(
            f"9.14 {count} candidates, all at the limit",
            f"{m.share(ours):.1%} wrong (each at alpha {m.share(naive):.1%})",
            "<= 5 %" + (", each > 10 %" if count > 2 else ""),
            m.at_most_five_percent(ours) and (count == 2 or m.share(naive) > 0.10),
        )  # fmt: skip
        at = s.sliced_runs(np.random.default_rng([18, 14, count, 2]), reps // 4, 3000, count)
        ours, naive = (each.min(axis=1) for each in at)
        yield Row(
            f"9.14 {count} candidates, all at the limit in a fifth of the traffic",
            f"{m.share(ours):.1%} wrong (each for itself {m.share(naive):.1%})", "<= 5 %", m.at_most_five_percent(ours),
        )  # fmt: skip
        means = (0.0, *(-s.MARGIN,) * (count - 1))
        found, alone = s.runs(np.random.default_rng([18, 14, count, 1]), max(200, reps // 4), 3000, means)
        ours, naive = (float(np.quantile(each[:, 0], 0.9, method="lower")) for each in (found, alone))
        yield Row(
            f"9.14 one good of {count}, others at the limit", f"n90 {ours:.0f} (alone {naive:.0f})",
            f"{n90} within 15 %", abs(ours / n90 - 1) <= 0.15,
        )  # fmt: skip


def whole_with_slices(reps: int) -> Iterator[Row]:
    """15: a bad slice keeps the whole from rising, which by itself would rise."""
    for share in (0.05, 0.1, 0.2):
        ours, naive = s.one_bad_slice(np.random.default_rng([18, 15, 1]), reps // 2, 3000, share)
        yield Row(
            f"9.15 a slice of {share:.0%} at its limit, the rest good",
            f"{m.share(ours):.1%} wrong (the whole alone {m.share(naive):.1%})", "<= 5 %, the whole alone > 90 %",
            m.at_most_five_percent(ours) and m.share(naive) > 0.90,
        )  # fmt: skip


def moving_slices(reps: int) -> Iterator[Row]:
    """15: slices that move alone, by e-Holm."""
    for count, each, first, half in ((5, 2000, 2000, 3400), (10, 2000, 0, 7600), (20, 2000, 6200, 15_800)):
        for good in (count - count // 2, 0):
            runs = v.runs(np.random.default_rng([18, 15, count, good]), reps // 5, each, count - good, good)
            yield Row(
                f"9.15 {count} slices, {count - good} of them at the limit",
                f"{m.share(runs.wrong):.1%} move a wrong one (each at alpha {m.share(runs.naive):.1%})",
                "<= 5 %" + (", each > 10 %" if count > 5 else ""),
                m.at_most_five_percent(runs.wrong) and (count == 5 or m.share(runs.naive) > 0.10),
            )  # fmt: skip
            if not good:
                continue
            soon, later = (float(np.median(found)) for found in (runs.first, runs.half))
            yield Row(
                f"9.15 {count} slices, until the first good one, half of them move", f"{soon:,.0f}, {later:,.0f} pairs",
                f"{first or 'any'}, {half:,} within 20 %",
                abs(later / half - 1) <= 0.20 and (not first or abs(soon / first - 1) <= 0.20),
            )  # fmt: skip


def rows(reps: int) -> Iterator[Row]:
    """All of them."""
    found = (
        likeness, missing, latency, void_blocks, recurring, many_users, detectors, suspensions, bets, whole_days,
        budgets, reverse_shadow, candidates, whole_with_slices, moving_slices, outputs,
    )  # fmt: skip
    for group in found:
        yield from group(reps)
