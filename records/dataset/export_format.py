"""What an export format consists of, and the format of a name."""

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import msgspec

from records.dataset.formats import FORMATS, MODULES

Fields = dict[str, Any]


class Example(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the file."""

    messages: list[Fields]
    tools: list[Fields] | str | None = None
    """A list, or its JSON text."""
    parallel_tool_calls: bool | None = None


class ExportFormat(NamedTuple):
    """What is peculiar to one format; `records.dataset.sft` does what all have in common."""

    line: Callable[[Example], Example]
    """From an example in OpenAI's shape to this format's line."""
    read_tools: Callable[[object], object]
    """The tools of a line as the list they stand for; anything else: they are none."""
    tools_are: str
    """What `validate` says they have to be."""
    columns: str
    """The card's features, as YAML: what `datasets` infers by itself turns differing tool calls into one shape."""
    note: str = ""
    """The card's last words."""


def export_format(name: str) -> ExportFormat:
    """The format of this name; its module is loaded when it is first asked for.

    Raises:
        ValueError: there is none.
    """
    if name not in MODULES:
        raise ValueError(f"{name!r} is no export format. hint: there are {', '.join(FORMATS)}")
    return cast(ExportFormat, importlib.import_module(MODULES[name]).FORMAT)
