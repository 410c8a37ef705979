"""Validity against the schema that the request states, or that the policy's file does."""

import json
from typing import Any

import pytest

from shadow.compare import schema
from shadow.compare.pair import Score
from tests.rooms.pairs import answer, called, pair

TICKET = {"type": "object", "properties": {"team": {"enum": ["billing", "refunds"]}}, "required": ["team"]}
STATED = {"response_format": {"type": "json_schema", "json_schema": {"name": "ticket", "schema": TICKET}}}
GOOD, BAD = '{"team": "billing"}', '{"team": "sales"}'


def files(**texts: Any) -> Any:
    def read(name: str) -> bytes:
        if name not in texts:
            raise FileNotFoundError(name)
        return texts[name].encode() if isinstance(texts[name], str) else json.dumps(texts[name]).encode()

    return read


def validity(score: Score) -> tuple[bool | None, bool | None]:
    assert (score.q, score.agree, score.equal) == (None, None, False)
    return score.valid_baseline, score.valid_candidate


compare = schema.make({"file": None}, files())


def test_each_answer_is_held_to_the_requests_schema() -> None:
    """Each for itself: validity says nothing of likeness."""
    assert validity(compare(pair(GOOD, BAD, STATED))) == (True, False)
    assert validity(compare(pair("sorry", GOOD, STATED))) == (False, True)


def test_json_mode_asks_for_an_object() -> None:
    """Any object; fences are no JSON where the engine was told to write nothing else."""
    mode = {"response_format": {"type": "json_object"}}
    assert validity(compare(pair("{}", "[]", mode))) == (True, False)
    assert validity(compare(pair("{}", "```json\n{}\n```", mode))) == (True, False)


def test_nothing_is_asked_where_nothing_is_stated() -> None:
    """Neither answer is valid or invalid."""
    assert validity(compare(pair("a", "b"))) == (None, None)


def test_an_answer_that_calls_a_tool_owes_no_text() -> None:
    """Whether its call is right, `tool_calls` says; with text beside the call, the text counts."""
    assert validity(compare(pair(GOOD, answer("", called("f")), STATED))) == (True, None)
    assert validity(compare(pair(GOOD, answer(BAD, called("f")), STATED))) == (True, False)


def test_the_policys_own_file() -> None:
    """Goes before the request's; fences are forgiven where the app did not ask for JSON."""
    own = schema.make({"file": "ticket.json"}, files(**{"ticket.json": TICKET}))
    assert validity(own(pair(GOOD, f"```json\n{BAD}\n```"))) == (True, False)
    assert validity(own(pair(GOOD, f"```json\n{GOOD}\n```"))) == (True, True)
    assert validity(own(pair("{}", "{}", {"response_format": {"type": "json_object"}}))) == (False, False)


@pytest.mark.parametrize("text", ["", "[]", "{", {"$ref": "http://example.com"}, "[" * 100_000, "{}" + " " * 2**20])
def test_a_file_that_is_no_schema_is_refused(text: Any) -> None:
    """When the comparator is made, with what to do."""
    with pytest.raises(ValueError, match=r"^ticket\.json: no JSON Schema .* hint: "):
        schema.make({"file": "ticket.json"}, files(**{"ticket.json": text}))


def test_a_file_that_is_not_there() -> None:
    """Is whoever reads files to complain of."""
    with pytest.raises(FileNotFoundError):
        schema.make({"file": "ticket.json"}, files())


def test_what_cannot_be_told_is_not_told() -> None:
    """A request's schema that cannot be kept to, and an answer too long to look at."""
    odd = {"response_format": {"type": "json_schema", "json_schema": {"schema": {"$ref": "http://example.com"}}}}
    assert validity(compare(pair(GOOD, BAD, odd))) == (None, None)
    assert validity(compare(pair(GOOD, "x" * 1_000_001, STATED))) == (True, None)
