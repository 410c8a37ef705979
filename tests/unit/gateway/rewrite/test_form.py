"""What no OpenAI client can use is a fault of form, by its word; what servers send otherwise is none."""

import json
from typing import get_args

import pytest

from gateway.rewrite.answer import StreamAdapter, adapt_whole
from gateway.rewrite.form import FAULTS, Fault
from gateway.rewrite.problem import CandidateFailure
from gateway.rewrite.request import adapt_request
from gateway.rewrite.shapes import Adapted, AnswerShape
from policies.routing import Variant
from tests.rooms.answer_forms import DONE, FAULTY, ODD, Form, chunk, part
from tests.rooms.dialect_samples import SAMPLES

STUDENT = Variant("vllm")
UNASKED = {"custom-tool", "image-events", "no-blank-line"}
"""What no candidate is asked for; and events that nothing parts, which no SDK reads."""


def found(form: Form) -> tuple[str, bool]:
    """The fault that is seen in an answer, and whether the app has words of it by then."""
    request = json.dumps({"model": "gpt-4o"} | form.request).encode()
    adapted = adapt_request(request, f"/v1/{form.path}", STUDENT, kind="vllm")
    assert isinstance(adapted, Adapted)
    if not form.stream:
        answer = adapt_whole(form.body, adapted.asked, STUDENT)
        return (answer.reason, False) if isinstance(answer, CandidateFailure) else ("", True)
    adapter = StreamAdapter(adapted.asked, STUDENT)
    shown = adapter.feed(form.first)
    assert adapter.failure is None
    adapter.feed(form.body)
    if adapter.failure is None:
        adapter.end()
    if adapter.failure is None:
        return "", True
    assert adapter.failure.kind == "failure"
    return adapter.failure.reason, bool(shown)


@pytest.mark.parametrize("form", FAULTY, ids=str)
def test_what_no_client_can_use_is_a_fault(form: Form):
    """Whole, and in a stream before its first word and behind it: a failure of the candidate's, with its word."""
    assert found(form) == (form.fault, bool(form.first))


@pytest.mark.parametrize("form", ODD, ids=str)
def test_what_servers_send_is_no_fault(form: Form):
    """Whatever OpenAI would not send and an app can use: the candidate answers."""
    assert found(form) == ("", True)


@pytest.mark.parametrize("name", [name for name in SAMPLES if name not in UNASKED and SAMPLES[name][1].get("complete")])
def test_no_dialect_is_a_fault(name: str):
    """Each server's answers of the table of dialects that end as they should."""
    body, _ = SAMPLES[name]
    is_stream = body.lstrip().startswith((b"data", b":", b"retry"))
    assert found(Form(name, body, stream=is_stream)) == ("", True)


def test_an_end_in_each_event_is_not_the_last():
    """Of a server that says `stop` with every word nothing tells when it has said all: it is heard to its own end."""
    adapter = StreamAdapter(AnswerShape("chat", "gpt-4o", stream=True), STUDENT)
    words = [chunk(part({"content": word}, "stop")) for word in ("H", "i", "!")]
    said = [adapter.is_said for word in words if adapter.feed(word)]
    assert (said, adapter.failure) == ([True, False, False], None)
    assert adapter.feed(DONE)
    assert adapter.done


def test_each_fault_is_seen_somewhere():
    """The list of faults, what each means, and the table of answers say the same words."""
    assert {*get_args(Fault)} == {*FAULTS} == {form.fault for form in FAULTY}
