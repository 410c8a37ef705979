"""Error objects, whoever wrote them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.wire.problem import ErrorObject, build, read


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (
            {"error": {"message": "no", "type": "invalid_request_error", "param": "model", "code": "model_not_found"}},
            ErrorObject("no", "invalid_request_error", "model_not_found", "model"),
        ),
        (
            {"error": {"message": "no", "type": "BadRequestError", "code": 400}},
            ErrorObject("no", "BadRequestError", "400"),
        ),
        (
            {"object": "error", "message": "no", "type": "NotFoundError", "code": 404},
            ErrorObject("no", "NotFoundError", "404"),
        ),
        (
            {"type": "error", "error": {"type": "overloaded_error", "message": "no"}},
            ErrorObject("no", "overloaded_error"),
        ),
        ({"type": "error", "code": "server_error", "message": "no"}, ErrorObject("no", "", "server_error")),
        ({"error": "no"}, ErrorObject("no")),
        ({"detail": "Not Found"}, ErrorObject("Not Found")),
        ([{"error": {"code": 429, "message": "no", "status": "EXHAUSTED"}}], ErrorObject("no", "EXHAUSTED", "429")),
        ({"error": None, "id": "x"}, None),
        ({"choices": []}, None),
        ([], None),
        ("x", None),
    ],
)
def test_shapes(body, found):
    """Each upstream's error object says the same; what is none is none."""
    assert read(json.dumps(body).encode()) == found


def test_no_json():
    """A page of HTML holds no error object."""
    assert read(b"<html>") is None


@given(st.builds(ErrorObject, st.text(), st.text().filter(lambda text: text != "error"), st.text(), st.text()))
def test_what_is_built_is_read(problem):
    """An error object of ours says what it was made from; its code is a word or null."""
    assert read(build(problem)) == problem
    assert isinstance(json.loads(build(problem))["error"]["code"], str | None)
