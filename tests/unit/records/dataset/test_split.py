"""Splits: no conversation in both, and none moved by another build."""

from hypothesis import given
from hypothesis import strategies as st

from records.dataset.split import PPM, SplitRule


def split_of(conversation: str, salt: str, validation_ppm: int) -> str:
    """By lot."""
    return SplitRule(salt, validation_ppm).split_of(conversation)


@given(st.text(), st.text(max_size=5), st.integers(0, PPM), st.integers(0, PPM))
def test_a_larger_share_moves_none_back(conversation, salt, one, other):
    """What is validated on at a share is so at every larger one."""
    small, large = sorted((one, other))

    if split_of(conversation, salt, small) == "validation":
        assert split_of(conversation, salt, large) == "validation"
    assert split_of(conversation, salt, 0) == "train"
    assert split_of(conversation, salt, PPM) == "validation"


def test_the_share_is_kept():
    """Of many conversations about the share asked for is validated on; another salt takes others."""
    names = [f"conversation {number}" for number in range(20_000)]
    chosen = {name for name in names if split_of(name, "a", PPM // 10) == "validation"}
    others = {name for name in names if split_of(name, "b", PPM // 10) == "validation"}

    assert 1800 < len(chosen) < 2200
    assert len(chosen & others) < 300


def test_who_began_late_is_validated_on_whatever_the_lot_says():
    """The lot has no part in a split by time."""
    rule = SplitRule("a", PPM, frozenset({"late"}))

    assert [rule.split_of(name) for name in ("early", "late")] == ["train", "validation"]
