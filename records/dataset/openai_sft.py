"""`openai-sft`, the interchange format: OpenAI, Azure, Together, Fireworks, Axolotl and LLaMA-Factory read it.

Source: OpenAI API reference, "Fine-tuning: chat format".
"""

from records.dataset.export_format import Example, ExportFormat

_COLUMNS = """\
  - name: messages
    list: json
  - name: tools
    dtype: json
  - name: parallel_tool_calls
    dtype: bool"""


def _line(example: Example) -> Example:
    return example


def _read_tools(tools: object) -> object:
    return tools


FORMAT = ExportFormat(_line, _read_tools, tools_are="a list", columns=_COLUMNS)
