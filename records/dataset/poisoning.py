"""Rows that somebody may have planted: many that say nearly the same, and a source that gives far more than others.

Rules:
1. A source is a user where the app names its users, else a key.
2. Rows say nearly the same if the smallest hashes of their runs of words are equal: of texts that share nine runs of
   ten, one of two such hashes agrees in 99 cases of 100. Equal rows stand in a dataset once; this finds those that
   were varied a little, from one source or from many.
3. It is told, with ids to look at, and nothing is left out: whether rows are poison is for people to say.

Source: Souly et al. 2025 (arXiv 2510.07192): some 250 planted documents suffice, whatever the size of the rest.
"""

import zlib
from collections import Counter, defaultdict
from statistics import median
from typing import NamedTuple

import numpy as np

from records.dataset.example import Fields

LEAST_ALIKE = 50
"""Rows that say nearly the same."""
LEAST_OF_SOURCE = 100
MANY_TIMES = 10
"""The rows of the source in the middle."""
LEAST_SOURCES = 5
_RUN = 4
"""Words in a row."""
_LEAST_WORDS = 8
"""Shorter messages are often alike, and mean nothing by it."""
_FACTORS = (1, 0x9E3779B1)
"""Each makes another order of the hashes."""
_MASK = 0xFFFFFFFF
_CELLS = 1 << 20
_SHOWN = 3
_MOST_TOLD = 20


class AlikeRows(NamedTuple):
    """Rows that say nearly the same."""

    rows: int
    sources: int
    shown: tuple[str, ...]
    """Ids of some."""


class Poisoning:
    """Looks at all rows twice: what is rare is not held."""

    def __init__(self) -> None:
        """Nothing was seen."""
        self._cells = np.zeros((len(_FACTORS), _CELLS), dtype=np.uint8)
        self._groups: dict[tuple[int, int], list[str]] = defaultdict(list[str])
        self._group_sources: dict[tuple[int, int], set[str]] = defaultdict(set[str])
        self._sizes: Counter[tuple[int, int]] = Counter()
        self._sources: Counter[str] = Counter()

    def look(self, prompt: list[Fields]) -> None:
        """A first look at a row."""
        for row, sign in enumerate(_signs(prompt)):
            cell = sign % _CELLS
            if self._cells[row, cell] < LEAST_ALIKE:  # more than enough is not counted: a cell does not begin anew
                self._cells[row, cell] += 1

    def count(self, row_id: str, source: str, prompt: list[Fields]) -> None:
        """A second look, at a row that is kept."""
        self._sources[source] += 1
        for row, sign in enumerate(_signs(prompt)):
            if self._cells[row, sign % _CELLS] < LEAST_ALIKE:
                continue
            group = (row, sign)
            self._sizes[group] += 1
            self._group_sources[group].add(source)
            if len(self._groups[group]) < _SHOWN:
                self._groups[group].append(row_id)

    def alike(self) -> list[AlikeRows]:
        """Groups of rows that say nearly the same, the largest first; of groups that share rows, one."""
        found: list[AlikeRows] = []
        seen: set[str] = set()
        for group, rows in self._sizes.most_common(_MOST_TOLD):
            ids = self._groups[group]
            if rows >= LEAST_ALIKE and seen.isdisjoint(ids):
                found.append(AlikeRows(rows, len(self._group_sources[group]), tuple(ids)))
                seen.update(ids)
        return found

    def suspicions(self) -> list[str]:
        """A line for each finding."""
        lines = [
            f"{one.rows} rows say nearly the same, from {one.sources} source{'s' if one.sources != 1 else ''}: look at "
            f"{', '.join(one.shown)}"
            for one in self.alike()
        ]
        middle = median(self._sources.values()) if self._sources else 0
        for source, rows in self._sources.most_common(_MOST_TOLD):
            if rows >= max(LEAST_OF_SOURCE, MANY_TIMES * middle) and len(self._sources) >= LEAST_SOURCES:
                lines.append(
                    f"{rows} of {self._sources.total()} rows are of one source, {source or 'without a key'}: "
                    f"{rows / middle:.0f} times what the one in the middle gave"
                )
        return lines


def source_of(user_id: str, key_id: str) -> str:
    """Whose row it is, as the records name them."""
    return f"user {user_id}" if user_id else f"key {key_id}" if key_id else ""


def _signs(prompt: list[Fields]) -> tuple[int, ...]:
    """The smallest hash of each kind of the last words of the user; nothing of a short message."""
    text = next((turn["content"] for turn in reversed(prompt) if turn["role"] == "user" and turn["content"]), "")
    words = text.casefold().split()
    if len(words) < _LEAST_WORDS:
        return ()
    runs = {" ".join(words[at : at + _RUN]).encode() for at in range(len(words) - _RUN + 1)}
    hashes = [zlib.crc32(run) for run in runs]
    return tuple(min(found * factor & _MASK for found in hashes) for factor in _FACTORS)
