"""What a failed request is called: every word that can reach a sentence has its phrase."""

from typing import get_args

from gateway.rewrite.problem import Reason
from gateway.transport.failure import Failure
from policies.failure_words import FAILURE_WORDS, failure_phrase
from policies.liveness import AssignedOutcome

_GUARD_WORDS = {
    "breaker", "busy", "app_gone", "app_gone_waiting", "connect_timeout", "first_byte_timeout", "total_timeout",
    "between_tokens_timeout", "too_slow",
}  # fmt: skip


def test_every_failure_has_its_phrase():
    """A candidate's failures, the transport's, our own deadlines and what else an assigned request comes to."""
    outcomes = {str(each) for each in AssignedOutcome if each is not AssignedOutcome.ANSWERED}
    words = {*get_args(Reason), *map(str, Failure), *outcomes, *_GUARD_WORDS}
    assert words - FAILURE_WORDS.keys() == set()
    assert not any("_" in phrase for phrase in FAILURE_WORDS.values())


def test_a_word_of_a_newer_version_is_told_as_it_is():
    """A record that another version wrote can still be read."""
    assert failure_phrase("out_of_cheese") == "out of cheese"
