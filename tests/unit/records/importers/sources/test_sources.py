"""Each system's exports, shaped as that system writes them: what is taken over, and what is told of the rest."""

import contextlib
from pathlib import Path
from typing import Any

import pytest

from records.importers.imported import ImportedExchange, PassedOverError, UnfitRowError
from records.importers.intake import LogImport, imported_id, record_of
from records.importers.reading import rows_of
from records.importers.sources import SOURCES, source_named
from records.pricing import PriceBook
from records.record_maker import RecordMaker
from records.redact import Redactor
from records.store import Store
from tests.fakes.exchanges import AT
from tests.rooms.odd_values import odd_versions

MAKER = RecordMaker(b"pepper", Redactor(), PriceBook({}), {})
IMPORT = LogImport(Store(Path("none")), MAKER, "a log", source_named("openai"), lambda *_: "", AT, 0.0)
EXPORTS = Path(__file__).parents[4] / "fakes" / "exports"


def read(name: str) -> tuple[list[ImportedExchange], list[str]]:
    """The exchanges of an export, and what is told of its other rows, by line."""
    found: list[ImportedExchange] = []
    told: list[str] = []
    for row in rows_of(EXPORTS / name):
        if row.fields is None:
            told.append(f"{row.line}: {row.fault}")
            continue
        try:
            found += source_named(Path(name).stem)(row.fields)
        except (UnfitRowError, PassedOverError) as error:
            told.append(f"{row.line}: {error}")
    return found, told


def asked(one: ImportedExchange) -> Any:
    """What the user said last; None: the request was not kept."""
    return one.request and (one.request.get("input") or one.request["messages"][-1]["content"])


def answered(one: ImportedExchange) -> Any:
    """The words or the calls of the answer."""
    if one.response is None or "choices" not in one.response:
        return None
    message = one.response["choices"][0]["message"]
    return message["content"] or [call["function"]["name"] for call in message["tool_calls"]]


SAID = {
    "litellm.json": [
        ("Where is order 7? Mail bob@example.com", "On its way.", 200), ("A sofa is broken", ["find_order"], 200),
        (None, None, 200), (None, "Yes.", 200), ("Hello?", None, 429),
    ],
    "litellm.csv": [
        ("Where is order 7? Mail bob@example.com", "On its way.", 200), ("A sofa is broken", ["find_order"], 200),
        (None, None, 200),
    ],
    "langfuse.jsonl": [
        ("Where is my parcel?", "In Hamburg.", 200), ("Cancel order 9", ["find_order"], 200),
        ("Summarise the call", "The caller wants a refund.", 200),
        ("Classify this", '{"intent": "refund", "sure": true}', 200), ("Hello?", None, 500),
        ("By the API?", "Yes.", 200), ("in Rome", "The one in Rome.", 200),
    ],
    "helicone.jsonl": [
        ("Is it open?", "Until eight.", 200), ("Has it left?", "It left.", 200), (None, None, 200),
        ("Too fast", None, 429),
    ],
    "openpipe.jsonl": [
        ("Where?", ["find_order"], 200), ("Too long", None, 500), ("Refund?", "No.", 200), ("Bye", "Bye!", 200),
    ],
    "tensorzero.jsonl": [
        ("Where is it?", "In Rome.", 200), ("lost", "It is lost.", 200), ("As JSON", '{"intent":"refund"}', 200),
        ("Corrected?", "Wrong.", 200), ("As it was sent", "As it came.", 200),
    ],
    "openai.jsonl": [
        ("Two", "Second.", 200), ("Three", "Third.", 200), ("Four", "Fourth.", 200), ("Which?", "The worse.", 200),
        ("Logged?", "Logged.", 200), ("Batched?", "Batched.", 200), ("Stored?", "Stored.", 200),
        ("By Responses?", None, 200),
    ],
}  # fmt: skip
"""Of each export: what was asked, what was answered, and the status."""
TOLD = {
    "litellm.json": ["290: call_type aembedding", "324: startTime: no date and time"],
    "litellm.csv": ["5: 2 cells under 28 names"],
    "langfuse.jsonl": [
        "2: type SPAN", "7: input: no messages with a role and content", "10: not JSON",
    ],
    "helicone.jsonl": [
        "4: asked of /v1/messages", "6: no export of Helicone: request_id and request_created_at are not there",
    ],
    "openpipe.jsonl": ["5: input.messages: no list of messages"],
    "tensorzero.jsonl": ["6: a template's arguments: import ModelInference, which has what was sent"],
    "openai.jsonl": [
        "8: messages: no answer of the assistant to anything",
        "9: neither messages, nor a request with its response, nor a preference",
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_an_export_is_taken_over(name):
    """Requests and answers of every kind of row come through; what is none, or is broken, is told by its line."""
    found, told = read(name)

    assert [(asked(one), answered(one), one.status) for one in found] == SAID[name]
    assert told == TOLD[name]


@pytest.mark.parametrize("name", [name for name in SAID if name != "litellm.csv"])
def test_whatever_a_field_holds_its_row_is_taken_or_told(name):
    """One odd row of millions ends no import: it is an exchange, or one line that says what is wrong with it."""
    read_row = source_named(Path(name).stem)
    for row in rows_of(EXPORTS / name):
        for odd in odd_versions(row.fields):
            with contextlib.suppress(UnfitRowError, PassedOverError):
                for one in read_row(odd):
                    made = record_of(IMPORT, one, imported_id(name, one), AT)
                    assert 0 <= made.status < 1000


def test_every_source_has_an_export():
    """Whoever adds a system adds a file shaped as it writes them."""
    assert {Path(name).stem for name in SAID} == set(SOURCES)


@pytest.mark.parametrize("name", ["litellm.json", "litellm.csv", "langfuse.jsonl", "helicone.jsonl"])
def test_what_a_log_knows_besides_is_kept(name):
    """Time, model, tokens, price and speed are the log's, whichever way it writes them."""
    first = read(name)[0][0]

    assert first.at is not None and 1_792_900_000 < first.at < 1_793_100_000
    assert (first.model, first.first_byte_s, first.total_s) == (
        "gpt-4o",
        pytest.approx(0.275, abs=0.03),
        pytest.approx(0.8),
    )
    assert first.cost_usd == pytest.approx(0.0002, abs=0.00002)
    assert first.usage is not None
    assert (first.usage["prompt_tokens"], first.usage["completion_tokens"]) == (21, 7)
    assert first.user


def test_one_log_in_two_shapes_is_one_log():
    """LiteLLM's table as CSV and as JSON gives the same exchanges."""
    as_json, as_csv = read("litellm.json")[0], read("litellm.csv")[0]

    assert as_csv == as_json[:3]


def test_what_was_cut_is_not_taken_for_a_prompt():
    """A request that LiteLLM shortened is no request; its answer and its price count."""
    cut = read("litellm.json")[0][3]

    assert cut.request is None
    assert cut.cost_usd == 0.00021


def test_votes_and_corrections_come_along():
    """A thumb is a vote; what was preferred corrects what was said."""
    helicone, openpipe, tensorzero, openai = (
        read(name)[0] for name in ("helicone.jsonl", "openpipe.jsonl", "tensorzero.jsonl", "openai.jsonl")
    )

    assert [one.score for one in helicone] == [1.0, -1.0, None, None]
    corrected = [one.corrected["content"] for one in (*openpipe, *tensorzero, *openai) if one.corrected]
    assert corrected == ["Yes, in five days.", "Right.", "The better."]


def test_each_answer_of_a_fine_tuning_row_is_learned_once():
    """An answer with weight 0 is history; history says nothing of weights; tools stay with each request."""
    second, third, fourth = read("openai.jsonl")[0][:3]

    assert second.request is not None
    assert second.request["parallel_tool_calls"] is False
    assert [turn["content"] for turn in second.request["messages"]] == ["You triage.", "One", "First.", "Two"]
    assert all("weight" not in turn for turn in second.request["messages"])
    assert second.request["tools"][0]["function"]["name"] == "find_order"
    assert third.request is not None
    assert fourth.request is not None
    assert len(fourth.request["messages"]) == len(third.request["messages"]) + 2


def test_tool_results_are_turns_of_their_own():
    """TensorZero has results as blocks of a user's message; the records have them as OpenAI does."""
    looped = read("tensorzero.jsonl")[0][1]

    assert looped.request is not None
    assert [turn["role"] for turn in looped.request["messages"]] == ["system", "user", "assistant", "tool"]
    assert looped.request["messages"][3]["tool_call_id"] == looped.request["messages"][2]["tool_calls"][0]["id"]
    assert looped.request["tools"][0]["function"]["name"] == "find_order"
    assert looped.conversation == "01990001-0000-7000-8000-0000000000aa"


def test_there_is_no_other_source():
    """A name that is none is refused with those that are; a name leads to no other module."""
    with pytest.raises(ValueError, match=r"there are .*litellm"):
        source_named("os")
