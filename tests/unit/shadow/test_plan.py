"""The shadow's plan: whom to ask beside an exchange, however late it is read."""

from pathlib import Path

import msgspec
import pytest

from records.comparison import Asked
from shadow.plan import FORMAT, LotSince, ShadowPlan, encode, read
from shadow.sampling import Lot
from tests.fakes.exchanges import exchange
from tests.rooms.drawing import ROUTE

PPM = 1_000_000
ALL, NONE = Lot(PPM, PPM, 0, "triage"), Lot(0, 0, 0, "triage")
CHANGED = msgspec.structs.replace(ROUTE, sample_ppm=0, reverse_ppm=0, lots=(LotSince(5, ALL), LotSince(8, NONE)))


@pytest.mark.parametrize(
    ("version", "asked"),
    [(4, ("baseline",)), (5, ("baseline",)), (7, ("baseline",)), (8, ()), (9, ())],
)
def test_an_exchange_is_drawn_by_the_lot_of_its_own_table(version: int, asked: tuple[Asked, ...]) -> None:
    """The controller waits for whom that lot drew: a plan that asks for less must not leave it waiting in vain."""
    made = exchange(1, variant="candidate", unit="ab" * 8, table_version=version).meta
    assert CHANGED.asked_beside(made) == asked


def test_a_plan_that_tells_no_lots_is_drawn_by_its_shares() -> None:
    """A replay has one plan for all of its exchanges."""
    made = exchange(1, variant="candidate", unit="ab" * 8, table_version=5).meta
    shares = msgspec.structs.replace(ROUTE, reverse_ppm=PPM)
    assert shares.asked_beside(made) == ("baseline",)
    assert msgspec.structs.replace(shares, reverse_ppm=0).asked_beside(made) == ()


def test_a_plan_is_read_as_it_was_written_and_that_of_a_newer_version_is_none(tmp_path: Path) -> None:
    """What cannot be read is no plan."""
    path = tmp_path / "shadow.json"
    assert read(path) is None
    path.write_bytes(encode(ShadowPlan((CHANGED,))))
    assert read(path) == ShadowPlan((CHANGED,))
    path.write_bytes(encode(ShadowPlan((CHANGED,), format=FORMAT + 1)))
    assert read(path) is None
