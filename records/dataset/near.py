"""Near duplicates: rows that say almost the same, by the words they share. Needs the extra `near` (datasketch).

Source: Broder 1997, "On the resemblance and containment of documents" (MinHash, shingles of words).
"""

import importlib
import re
from typing import Any

_WORD = re.compile(r"\w+")
_SHINGLE = 3
"""Words in a row."""
_PERMUTATIONS = 128


class NearDuplicates:
    """Tells whether a text is nearly one that came before."""

    def __init__(self, likeness: float) -> None:
        """`likeness`: of the sets of shingles, 0 to 1, from which on texts are taken for the same.

        Raises:
            ValueError: it is no likeness, or the library is not there.
        """
        if not 0.0 < likeness < 1.0:
            raise ValueError(f"a likeness of {likeness:g}. hint: between 0 and 1, as 0.9")
        try:
            self._library: Any = importlib.import_module("datasketch")
        except ModuleNotFoundError as error:
            raise ValueError(
                'near duplicates need datasketch. hint: install the extra `near` (README, "Install")'
            ) from error
        self._likeness = likeness
        self._index = self._library.MinHashLSH(threshold=likeness, num_perm=_PERMUTATIONS)
        self._sketches: dict[int, Any] = {}

    def has(self, text: str) -> bool:
        """Whether it is nearly one that was kept; else it is kept, and later ones are held against it."""
        sketch = self._library.MinHash(num_perm=_PERMUTATIONS)
        sketch.update_batch(shingles(text))
        if any(sketch.jaccard(self._sketches[found]) >= self._likeness for found in self._index.query(sketch)):
            return True
        number = len(self._sketches)
        self._sketches[number] = sketch
        self._index.insert(number, sketch)
        return False


def shingles(text: str) -> list[bytes]:
    """Runs of words, each once; of a short text all of its words as one."""
    words = _WORD.findall(text.casefold())
    starts = range(max(1, len(words) - _SHINGLE + 1))
    return [run.encode() for run in {" ".join(words[at : at + _SHINGLE]) for at in starts}]
