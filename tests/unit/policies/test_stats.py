"""The statistics, against closed forms, exact enumeration and hand-computed values."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import stats
from policies.rules import BETS, BETS_BEFORE, Bets

WTL = np.array([-1.0, 0.0, 1.0])


def wtl(losses: float, ties: float, wins: float) -> np.ndarray:
    return np.array([losses, ties, wins])


@pytest.mark.parametrize(("bets", "least", "most", "n"), [(BETS, 0.1, 0.95, 8), (BETS_BEFORE, 0.01, 0.9, 16)])
def test_the_grid_of_bets_is_the_one_that_was_measured(bets: Bets, least: float, most: float, n: int):
    """Eight from a tenth on; rollouts of before have sixteen from a hundredth on. Each is as much more as the next."""
    grid = stats.grid(bets)
    assert len(grid) == n
    assert (grid[0], grid[-1]) == pytest.approx((least, most))
    assert grid[5] / grid[4] == pytest.approx(grid[2] / grid[1])


def test_a_certificate_bets_by_the_grid_that_it_is_given():
    """Every e-value and bound of a mean is of that grid; by default of the new one."""
    counts = wtl(20, 900, 80)
    for bets in (BETS, BETS_BEFORE):
        grid = stats.grid(bets)[:, None]
        capital = (np.log1p(grid * ((WTL + 0.05) / 0.95)) * counts).sum(axis=1)
        expected = float(np.log(np.exp(capital - capital.max()).mean()) + capital.max())
        assert stats.log_e_mean(WTL, counts, -0.05, lo=-1.0, bets=bets) == pytest.approx(expected, abs=1e-9)
    for bound in (stats.lower_mean, stats.upper_mean):
        by_default = bound(WTL, counts, 0.05, lo=-1.0, hi=1.0)
        assert by_default == bound(WTL, counts, 0.05, lo=-1.0, hi=1.0, bets=BETS)
        assert by_default != bound(WTL, counts, 0.05, lo=-1.0, hi=1.0, bets=BETS_BEFORE)


def test_win_tie_loss_has_its_closed_form():
    """E = mean over bets of (1 + f (1+m)/(1-m))^W (1 + f m/(1-m))^T (1-f)^L (decisions, B.3.2)."""
    w, t, losses, m = 7, 11, 3, 0.05
    f = stats.grid(BETS)
    closed = np.mean((1 + f * (1 + m) / (1 - m)) ** w * (1 + f * m / (1 - m)) ** t * (1 - f) ** losses)
    assert stats.log_e_mean(WTL, wtl(losses, t, w), -m, lo=-1.0) == pytest.approx(math.log(closed), abs=1e-12)


@pytest.mark.parametrize("n", range(1, 10))
@pytest.mark.parametrize(("p_loss", "p_win"), [(0.05, 0.0), (0.3, 0.25), (0.5, 0.45)])
def test_under_the_null_its_expectation_is_one(n: int, p_loss: float, p_win: float):
    """Summed over all outcomes of n pairs whose mean is exactly the limit, E[E_n] is 1 to the last digits."""
    limit, total = p_win - p_loss, 0.0
    for losses, wins in itertools.product(range(n + 1), repeat=2):
        ties = n - losses - wins
        if ties < 0:
            continue
        ways = math.comb(n, losses) * math.comb(n - losses, wins)
        chance = ways * p_loss**losses * p_win**wins * (1 - p_loss - p_win) ** ties
        if chance:
            total += chance * math.exp(stats.log_e_mean(WTL, wtl(losses, ties, wins), limit, lo=-1.0))
    assert total == pytest.approx(1.0, abs=1e-12)


@given(
    st.lists(st.integers(0, 30), min_size=5, max_size=5).filter(any),
    st.lists(st.floats(-0.95, 0.95), min_size=2, max_size=6),
)
def test_evidence_falls_as_the_null_rises(counts: list[int], means: list[float]):
    """The e-value decreases in the mean it is tested against, so its bounds are found by halving."""
    values = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    logs = stats.log_e_means(values, np.array(counts, dtype=float), np.array(sorted(means)), lo=-1.0)
    assert (np.diff(logs) <= 1e-9).all()


def test_bounds_are_where_the_evidence_reaches_one_over_alpha():
    """The lower bound is rejected and a hair above is not; the upper bound mirrors it."""
    counts = wtl(69, 1483, 148)
    lower = stats.lower_mean(WTL, counts, 0.05, lo=-1.0, hi=1.0)
    assert stats.log_e_mean(WTL, counts, lower, lo=-1.0) >= math.log(20)
    assert stats.log_e_mean(WTL, counts, lower + 1e-6, lo=-1.0) < math.log(20)
    upper = stats.upper_mean(WTL, counts, 0.05, lo=-1.0, hi=1.0)
    assert upper == pytest.approx(-stats.lower_mean(-WTL, counts, 0.05, lo=-1.0, hi=1.0), abs=1e-12)
    assert (lower, upper) == pytest.approx((0.0222, 0.0717), abs=1e-4)


def test_the_designs_own_example():
    """148 wins, 1483 ties and 69 losses at margin 0.05 give log10 e = 23.7 (decisions, D.5), by either grid."""
    for bets, log10 in ((BETS_BEFORE, 23.66), (BETS, 23.68)):
        found = stats.log_e_mean(WTL, wtl(69, 1483, 148), -0.05, lo=-1.0, bets=bets)
        assert found / math.log(10) == pytest.approx(log10, abs=0.01)


def test_bounds_of_nothing_and_of_one_sided_evidence():
    """Without units the interval is the range; all losses push only one end."""
    none = np.array([0.0, 0.0, 0.0])
    assert stats.lower_mean(WTL, none, 0.05, lo=-1.0, hi=1.0) == -1.0
    assert stats.upper_mean(WTL, none, 0.05, lo=-1.0, hi=1.0) == 1.0
    losses = wtl(1000, 0, 0)
    assert stats.lower_mean(WTL, losses, 0.05, lo=-1.0, hi=1.0) == -1.0
    assert stats.upper_mean(WTL, losses, 0.05, lo=-1.0, hi=1.0) == pytest.approx(-0.990, abs=1e-3)
    wins = wtl(0, 0, 1000)
    assert stats.lower_mean(WTL, wins, 0.05, lo=-1.0, hi=1.0) == pytest.approx(0.990, abs=1e-3)
    assert stats.upper_mean(WTL, wins, 0.05, lo=-1.0, hi=1.0) == 1.0


def test_fractions_of_units_give_no_more_than_their_mean():
    """Half a success and half a failure weigh at most what a score of one half does."""
    ends, middle = np.array([0.0, 1.0]), np.array([0.5])
    for mean in (0.2, 0.5, 0.9):
        split = stats.log_e_mean(ends, np.array([50.0, 50.0]), mean, lo=0.0)
        assert split <= stats.log_e_mean(middle, np.array([100.0]), mean, lo=0.0) + 1e-12


def test_beta_mixture_has_its_closed_form():
    """Three successes of ten against one half, mixed over Beta(1/2, 1/2)."""
    beta = math.gamma(3.5) * math.gamma(7.5) / math.gamma(11) / math.pi
    assert stats.log_beta_e(3, 10, 0.5) == pytest.approx(math.log(beta / 0.5**10))
    uniform = math.factorial(3) * math.factorial(7) / math.factorial(11)
    assert stats.log_beta_e(3, 10, 0.2, a=1.0, b=1.0) == pytest.approx(math.log(uniform / (0.2**3 * 0.8**7)))
    assert stats.log_beta_e(0, 4, 0.5) == pytest.approx(stats.log_beta_e(4, 4, 0.5))


@pytest.mark.parametrize("p", [0.01, 0.3, 0.95])
def test_beta_mixture_has_expectation_one(p: float):
    """Summed over all outcomes of eight trials it is 1."""
    total = sum(math.comb(8, s) * p**s * (1 - p) ** (8 - s) * math.exp(stats.log_beta_e(s, 8, p)) for s in range(9))
    assert total == pytest.approx(1.0, abs=1e-12)


def test_a_proportions_interval_ends_where_it_is_rejected():
    """Both ends are where the mixture reaches 1/alpha; nothing seen bounds nothing."""
    lower, upper = stats.proportion_interval(10, 1000, 0.05)
    assert 0 < lower < 0.01 < upper < 0.03
    for end in (lower, upper):
        assert stats.log_beta_e(10, 1000, end) == pytest.approx(math.log(20), abs=1e-6)
    assert stats.log_beta_e(10, 1000, lower) >= math.log(20)
    assert stats.proportion_interval(0, 0, 0.05) == (0.0, 1.0)
    assert stats.proportion_interval(0, 50, 0.05)[0] == 0.0
    assert stats.proportion_interval(50, 50, 0.05)[1] == 1.0
    assert stats.proportion_interval(50, 50, 0.05)[0] == pytest.approx(1 - stats.proportion_interval(0, 50, 0.05)[1])


def pooled(candidate: tuple[float, float], baseline: tuple[float, float], p: float, q: float) -> float:
    """The log of the mean of the two arms' e-values and their product, at one pair of probabilities."""
    a, b = stats.log_beta_e(*candidate, p), stats.log_beta_e(*baseline, q)
    return float(np.logaddexp(np.logaddexp(a, b), a + b)) - math.log(3)


@pytest.mark.parametrize(
    ("candidate", "baseline"),
    [((2, 60), (3, 90)), ((9, 30), (1, 40)), ((0, 50), (0, 50)), ((50, 50), (50, 50)), ((50, 50), (47, 50))],
)
@pytest.mark.parametrize("margin", [-0.1, 0.0, 0.05])
def test_arms_are_compared_at_the_least_of_all_nulls(
    candidate: tuple[float, float], baseline: tuple[float, float], margin: float
):
    """No pair of probabilities that the null allows has a smaller pooled e-value than the one reported."""
    grid = np.linspace(1e-9, 1 - 1e-9, 201)
    least = min(pooled(candidate, baseline, p, q) for p in grid for q in grid if p >= q + margin)
    found = stats.log_e_difference(candidate, baseline, margin)
    assert found <= least + 1e-9
    assert found == pytest.approx(least, abs=0.3)  # the grid is coarse


def test_arms_without_units_say_nothing():
    """An empty arm gives an e-value of one and an interval of everything."""
    assert stats.log_e_difference((0, 0), (1, 9), 0.01) == stats.log_e_difference((1, 9), (0, 0), 0.01) == 0.0
    assert (
        stats.difference_interval((0, 0), (1, 9), 0.05)
        == stats.difference_interval((1, 9), (0, 0), 0.05)
        == (-1.0, 1.0)
    )


def test_the_arms_interval_inverts_the_test():
    """At each end the test just rejects; swapping the arms mirrors the interval."""
    candidate, baseline = (30, 1000), (50, 2000)
    lower, upper = stats.difference_interval(candidate, baseline, 0.05)
    assert lower < 50 / 2000 - 30 / 1000 < upper
    assert stats.log_e_difference(candidate, baseline, -lower) == pytest.approx(math.log(20), abs=1e-3)
    assert stats.log_e_difference((970, 1000), (1950, 2000), upper) == pytest.approx(math.log(20), abs=1e-3)
    assert stats.difference_interval(baseline, candidate, 0.05) == pytest.approx((-upper, -lower), abs=1e-6)
    assert (lower, upper) == pytest.approx((-0.0385, 0.0237), abs=1e-3)


@pytest.mark.parametrize(("p", "weight"), [(0.5, 10.0), (0.51, 30.0), (0.95, 30.0), (0.99, 100.0)])
def test_quantiles_have_the_designs_weights(p: float, weight: float):
    """Ten for the median, thirty up to p95, a hundred above."""
    assert stats.quantile_weight(p) == weight
    assert stats.log_quantile_e(np.array([90.0]), 100.0, p)[0] == pytest.approx(
        stats.log_beta_e(90, 100, p, a=weight * p, b=weight * (1 - p))
    )


def test_quantiles_are_bounded_as_the_design_found():
    """The upper bound of p95 comes with 110 units, that of p99 with 480, and not before (decisions, B.3)."""
    for p, first in ((0.95, 110), (0.99, 480)):
        all_below = [stats.quantile_interval(np.array([float(n)]), p, 0.05)[1] for n in range(1, first + 40)]
        assert abs(all_below.index(0) + 1 - first) <= 12


def test_a_quantiles_interval_names_bins():
    """The quantile lies above one bin's edge and at or under another's; neither is known of nothing."""
    counts = np.array([100.0, 800.0, 50.0, 40.0, 10.0])
    lower, upper = stats.quantile_interval(counts, 0.95, 0.05)
    assert (lower, upper) == (1, 3)
    below = np.cumsum(counts)
    rejected = stats.log_quantile_e(below, 1000.0, 0.95) >= math.log(20)
    assert rejected.tolist() == [True, True, False, True, True]
    assert stats.quantile_interval(np.array([3.0, 2.0]), 0.5, 0.05) == (None, None)
    assert stats.quantile_interval(np.array([50.0, 50.0, 50.0, 50.0, 700.0, 50.0, 50.0]), 0.5, 0.05) == (3, 4)


def test_quantile_ratios_tell_better_from_worse():
    """A candidate twice as fast is certified within 1.2 times, one twice as slow beyond it; equals are left open."""
    rng = np.random.default_rng(1)
    times = rng.lognormal(0, 0.4, 4000)
    bins = np.ceil(np.log(times) / math.log(1.02)).astype(int) + 200
    baseline = np.bincount(bins, minlength=400).astype(float)
    shift = round(math.log(2) / math.log(1.02))
    steps = math.log(1.2) / math.log(1.02)

    faster = stats.log_e_quantile_ratio(np.roll(baseline, -shift), baseline, 0.95, steps=steps)
    slower = stats.log_e_quantile_ratio(np.roll(baseline, shift), baseline, 0.95, steps=steps)
    equal = stats.log_e_quantile_ratio(baseline, baseline, 0.95, steps=0.0)
    assert faster[0] > 10 > math.log(20) > faster[1]
    assert slower[1] > 10 > math.log(20) > slower[0]
    assert max(equal) < 0


def test_quantile_ratios_of_little_are_open():
    """A handful of requests certifies nothing either way, wherever they lie."""
    few = np.array([3.0, 0.0, 0.0])
    for pair in (
        stats.log_e_quantile_ratio(few, few[::-1], 0.95, steps=1.0),
        stats.log_e_quantile_ratio(few, few, 0.5, steps=0.0),
    ):
        assert max(pair) < math.log(20)


@pytest.mark.parametrize("ours", [[40.0, 30.0, 5.0, 0.0], [90.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 90.0]])
@pytest.mark.parametrize("theirs", [[10.0, 50.0, 20.0, 5.0], [80.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 80.0]])
@pytest.mark.parametrize("steps", [0.0, 0.4, 1.5, 3.0, 9.0])
def test_quantile_ratios_are_the_least_over_the_bins_the_null_allows(
    ours: list[float], theirs: list[float], steps: float
):
    """Each number is the least pooled e-value over all pairs of bins in which the two quantiles may lie."""
    p, (a, b) = 0.5, (np.array(ours), np.array(theirs))
    rise = [stats._per_bin(counts, p) for counts in (a, b)]
    greater, at_most = [], []
    for i, k in itertools.product(range(5), repeat=2):
        both = np.log((np.exp(rise[0][i]) + np.exp(rise[1][k]) + np.exp(rise[0][i] + rise[1][k])) / 3)
        if i > steps + k - 1 or i == 4:
            greater.append(both)
        if i - 1 < steps + k:
            at_most.append(both)
    assert stats.log_e_quantile_ratio(a, b, p, steps=steps) == pytest.approx((min(greater), min(at_most)))


def test_a_bin_takes_the_least_its_counts_allow():
    """Inside a bin the count may be any between its edges: the least e-value over them is taken."""
    counts = np.array([30.0, 60.0, 10.0])
    found = stats._per_bin(counts, 0.5)
    for index, (low, high) in enumerate([(0, 30), (30, 90), (90, 100), (100, 100)]):
        least = stats.log_quantile_e(np.arange(low, high + 1.0), 100.0, 0.5).min()
        assert found[index] == pytest.approx(least, abs=1e-3)
    assert stats._per_bin(np.array([1.0]), 0.5)[0] == stats.log_quantile_e(np.array([0.5]), 1.0, 0.5)[0]


def test_shares_are_checked_by_a_mixture_around_them():
    """A 52/48 split of 20,000 units is beyond doubt, an even one is not."""
    assert stats.log_e_share(10_400, 20_000, 0.5) > math.log(1000)
    assert stats.log_e_share(10_050, 20_000, 0.5) < 0
    assert stats.log_e_share(10_400, 20_000, 0.5) == pytest.approx(
        stats.log_beta_e(10_400, 20_000, 0.5, a=500.0, b=500.0)
    )
    assert stats.log_e_share(230, 20_000, 0.01, weight=100.0) == pytest.approx(
        stats.log_beta_e(230, 20_000, 0.01, a=1.0, b=99.0)
    )


def test_the_asymptotic_width_is_equation_134():
    """Computed by hand for n = 1000, sd = 0.5, alpha = 0.05, tuned for 500."""
    r2 = (-2 * math.log(0.1) + math.log(-2 * math.log(0.1) + 1)) / 500
    n = 1000
    by_hand = 0.5 * math.sqrt(2 * (n * r2 + 1) / (n * n * r2) * math.log(1 + math.sqrt(n * r2 + 1) / 0.1))
    assert stats.asymptotic_halfwidth(n, 0.5, 0.05) == pytest.approx(by_hand)
    assert by_hand == pytest.approx(0.0443, abs=1e-4)
    assert stats.asymptotic_halfwidth(n, 0.5, 0.05, tuned_for=1000) != pytest.approx(by_hand, rel=1e-3)


def test_corrected_scores_mean_what_people_say():
    """Whatever the judge says, the expectation over the lot is the label; no score leaves the bound."""
    for judge, label, share, trust in [(1.0, -1.0, 0.1, 1.0), (-0.3, 0.8, 0.25, 0.6), (0.5, 0.5, 1.0, 1.0)]:
        asked = stats.corrected_score(judge, label, share=share, trust=trust)
        unasked = stats.corrected_score(judge, None, share=share, trust=trust)
        assert share * asked + (1 - share) * unasked == pytest.approx(label)
        assert max(abs(asked), abs(unasked)) <= stats.corrected_bound(share=share, trust=trust) + 1e-12
    assert stats.corrected_score(0.4, None, share=0.5) == 0.4
    assert stats.corrected_bound(share=0.1) == pytest.approx(19.0)
    assert stats.corrected_bound(share=0.25, trust=0.5) == pytest.approx(5.5)


@pytest.mark.parametrize(
    ("sd", "gap", "power", "units"),
    [
        (0.5, 0.05, 0.9, 1475),
        (0.5, 0.05, 0.5, 580),
        (0.3, 0.1, 0.9, 156),
        (0.0, 0.01, 0.5, 540),
        (0.5, 0.0, 0.9, None),
        (0.5, -0.1, 0.9, None),
        (0.0, 0.05, 0.9, 108),
    ],
)
def test_planning_follows_the_fitted_rule(sd: float, gap: float, power: float, units: int | None):
    """14.5 (or 5.5, for half of the runs) times the squared ratio, plus 25 (30), or 5.4 gaps; never, without a gap."""
    assert stats.units_needed(sd, gap, power=power) == units
    if power == 0.9:
        assert stats.units_needed(sd, gap) == units


def test_planning_goes_by_the_grid_of_bets():
    """What rollouts of before still need is planned by their own rule, and what has none by the new one."""
    assert stats.units_needed(0.5, 0.05, bets=BETS_BEFORE) == 1640
    assert stats.units_needed(0.5, 0.05, power=0.5, bets=BETS_BEFORE) == 740
    assert stats.units_needed(0.0, 0.01, bets=BETS_BEFORE) == 600
    assert stats.units_needed(0.5, 0.05, bets=Bets(0.2, 0.8, 3)) == stats.units_needed(0.5, 0.05)


@pytest.mark.parametrize(
    ("alpha", "simulated"), [(0.1, 721), (0.05, 1007), (0.01, 1477), (0.0034, 1549), (0.001, 1876)]
)
def test_planning_goes_by_alpha(alpha: float, simulated: int):
    """Within 20 % of what 300 runs of an equal candidate took: 16 % of its units differ, to either side, limit 0.05."""
    assert abs((stats.units_needed(0.4, 0.05, alpha=alpha) or 0) / simulated - 1) < 0.2


def test_where_next_to_nothing_varies_alpha_counts_too():
    """The largest bet has to earn 1/alpha: for 1/400 twice what it takes for 1/20."""
    assert [stats.units_needed(0.0, 0.05, alpha=alpha) for alpha in (1 / 20, 1 / 400)] == [108, 216]


def test_of_several_the_first_is_the_luckiest_of_the_good():
    """Half of them are good. Sharing alpha costs, a second good one gains more; without a gap there is no first."""
    assert stats.first_of(1, 0.4, 0.05) == math.ceil(2 * (math.log(20) - 0.25) * (0.4 / 0.05) ** 2)
    assert stats.first_of(2, 0.4, 0.05) == stats.first_of(1, 0.4, 0.05, alpha=0.025) == 441
    assert [stats.first_of(count, 0.4, 0.05) for count in (3, 4, 10)] == [493, 363, 323]
    assert stats.first_of(4, 0.4, 0.0) is None


@pytest.mark.parametrize("counts", [wtl(0, 0, 1e7), wtl(1e7, 0, 0), wtl(3e6, 4e6, 3e6)])
@pytest.mark.parametrize("mean", [-1 + 1e-9, -0.05, 0.0, 0.5, 1 - 1e-9])
def test_ten_million_units_overflow_nothing(counts: np.ndarray, mean: float):
    """However much was seen, and wherever the null lies, the logarithm is finite."""
    assert math.isfinite(stats.log_e_mean(WTL, counts, mean, lo=-1.0))
    lower = stats.lower_mean(WTL, counts, 0.05, lo=-1.0, hi=1.0)
    upper = stats.upper_mean(WTL, counts, 0.05, lo=-1.0, hi=1.0)
    assert -1 <= lower <= upper <= 1


@pytest.mark.parametrize("arms", [((0, 10**7), (10**7, 10**7)), ((10**7, 10**7), (0, 10**7)), ((1, 10**7), (0, 3))])
def test_ten_million_requests_overflow_no_comparison(arms: tuple[tuple[float, float], tuple[float, float]]):
    """Extreme arms give finite numbers and an ordered interval."""
    assert math.isfinite(stats.log_e_difference(*arms, 0.01))
    lower, upper = stats.difference_interval(*arms, 0.05)
    assert -1 <= lower <= upper <= 1


def test_halving_stops_where_numbers_end():
    """A search between two neighbouring numbers returns them at once."""
    assert stats._bisect(lambda _: True, 1.0, math.nextafter(1.0, 2.0)) == (1.0, math.nextafter(1.0, 2.0))
    assert stats._bisect(lambda x: x < 0.3, 0.0, 1.0) == pytest.approx((0.3, 0.3), abs=1e-14)
    assert stats._bisect(lambda x: x < 0.3, 0.0, 1.0, steps=2) == (0.25, 0.5)


def test_the_least_of_a_valley_is_found():
    """A convex function's least value, inside or at an end."""
    assert stats._least(lambda x: (x - 0.3) ** 2 + 1, 0.0, 1.0) == pytest.approx(1.0, abs=1e-12)
    assert stats._least(lambda x: x + 2, 0.0, 1.0) == 2.0
    assert stats._least(lambda x: -x, 0.0, 1.0) == -1.0


def test_the_last_point_that_holds_is_found_from_below():
    """The point returned holds, and none that does is missed by more than the search's width."""
    assert stats._last(lambda x: x <= 0.3, 0.0, 1.0) == pytest.approx(0.3, abs=1e-7)
    assert stats._last(lambda x: x <= 0.3, 0.0, 1.0) <= 0.3
    assert stats._last(lambda x: x < -1, 0.0, 1.0) == 0.0
    assert stats._last(lambda x: x < 9, 0.0, 1.0) == 1.0
