"""Embeddings to a candidate and back."""

import base64
import json
import struct
from typing import Any

import pytest

from gateway.rewrite.answer import adapt_whole
from gateway.rewrite.problem import CandidateFailure
from gateway.rewrite.request import adapt_request
from gateway.rewrite.shapes import Adapted, AnswerShape, Unfit
from policies.routing import Variant

PATH = "/v1/embeddings"
STUDENT = Variant("vllm", model="BAAI/bge-m3", set={}, drop=("dimensions",))
ASKED = AnswerShape("embeddings", "bge-m3", inputs=2)
VECTORS = [[0.5, -1.0], [0.25, 2.0]]
TEXTS = [base64.b64encode(struct.pack("<2f", *each)).decode() for each in VECTORS]


def answer(embeddings: list[Any], **more: Any) -> bytes:
    data = [{"object": "embedding", "index": at, "embedding": each} for at, each in enumerate(embeddings)]
    used = {"prompt_tokens": 4, "total_tokens": 4, "completion_tokens": 0, "prompt_tokens_details": None}
    told = {"id": "embd-1", "object": "list", "created": 7, "model": "BAAI/bge-m3", "data": data, "usage": used}
    return json.dumps(told | more).encode()


def whole(body: bytes, asked: AnswerShape = ASKED, variant: Variant = STUDENT) -> Any:
    found = adapt_whole(body, asked, variant)
    return json.loads(found) if isinstance(found, bytes) else found


@pytest.mark.parametrize("given", ["one", ["one"], ["one", "two"]])
def test_the_candidate_gets_the_texts(given: Any) -> None:
    """Its own model, what the variant says, and nothing that only a frontier keeps; no default of a chat is added."""
    body = json.dumps({"model": "bge-m3", "input": given, "encoding_format": "base64", "user": "u", "dimensions": 8})
    found = adapt_request(body.encode(), PATH, STUDENT, kind="vllm")
    assert isinstance(found, Adapted)
    assert json.loads(found.body) == {"model": "BAAI/bge-m3", "input": given, "encoding_format": "base64"}
    inputs = 1 if given == "one" else len(given)
    assert found.asked == AnswerShape("embeddings", "bge-m3", inputs=inputs, is_base64=True)


@pytest.mark.parametrize("body", ['{"input": "x"}', '{"model": "m"}', '{"model": "m", "input": [1]}', "{", "[]",
                                  '{"model": "m", "input": []}', '{"model": "m", "input": ""}'])  # fmt: skip
def test_what_is_no_request_for_embeddings_is_unfit(body: str) -> None:
    """The baseline says what is wrong with it."""
    assert adapt_request(body.encode(), PATH, STUDENT, kind="vllm") == Unfit("malformed")


@pytest.mark.parametrize("is_base64", [False, True])
@pytest.mark.parametrize("engine", [VECTORS, TEXTS], ids=["floats", "base64"])
def test_the_app_gets_vectors_as_it_asked_for_them(engine: list[Any], *, is_base64: bool) -> None:
    """In the encoding asked for, whatever the engine answers in; the model asked for; no field that OpenAI has not."""
    asked = AnswerShape("embeddings", "bge-m3", inputs=2, is_base64=is_base64)
    found = whole(answer(engine), asked)
    assert [each["embedding"] for each in found["data"]] == (TEXTS if is_base64 else VECTORS)
    assert (found["model"], found["usage"]) == ("bge-m3", {"prompt_tokens": 4, "total_tokens": 4})
    assert set(found) == {"object", "data", "model", "usage"}


def test_who_answered_is_told_where_the_policy_says_so() -> None:
    """`report_model: actual` shows the candidate's own name."""
    shown = Variant("vllm", model="BAAI/bge-m3", report_model="actual")
    assert whole(answer(VECTORS), variant=shown)["model"] == "BAAI/bge-m3"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (answer(VECTORS[:1]), "unasked_vectors"), (answer([]), "empty"), (b"{", "malformed"),
        (answer([3, 4]), "malformed"),
        (answer([None, None]), "malformed"), (answer(["!", "?"]), "malformed"), (answer([["a"], ["b"]]), "malformed"),
        (answer([[], []]), "malformed"), (answer(["AAA=", "AAAA"]), "malformed"),
        (answer(VECTORS, error={"message": "no"}), "error_event"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_the_baselines(body: bytes, reason: str) -> None:
    """Too few vectors, none, or none that is one."""
    for is_base64 in (True, False):
        found = whole(body, AnswerShape("embeddings", "bge-m3", inputs=2, is_base64=is_base64))
        assert isinstance(found, CandidateFailure)
        assert found.reason == reason
