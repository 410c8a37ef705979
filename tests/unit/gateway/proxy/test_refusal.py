"""The gateway's own answers."""

import json

import pytest

from gateway import errors
from gateway.proxy.refusal import CODES, refusal
from gateway.transport.failure import Failure


@pytest.mark.parametrize("failure", Failure)
def test_each_failure_of_an_upstream_has_its_error(failure: Failure) -> None:
    """Whatever way an upstream fails in, the app gets an error object that names the upstream, with its length."""
    code = CODES[failure]
    reply, body = refusal(code, "openai", retry_after_s=2.0)
    assert reply.status == errors.CODES[code].status
    assert reply.get(b"content-length") == b"%d" % len(body)
    error = json.loads(body)["error"]
    assert (error["code"], "openai" in error["message"]) == (code, True)
