"""Shredded answers and requests, fewer than `make fuzz-wire` tries."""

from tests.acceptance.fuzz_wire import shred


def test_shredded_bytes_are_rows_all_the_same():
    """Whatever is cut, doubled or replaced: nothing raises, no row is empty, the text recorded is the text heard."""
    counts = shred(20_261_129, 1500)

    assert counts["complete"] + counts["incomplete"] == 1500
    assert counts["complete"] > 100
    assert counts["candidate adapted"] > 100
