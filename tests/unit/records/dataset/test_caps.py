"""At most so many rows of one group."""

from records.dataset.caps import Cap
from records.dedupe import exact_key

KEYS = [exact_key(number) for number in range(100)]


def test_no_group_gives_more_than_its_share():
    """Of a hundred rows of one group ten are taken, of a small group all; which ones hangs on no order."""
    cap, backwards = Cap(10), Cap(10)
    for key in KEYS:
        cap.offer("loud", key)
    for key in reversed(KEYS):
        backwards.offer("loud", key)
    cap.offer("quiet", KEYS[0])

    taken = {key for key in KEYS if cap.takes("loud", key)}
    assert len(taken) == 10
    assert taken == {key for key in KEYS if backwards.takes("loud", key)}
    assert cap.takes("quiet", KEYS[0])
    assert taken != set(KEYS[:10])


def test_equal_rows_count_once():
    """A row that was offered a hundred times takes one place."""
    cap = Cap(2)
    for key in [KEYS[0]] * 100 + KEYS[:2]:
        cap.offer("a", key)
    assert [cap.takes("a", key) for key in KEYS[:2]] == [True, True]


def test_without_a_cap_all_are_taken():
    """And nothing is held."""
    cap = Cap(None)
    cap.offer("a", KEYS[0])
    assert cap.takes("b", KEYS[1])
