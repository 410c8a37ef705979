"""Why the baseline answers, in words."""

from policies.matching import FORBIDDABLE
from policies.reasons import Reason
from policies.request.engine_fields import named_media


def test_reasons_are_words_of_labels():
    """Each is one short word, as metrics and records have it, and stands there once."""
    assert all(len(reason) <= 24 and reason == reason.lower() and " " not in reason for reason in Reason)
    assert len({str(reason) for reason in Reason}) == len(Reason)


def test_what_can_be_forbidden_and_what_media_is_refused_for_are_among_them():
    """The words of `eligible.forbid` and of refused media are reasons."""
    assert set(FORBIDDABLE) <= set(Reason)
    assert Reason(str(named_media(b'[{"image_url": "file:///x"}]'))) is Reason.FILE_URL
