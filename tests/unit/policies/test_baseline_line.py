"""The line that both variants are held to, block by block."""

import pytest

from policies.baseline_line import BLOCKS, BaselineLine, beyond, void_share
from policies.rules import Latency

GATE = Latency(block_s=100.0, quantile=0.5, ratio=2.0)


def filled(line: BaselineLine, seconds: float, since: float, *, requests: int = 250) -> None:
    """One block of the baseline, each request of which took so long."""
    line.turn(since, GATE)
    for _ in range(requests // 2):
        line.add([seconds, seconds])


def known(seconds: float = 1.0, blocks: int = BLOCKS) -> BaselineLine:
    line = BaselineLine()
    for number in range(blocks):
        filled(line, seconds, 100.0 * number)
    line.turn(100.0 * blocks, GATE)
    return line


def test_a_line_is_there_from_twelve_blocks_on():
    """The median of the blocks' quantiles; before, nobody is held to anything."""
    assert known(blocks=BLOCKS - 1).limit_s(GATE) is None
    line = known()
    assert line.line_s == pytest.approx(1.0, rel=0.02)
    assert line.limit_s(GATE) == pytest.approx(2.0, rel=0.02)
    assert line.limit_s(Latency(block_s=100.0, quantile=0.5, limit_s=3.0)) is None
    assert line.limit_s(Latency(block_s=100.0, quantile=0.95)) is None


def test_a_block_lasts_until_it_has_enough_requests():
    """An hour with few of them goes on until the next one's end."""
    line = BaselineLine()
    filled(line, 1.0, 0.0, requests=200)
    assert line.turn(150.0, GATE) is None
    line.add([1.0] * 50)
    ended = line.turn(260.0, GATE)
    assert ended is not None
    assert (ended.began_at, line.began_at) == (0.0, 200.0)


def test_the_line_of_a_block_does_not_move_in_it():
    """What its own requests take changes the next block's."""
    line = known()
    before = line.line_s
    filled(line, 9.0, 1250.0)
    assert line.line_s == before
    for number in range(14):
        filled(line, 9.0, 1300.0 + 100.0 * number)
    line.turn(2800.0, GATE)
    assert line.line_s == pytest.approx(9.0, rel=0.02)


def test_what_is_older_than_a_week_is_forgotten():
    """The line follows the last seven days."""
    line = known()
    line.add([1.0] * 250)
    line.turn(8 * 86_400.0, GATE)
    assert len(line.known) == 0
    assert line.line_s is None


@pytest.mark.parametrize(("p", "share"), [(0.5, 0.75), (0.95, 0.25), (0.99, 0.05)])
def test_a_block_is_void_by_the_baseline_alone(p: float, share: float):
    """Five times what the quantile leaves beyond it, and half of that and all at the most."""
    assert void_share(p) == pytest.approx(share)


def test_an_ill_block_and_the_beginning_of_the_next():
    """Void as far as is known; a new block is as ill as the one before until it can be told by itself."""
    line = known()
    filled(line, 9.0, 1250.0, requests=100)
    assert line.is_void(GATE)
    filled(line, 9.0, 1260.0, requests=150)
    ended = line.turn(1300.0, GATE)
    assert ended is not None
    assert ended.is_void
    assert line.is_void(GATE)
    filled(line, 1.0, 1310.0, requests=40)
    assert not line.is_void(GATE)


def test_the_baselines_slowness_excuses():
    """Only what is more than usual, and only as long as it lasts."""
    line = known()
    assert line.excuse(GATE) == 0.0
    for _ in range(64):
        line.felt(9.0)
    assert line.excuse(GATE) > 0.4
    for _ in range(2000):
        line.felt(0.5)
    assert line.excuse(GATE) == 0.0


def test_what_apps_hung_up_on_is_beyond_the_line_and_draws_it_only_where_that_is_known():
    """For the share each is beyond it; a block is void, and its quantile made, by those that surely took so long."""
    line = known()
    times = dict(line.times)
    assert line.add([0.5, 0.5], [0.2, 0.3]) == 500_000
    assert (line.requests, line.beyond) == (2, 0)
    assert line.add([], [5.0]) == 1_000_000
    assert (line.requests, line.beyond, sum(line.times.values()) - sum(times.values())) == (3, 1, 3)
    assert BaselineLine().add([1.0], [9.0]) == 0


def test_without_a_line_nothing_is_beyond_it():
    """And another measure begins anew."""
    assert (beyond([1.0, 3.0], 2.0), beyond([3.0], None)) == (1, 0)
    line = known()
    line.turn(1300.0, Latency("total", block_s=100.0))
    assert (line.known, line.line_s, line.of) == ([], None, "total p95")
