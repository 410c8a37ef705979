"""Why a candidate did not answer: which kind of failure an upstream's error is.

The app sees none of them before the first byte (the baseline answers instead); the kind decides what they count for.
"""

from typing import Literal

import msgspec

from gateway.rewrite.form import Fault
from gateway.rewrite.surface import UNREADABLE

Kind = Literal[
    "capability",  # this request is beyond the candidate: a miss, not an outage
    "path",  # its server has no such endpoint: of this path nobody is to ask it
    "key",  # the candidate's upstream does not take our key: an operator's mistake, never the app's
    "overload",  # it sheds: back off
    "failure",  # it is broken
]

Reason = Literal[
    "context_length",
    "invalid_request",
    "too_large",
    "key_refused",
    "overloaded",
    "not_found",
    "timeout",
    "server_error",
    "redirect",
    "error_event",
    Fault,
]


class CandidateFailure(msgspec.Struct, frozen=True):
    """What went wrong at a candidate. `reason` is of a closed list, never the upstream's own words."""

    kind: Kind
    reason: Reason


_BY_STATUS: dict[int, CandidateFailure] = {
    401: CandidateFailure("key", "key_refused"),
    402: CandidateFailure("key", "key_refused"),  # its account is empty: the same for every request
    403: CandidateFailure("key", "key_refused"),
    408: CandidateFailure("failure", "timeout"),
    413: CandidateFailure("capability", "too_large"),
    429: CandidateFailure("overload", "overloaded"),
    503: CandidateFailure("overload", "overloaded"),
    504: CandidateFailure("failure", "timeout"),
}

_NO_PATH = frozenset({404, 405, 501})
"""Statuses of a server that does not have the path, unless they speak of the model."""
_MODEL = ("model",)
_CONTEXT_LENGTH = (
    "context_length_exceeded",
    "maximum context length",
    "maximum model length",
    "max_model_len",
    "context window",
    "is longer than the maximum",
)


class _Problem(msgspec.Struct):
    code: str | int | float | None = None
    message: str = ""
    type: str | None = None


class _Envelope(msgspec.Struct):
    error: _Problem | str | None = None
    message: str = ""
    code: str | int | float | None = None
    """vLLM before 0.10 and some proxies put the fields at the top."""


def classify(status: int, body: bytes) -> CandidateFailure:
    """What a candidate's answer with `status` (not 2xx) and `body` means."""
    if found := _BY_STATUS.get(status):
        return found
    if status in _NO_PATH:
        return CandidateFailure("failure" if _speaks(body, _MODEL) else "path", "not_found")
    if 300 <= status < 400:
        return CandidateFailure("failure", "redirect")
    if 400 <= status < 500:
        return CandidateFailure("capability", "context_length" if _speaks(body, _CONTEXT_LENGTH) else "invalid_request")
    return CandidateFailure("failure", "server_error")


def classify_event(data: bytes) -> CandidateFailure | None:
    """What an error event in a stream that began with 200 means; None: `data` is no error."""
    try:
        envelope = msgspec.json.decode(data, type=_Envelope)
    except UNREADABLE:
        return None
    if envelope.error is None:
        return None
    status = envelope.error.code if isinstance(envelope.error, _Problem) else None
    if isinstance(status, int) and status >= 400:
        return classify(status, data)
    return CandidateFailure("failure", "error_event")


def _speaks(body: bytes, phrases: tuple[str, ...]) -> bool:
    """Whether an error object says one of these."""
    try:
        envelope = msgspec.json.decode(body, type=_Envelope)
    except UNREADABLE:
        return False
    said = envelope.error if isinstance(envelope.error, str) else envelope.message
    problem = envelope.error if isinstance(envelope.error, _Problem) else _Problem(envelope.code, said)
    text = f"{problem.code} {problem.message}".lower()
    return any(phrase in text for phrase in phrases)
