"""What says the same is the same."""

from records.dedupe import exact_key


def test_equal_json_is_equal():
    """The order of fields says nothing; any other difference does."""
    assert exact_key({"a": 1, "b": [1, 2]}, None) == exact_key({"b": [1, 2], "a": 1}, None)
    assert len({exact_key(*parts) for parts in (({"a": 1},), ({"a": 2},), ({"a": 1}, None), ([1, 2],), ([2, 1],))}) == 5
