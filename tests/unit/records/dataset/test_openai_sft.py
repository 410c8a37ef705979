from records.dataset.export_format import Example
from records.dataset.openai_sft import FORMAT


def test_an_example_is_its_own_line() -> None:
    """The interchange format changes nothing."""
    example = Example([{"role": "assistant", "content": None, "tool_calls": []}], [{"a": 1}], parallel_tool_calls=True)
    assert FORMAT.line(example) == example
