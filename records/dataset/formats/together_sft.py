"""`together-sft`: chat rows for Together, which wants turns of user and assistant to alternate.

Earlier turns of the assistant have `weight: 0`. Source: Together, "Data preparation": conversational data.
"""

from collections.abc import Iterator
from dataclasses import replace

from records.dataset.example import Fields
from records.dataset.formats.openai_sft import FORMAT as OPENAI
from records.dataset.messages import alternation_faults, turns_of


def _faults(fields: Fields) -> Iterator[str]:
    yield from OPENAI.faults(fields)
    yield from alternation_faults(turns_of(fields))


FORMAT = replace(OPENAI, faults=_faults, turn_faults=alternation_faults)
