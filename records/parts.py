"""Work in parts that know nothing of each other: here one after another, or on as many machines as there are.

A part is small and says what to read; the work reads it, wherever it runs. All results come back in the order of the
parts, so that nothing of what is made of them shows where they were made.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

_Part = TypeVar("_Part")
_Result = TypeVar("_Result")


class PartRunner(Protocol):
    """Has the parts of a work done somewhere."""

    def __call__(self, work: Callable[[_Part], Iterable[_Result]], parts: Iterable[_Part]) -> Iterator[_Result]:
        """What each part gives, in the order of the parts. Elsewhere than here, all three are pickled."""
        ...


def run_here(work: Callable[[_Part], Iterable[_Result]], parts: Iterable[_Part]) -> Iterator[_Result]:
    """In this process: one part after another, each as it is asked for."""
    for part in parts:
        yield from work(part)
