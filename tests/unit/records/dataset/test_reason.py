"""Why an exchange is no row."""

from typing import get_args

from records.dataset.reason import Reason, UnfitError


def test_an_error_has_its_reason():
    """It is raised with one of the words that manifests count by, and says it; no word stands twice."""
    error = UnfitError("media")

    assert (error.reason, str(error)) == ("media", "media")
    assert len(set(get_args(Reason))) == len(get_args(Reason))
