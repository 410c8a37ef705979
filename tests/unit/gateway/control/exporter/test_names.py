import dataclasses
import json

import pytest
from openinference.semconv.trace import MessageAttributes, SpanAttributes, ToolCallAttributes
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv.attributes import (
    error_attributes,
    http_attributes,
    server_attributes,
    url_attributes,
    user_agent_attributes,
)

from gateway.control.exporter.names import CROSSFADE, GEN_AI, HTTP, OPENINFERENCE, SpanFacts, attributes
from gateway.control.exporter.turns import SpokenTurn, TurnPart


def constants(*modules: object) -> set[str]:
    return {value for module in modules for name, value in vars(module).items() if name.isupper()}


def test_every_fact_has_a_name_and_every_name_a_fact() -> None:
    """A fact that no convention names would be lost without a word; a name for none would stay empty."""
    facts = {field.name for field in dataclasses.fields(SpanFacts)}
    assert HTTP.keys() | CROSSFADE.keys() | GEN_AI.keys() | OPENINFERENCE.keys() == facts
    for table in (HTTP, CROSSFADE, GEN_AI, OPENINFERENCE):
        assert len(set(table.values())) == len(table)


def test_names_are_the_conventions_own() -> None:
    """Every name stands in the list that the convention's own package has; ours are under our prefix."""
    assert set(GEN_AI.values()) <= constants(gen_ai_attributes)
    assert set(OPENINFERENCE.values()) <= constants(SpanAttributes)
    assert set(HTTP.values()) <= constants(
        http_attributes, url_attributes, server_attributes, error_attributes, user_agent_attributes
    )
    assert all(name.startswith("crossfade.") for name in CROSSFADE.values())


def test_what_is_not_known_is_not_said() -> None:
    """None and empty say nothing; zero and false are facts."""
    facts = SpanFacts(input_tokens=0, is_shadow=False, output_tokens=None, route="")
    assert dict(attributes(facts, ("gen_ai",))) == {"crossfade.shadow": False, "gen_ai.usage.input_tokens": 0}


TURNS = (
    SpokenTurn("user", (TurnPart("text", "Where?"), TurnPart("other", "image_url"))),
    SpokenTurn("assistant", (TurnPart("tool_call", "{}", "c1", "look_up"),)),
    SpokenTurn("tool", (TurnPart("tool_call_response", "here", "c1"),)),
)


def test_turns_in_the_words_of_genai() -> None:
    """One JSON text: role and parts of each, as the convention's schema has them."""
    told = dict(attributes(SpanFacts(asked=TURNS, system=TURNS[:1]), ("gen_ai",)))
    assert json.loads(str(told["gen_ai.input.messages"])) == [
        {"role": "user", "parts": [{"type": "text", "content": "Where?"}, {"type": "image_url"}]},
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "look_up", "arguments": "{}"}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "here"}]},
    ]
    assert json.loads(str(told["gen_ai.system_instructions"]))[0] == {"type": "text", "content": "Where?"}


def test_turns_in_the_words_of_openinference() -> None:
    """An attribute for each piece, numbered, with the names of its own package."""
    told = dict(attributes(SpanFacts(asked=TURNS), ("openinference",)))
    base = SpanAttributes.LLM_INPUT_MESSAGES
    call = f"{base}.1.{MessageAttributes.MESSAGE_TOOL_CALLS}.0"
    assert told == {
        f"{base}.0.{MessageAttributes.MESSAGE_ROLE}": "user",
        f"{base}.0.{MessageAttributes.MESSAGE_CONTENT}": "Where?",
        f"{base}.1.{MessageAttributes.MESSAGE_ROLE}": "assistant",
        f"{call}.{ToolCallAttributes.TOOL_CALL_ID}": "c1",
        f"{call}.{ToolCallAttributes.TOOL_CALL_FUNCTION_NAME}": "look_up",
        f"{call}.{ToolCallAttributes.TOOL_CALL_FUNCTION_ARGUMENTS_JSON}": "{}",
        f"{base}.2.{MessageAttributes.MESSAGE_ROLE}": "tool",
        f"{base}.2.{MessageAttributes.MESSAGE_CONTENT}": "here",
        f"{base}.2.{MessageAttributes.MESSAGE_TOOL_CALL_ID}": "c1",
    }


@pytest.mark.parametrize("conventions", [("gen_ai",), ("openinference",), ("gen_ai", "openinference")])
def test_each_convention_says_its_own(conventions: tuple[str, ...]) -> None:
    """The names of a convention that is not asked for are not there."""
    told = dict(attributes(SpanFacts(request_model="m", route="r"), conventions))  # type: ignore[arg-type]
    assert ("gen_ai.request.model" in told) is ("gen_ai" in conventions)
    assert ("llm.model_name" in told) is ("openinference" in conventions)
    assert told["crossfade.route"] == "r"
