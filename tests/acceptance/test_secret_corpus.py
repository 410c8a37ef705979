"""What `make secrets` prints, with nothing to print."""

from tests.acceptance.secret_corpus import false_alarms, misses


def test_every_secret_is_found_however_it_is_written():
    """Some seventy kinds, in messages, metadata, tool calls, JSON in JSON, keys, cut JSON and streams: none is left."""
    assert list(misses()) == []


def test_nothing_that_only_looks_like_a_secret_is_lost():
    """Counts of tokens, settings, hashes, ids, public keys, schemas and words about secrets stay as they are."""
    assert list(false_alarms()) == []
