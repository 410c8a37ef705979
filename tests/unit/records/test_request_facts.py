"""What a request asks."""

import json
from typing import Any

import pytest

from records.request_facts import Question, read_question, text_bytes, user_hash
from tests.rooms.odd_values import odd_versions

PEPPER = b"p" * 32
FIRST = [{"role": "system", "content": "You triage."}, {"role": "user", "content": "hello"}]


def read(key_id: str = "k", surface: Any = "chat", **fields: Any) -> Question:
    return read_question(surface, json.dumps({"model": "m", **fields}).encode(), key_id, PEPPER)


def test_a_conversation_is_its_beginning():
    """Later turns of a conversation have its id; another beginning, caller or user has another."""
    start = read(messages=FIRST)
    later = read(messages=[*FIRST, {"role": "assistant", "content": "hi"}, {"role": "user", "content": "bye"}])
    others = [
        read(messages=FIRST[1:]),
        read(messages=FIRST, user="anna"),
        read("other key", messages=FIRST),
        read(messages=[FIRST[0], {"role": "user", "content": "hullo"}]),
    ]

    assert start.conversation_id == later.conversation_id != ""
    assert len({start.conversation_id, *(other.conversation_id for other in others)}) == 5
    assert start.prompt_hash != later.prompt_hash
    assert start.system_hash == later.system_hash


def test_a_date_in_the_system_prompt_makes_no_other_prompt():
    """Each request tells the time: its conversation, its prompt and its system prompt are those of the one before."""
    read_at = [
        read(messages=[{"role": "system", "content": f"You triage. It is {now}."}, FIRST[1]], instructions=f"At {now}")
        for now in ("2026-11-30T03:28:11Z", "2026-12-01T23:00:00Z")
    ]
    said = [read(messages=[{"role": "user", "content": f"what of {day}?"}]) for day in ("2026-11-30", "2026-12-01")]

    for name in ("conversation_id", "prompt_hash", "system_hash"):
        assert len({getattr(one, name) for one in read_at}) == 1
    assert said[0].prompt_hash != said[1].prompt_hash and said[0].conversation_id != said[1].conversation_id


@pytest.mark.parametrize(
    "named",
    [
        {"conversation": "conv_1"},
        {"conversation": {"id": "conv_1"}},
        {"metadata": {"conversation_id": "conv_1"}},
        {"metadata": {"session_id": "conv_1"}},
    ],
)
def test_a_conversation_may_have_a_name(named):
    """An id that the app gives holds, whatever the messages say."""
    ids = {read(messages=[{"role": "user", "content": text}], **named).conversation_id for text in ("a", "b")}

    assert len(ids) == 1
    assert ids != {read(messages=[{"role": "user", "content": "a"}]).conversation_id}


def test_responses():
    """Input is one text or a list of items, under instructions."""
    text = read(surface="responses", input="hello", instructions="You triage.")
    items = read(surface="responses", input=[{"role": "user", "content": "hello"}], instructions="You triage.")

    assert text.conversation_id == items.conversation_id
    assert text.prompt_hash == items.prompt_hash
    assert text.prompt_hash != read(surface="responses", input="hello").prompt_hash


def test_what_else_is_read():
    """Model, tier, tools, schema, store and user, each where its API has it."""
    question = read(
        messages=FIRST,
        service_tier="flex",
        store=False,
        safety_identifier="anna",
        previous_response_id="resp_1",
        tools=[{"type": "function"}],
        response_format={"type": "json_schema"},
    )

    assert (question.model, question.service_tier, question.store_false) == ("m", "flex", True)
    assert question.previous_response_id == "resp_1"
    assert question.user_id == user_hash("anna", PEPPER)
    assert question.tools_hash
    assert question.schema_hash
    assert question.schema_hash == read(surface="responses", text={"format": {"type": "json_schema"}}).schema_hash
    assert not read(messages=FIRST, store=None).store_false


def test_hashes_are_keyed():
    """Without the pepper nobody can try out users or prompts."""
    assert user_hash("anna", PEPPER) != user_hash("anna", b"q" * 32)
    assert user_hash("", PEPPER) == ""


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_object(body):
    """A body that is no JSON object asks nothing that could be read."""
    assert read_question("chat", body, "k", PEPPER) == Question(None)


@pytest.mark.parametrize("fields", [{"messages": 7}, {"messages": [7, {"role": 7}]}, {"input": {}}, {"metadata": []}])
def test_odd_shapes(fields):
    """Fields of other shapes than the API's are no error."""
    assert read(**fields).fields == {"model": "m", **fields}


def test_words_are_counted():
    """What a model reads counts; names, ids and media do not."""
    body = {
        "model": "long-name",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "12345"}, {"image_url": {"url": "data:image"}}]},
            {"role": "assistant", "tool_calls": [{"id": "call_1", "function": {"name": "f", "arguments": "{}"}}]},
        ],
    }

    assert text_bytes(body) == 7


@pytest.mark.parametrize("surface", ["chat", "responses", "completions"])
def test_whatever_a_body_holds_it_is_read(surface):
    """Apps send odd things, and the recorder reads all of them."""
    system = {"role": "system", "content": [{"type": "text", "text": "Today is 2026-11-30."}]}
    body = {
        "messages": [system, *FIRST],
        "input": [system, *FIRST],
        "instructions": "2026-11-30",
        "metadata": {"session_id": "a"},
    }
    for odd in odd_versions(body):
        assert read(surface=surface, **odd).fields is not None
