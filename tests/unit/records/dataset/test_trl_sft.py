import json

from records.dataset.export_format import Example
from records.dataset.trl_sft import FORMAT


def test_a_line_is_what_chat_templates_take() -> None:
    """Content is never null, tools are JSON text, and what templates do not know is left out."""
    example = Example([{"role": "assistant", "content": None, "tool_calls": []}], [{"a": 1}], parallel_tool_calls=True)
    line = FORMAT.line(example)
    assert line.messages == [{"role": "assistant", "content": "", "tool_calls": []}]
    assert json.loads(str(line.tools)) == [{"a": 1}]
    assert line.parallel_tool_calls is None
    assert example.messages[0]["content"] is None


def test_tools_are_text_of_json() -> None:
    """Text that is no JSON, or nested beyond reason, stands for no tools."""
    assert FORMAT.read_tools("[1]") == [1]
    assert [FORMAT.read_tools(value) for value in ("[", "[" * 100_000, [1], None)] == [None] * 4
