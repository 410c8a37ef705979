"""How far long work is: on a terminal a line with its rate and the time left, in a pipe nothing.

What draws it is loaded when there is something to draw.
"""

import contextlib
import importlib
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, TypeVar

Each = TypeVar("Each")
Tick = Callable[[int], None]
"""So many more are done."""


@contextlib.contextmanager
def progress(what: str, total: int | None = None) -> Generator[Tick]:
    """Show it while the block runs; `total` None: nobody knows how many there are, and no time left is told."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    bar: Any = importlib.import_module("tqdm").tqdm(
        total=total, desc=what, unit="", file=sys.stderr, leave=False, dynamic_ncols=True, mininterval=0.2
    )
    try:
        yield bar.update
    finally:
        bar.close()


def counted(many: Iterable[Each], what: str, total: int | None = None) -> Iterator[Each]:
    """The same, one after another, while it is shown how far one is."""
    with progress(what, total) as done:
        for each in many:
            yield each
            done(1)
