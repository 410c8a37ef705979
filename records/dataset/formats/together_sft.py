"""`together-sft`: chat rows for Together, which wants turns of user and assistant to alternate.

Earlier turns of the assistant have `weight: 0`. Source: Together, "Data preparation": conversational data.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any, cast

from records.dataset.example import Fields
from records.dataset.formats.openai_sft import FORMAT as OPENAI


def _faults(fields: Fields) -> Iterator[str]:
    yield from OPENAI.faults(fields)
    messages = fields.get("messages")
    turns = cast(list[Any], messages) if isinstance(messages, list) else []
    roles = [cast(Fields, turn).get("role") for turn in turns if isinstance(turn, dict)]
    for place, (before, role) in enumerate(pairwise(roles), start=1):
        if role in ("user", "assistant") and role == before:
            yield f"messages[{place}]: two turns of the {role} one after the other"


FORMAT = replace(OPENAI, faults=_faults)
