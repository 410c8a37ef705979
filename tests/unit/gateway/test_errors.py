"""Our own errors, as SDKs take them."""

import json

import pytest

from gateway import errors


@pytest.mark.parametrize("code", errors.CODES)
def test_every_code_is_an_error_object_an_sdk_reads(code: str) -> None:
    """The body is OpenAI's error object, with the code as a string and null for what there is none of."""
    problem = json.loads(errors.body(code, "openai"))["error"]
    assert problem == {"message": problem["message"], "type": "crossfade_error", "param": None, "code": code}
    assert problem["message"].endswith((".", ": openai", ": openai."))
    assert "{" not in problem["message"]
    assert "None" not in problem["message"]


@pytest.mark.parametrize("code", errors.CODES)
def test_every_status_means_to_an_sdk_what_we_mean(code: str) -> None:
    """What the app must mend is final; all else is tried again, unless trying again cannot help."""
    found = errors.CODES[code]
    told = dict(errors.headers(code, retry_after_s=1.0))
    retried = found.status in (408, 409, 429) or found.status >= 500
    assert retried or found.retry is None, "an SDK does not retry a 4xx by itself, nor should it"
    if found.retry is False:
        assert told == {b"x-should-retry": b"false"}
    elif found.retry:
        assert told[b"x-should-retry"] == b"true"
        assert int(told[b"retry-after-ms"]) == 1000
        assert 1 <= int(told[b"retry-after"]) <= 60
    else:
        assert told == {}


@pytest.mark.parametrize(("seconds", "ms", "s"), [(0.05, b"50", b"1"), (1.6, b"1600", b"2"), (30.0, b"30000", b"30")])
def test_how_long_to_wait_is_told_in_both_units(seconds: float, ms: bytes, s: bytes) -> None:
    """retry-after is whole seconds and never 0: some SDKs take 0 for none."""
    told = dict(errors.headers("overloaded", retry_after_s=seconds))
    assert (told[b"retry-after-ms"], told[b"retry-after"]) == (ms, s)


def test_a_message_of_the_moment_replaces_the_standing_one() -> None:
    """What the parser found can be said in its own words; braces in it are harmless."""
    problem = json.loads(errors.body("malformed_http", message='a {b} "c"'))["error"]
    assert (problem["message"], problem["code"]) == ('a {b} "c"', "malformed_http")


def test_an_unknown_code_has_no_headers() -> None:
    """A code that is not in the list promises nothing about retries."""
    assert errors.headers("unheard_of", retry_after_s=1.0) == []
