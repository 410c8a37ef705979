"""`trl-sft`, for TRL's SFTTrainer: its card declares tool arguments and tools as JSON.

So `datasets.load_dataset` gives objects, as chat templates want them. In the file arguments are JSON text, as the model
wrote it: as objects, Arrow would give each call the arguments of all others as nulls, and `datasets` would cut decimals
to ten places.

Source: TRL, "Dataset formats", conversational language modeling.
"""

import msgspec

from records.dataset.export_format import Example, ExportFormat, Fields

_COLUMNS = """\
  - name: messages
    list:
    - name: role
      dtype: string
    - name: content
      dtype: string
    - name: name
      dtype: string
    - name: tool_call_id
      dtype: string
    - name: tool_calls
      list:
      - name: id
        dtype: string
      - name: type
        dtype: string
      - name: function
        struct:
        - name: name
          dtype: string
        - name: arguments
          dtype: json
  - name: tools
    dtype: json"""
_NOTE = """
Decimals in tool arguments stand in the files as the model wrote them. `datasets` 5.2 reads JSON columns with a fast
parser that may change their last digit: 0.6 becomes 0.6000000000000001.
"""


def _line(example: Example) -> Example:
    tools = msgspec.json.encode(example.tools).decode() if example.tools else None
    return Example([_with_content(message) for message in example.messages], tools)


def _with_content(message: Fields) -> Fields:
    """Chat templates join content to other text: it is never null."""
    return message | {"content": ""} if message["content"] is None else message


def _read_tools(tools: object) -> object:
    try:
        return msgspec.json.decode(tools) if isinstance(tools, str) else None
    except (msgspec.DecodeError, RecursionError):
        return None


FORMAT = ExportFormat(_line, _read_tools, tools_are="the JSON text of a list", columns=_COLUMNS, note=_NOTE)
