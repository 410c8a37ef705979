"""Which kind of failure a candidate's error is."""

import pytest

from gateway.rewrite.problem import CandidateFailure, classify, classify_event

CONTEXT = [
    b'{"error":{"message":"This model\'s maximum context length is 1024 tokens.","code":400}}',
    b'{"error":{"message":"The decoder prompt (length 9) is longer than the maximum model length of 8."}}',
    b'{"error":{"message":"too long","code":"context_length_exceeded"}}',
    b'{"object":"error","message":"prompt exceeds max_model_len","code":400}',
]


@pytest.mark.parametrize("body", CONTEXT)
def test_a_prompt_that_is_too_long_is_a_capability_miss(body: bytes):
    """Every engine's way to say that the context is too long is read as the same reason."""
    assert classify(400, body) == CandidateFailure("capability", "context_length")


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (400, CandidateFailure("capability", "invalid_request")),
        (422, CandidateFailure("capability", "invalid_request")),
        (413, CandidateFailure("capability", "too_large")),
        (401, CandidateFailure("key", "key_refused")),
        (402, CandidateFailure("key", "key_refused")),
        (403, CandidateFailure("key", "key_refused")),
        (404, CandidateFailure("path", "not_found")),
        (405, CandidateFailure("path", "not_found")),
        (501, CandidateFailure("path", "not_found")),
        (408, CandidateFailure("failure", "timeout")),
        (429, CandidateFailure("overload", "overloaded")),
        (503, CandidateFailure("overload", "overloaded")),
        (500, CandidateFailure("failure", "server_error")),
        (502, CandidateFailure("failure", "server_error")),
        (504, CandidateFailure("failure", "timeout")),
        (307, CandidateFailure("failure", "redirect")),
    ],
)
def test_a_status_says_whose_fault_it_is(status: int, failure: CandidateFailure):
    """4xx is the request's, 401 to 403 the key's, 429 and 503 the load's, all else the candidate's."""
    for body in (b"", b"<html>no</html>", b'{"error":{"message":"x","code":400}}', b'{"detail":"x"}', b"[1]"):
        assert classify(status, body) == failure


NO_MODEL = [
    b'{"error":{"message":"The model `m` does not exist.","type":"NotFoundError","param":"model","code":404}}',
    b'{"error":{"message":"The model \'m\' does not exist","type":"x","param":null,"code":"model_not_found"}}',
    b'{"error":"model \\"m\\" not found, try pulling it first"}',
    b'{"object":"error","message":"The model `m` does not exist.","code":404}',
]


@pytest.mark.parametrize("body", NO_MODEL)
def test_a_model_that_is_not_there_is_a_failure(body: bytes):
    """A server without the model serves nothing on any path, and is not excused for lacking an endpoint."""
    assert classify(404, body) == CandidateFailure("failure", "not_found")


@pytest.mark.parametrize(
    ("data", "failure"),
    [
        (b'{"error":{"message":"EngineCore died","code":500}}', CandidateFailure("failure", "server_error")),
        (b'{"error":{"message":"busy","code":503}}', CandidateFailure("overload", "overloaded")),
        (
            b'{"error":{"message":"maximum context length","code":400}}',
            CandidateFailure("capability", "context_length"),
        ),
        (b'{"error":"boom"}', CandidateFailure("failure", "error_event")),
        (b'{"error":{"message":"x","code":"server_error"}}', CandidateFailure("failure", "error_event")),
        (b'{"error":null}', None),
        (b'{"choices":[]}', None),
        (b"not json", None),
    ],
)
def test_an_error_event_is_read_by_its_code(data: bytes, failure: CandidateFailure | None):
    """A stream that began with 200 may still say error: its code counts like a status."""
    assert classify_event(data) == failure
