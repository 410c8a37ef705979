"""The shadow is not felt: a small size of what `make shadow-faults` prints, without its times."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.shadow import GROWN_BYTES, Compared, CpuFound, Felt, shadow_cpu, shadow_faults

pytestmark = pytest.mark.slow


async def test_no_app_feels_what_is_ill_in_the_shadow(tmp_path: Path) -> None:
    """With the candidate, the shadow or all of the control plane ill, apps get their answers, in flat memory."""
    faults = ("candidate hung", "candidate huge", "shadow killed", "control stopped")
    found = await shadow_faults(tmp_path, pairs=1, seconds=1.5, faults=faults)
    assert found.compared[0].mirrored > 0, found.report()
    for each in found.compared:
        assert not each.healthy.errors + each.broken.errors, found.report()
        assert each.grown_bytes <= GROWN_BYTES, found.report()


async def test_the_shadow_costs_the_worker_nothing_to_speak_of(tmp_path: Path) -> None:
    """A tenth is mirrored, no app gets an error, and what a request costs the worker is measured both ways."""
    found = await shadow_cpu(tmp_path, pairs=1, seconds=1.5)
    assert found.mirrored > 0, found.report()
    assert not found.errors, found.report()


def test_what_is_felt_breaks_the_promise() -> None:
    """An error, slower answers, grown memory and a shadow that did nothing are each seen; a little noise is not."""
    well, ill = Felt([[10.0] * 99 + [20.0]], [[10.0] * 99 + [20.0]]), Felt([[10.0] * 100], [[10.0] * 99 + [21.9]])
    assert Compared("x", well, ill, mirrored=1).held()
    assert not Compared("x", well, ill).held()
    assert not Compared("x", well, Felt(ill.first_ms, [[10.0] * 99 + [22.1]]), mirrored=1).held()
    assert not Compared("x", well, ill, GROWN_BYTES + 1, mirrored=1).held()
    ill.errors["TimeoutError"] += 1
    assert not Compared("x", well, ill, mirrored=1).held()
    assert not CpuFound([110.2], [100.0], mirrored=1).held()
    assert CpuFound([109.0], [100.0], mirrored=1).held()


def test_what_blocks_cannot_tell_is_undecided() -> None:
    """Scattered differences around the bar are undecided; differences that agree are not, on either side of it."""
    well = Felt([[10.0]] * 4, [[10.0]] * 4)

    def added(*values: float) -> Compared:
        return Compared("x", well, Felt([[10.0 + value] for value in values], [[10.0]] * 4))

    assert added(0.0, 4.0, 1.0, 5.0).undecided()
    assert added(3.0, 4.0, 1.0, 5.0).undecided()
    assert replace(added(3.0, 4.0, 1.0, 5.0), mirrored=1).word() == "undecided"
    assert replace(added(9.1, 9.3, 9.2, 9.1), mirrored=1).word() == "BROKEN"
    assert added(3.0, 4.0, 1.0, 5.0).word() == "BROKEN"  # a shadow that did nothing: no machine is too busy for that
    assert added(2.2, 2.3, -4.0, 2.3).undecided()
    assert not added(0.1, 0.3, 0.2, 0.1).undecided()
    assert not added(9.1, 9.3, 9.2, 9.1).undecided()


def test_one_bad_moment_of_many_decides_nothing() -> None:
    """Of many blocks that agree, one far off leaves what is added as sure as it was; of few it asks for more."""

    def error_ms(*values: float) -> float:
        blocks = [[10.0]] * len(values)
        return Compared("x", Felt(blocks, blocks), Felt([[10.0 + value] for value in values], blocks)).error_ms(
            "first_ms"
        )

    assert error_ms(*[0.1, 0.2] * 4, 90.0) == error_ms(*[0.1, 0.2] * 4, 0.2) < 0.05
    assert error_ms(*[0.1, 0.2] * 2, 90.0) > 10.0
