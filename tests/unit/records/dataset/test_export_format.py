import json

import msgspec
import pytest
import yaml

from records.dataset.check import check_line
from records.dataset.export_format import Example, export_format
from records.dataset.formats import FORMATS

CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"zip": 1}'}}
EXAMPLE = Example(
    [{"role": "user", "content": "weather?"}, {"role": "assistant", "content": None, "tool_calls": [CALL]}],
    [{"type": "function", "function": {"name": "weather"}}],
    parallel_tool_calls=False,
)


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_format_writes_it_also_takes(name: str) -> None:
    """A line passes the format's own check, its tools are the list they stand for, and its card's features are YAML."""
    shape = export_format(name)
    line = shape.line(EXAMPLE)
    assert list(check_line(msgspec.json.encode(line), name)) == []
    assert shape.read_tools(line.tools) == EXAMPLE.tools
    assert {column["name"] for column in yaml.safe_load(shape.columns)} >= {"messages", "tools"}


@pytest.mark.parametrize("name", FORMATS)
def test_tools_that_are_none(name: str) -> None:
    """Tools that are not what the format says are a fault, which says what they have to be."""
    line = json.dumps({"messages": EXAMPLE.messages, "tools": {"a": 1}}).encode()
    assert list(check_line(line, name)) == [f"tools: {export_format(name).tools_are}"]


def test_a_format_that_there_is_not() -> None:
    """Another name is refused, with those there are."""
    with pytest.raises(ValueError, match=r"'csv' is no export format. hint: there are openai-sft, trl-sft"):
        export_format("csv")
