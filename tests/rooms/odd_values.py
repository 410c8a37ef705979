"""What may stand where something else was meant: every place of a value, with each odd thing in it."""

import copy
from collections.abc import Iterator
from typing import Any

ODD: tuple[Any, ...] = (None, 5, "x", "", [], {}, [5], [{}], {"a": 1}, True, 1e300, "{", "[1]")


def odd_versions(value: Any) -> Iterator[Any]:
    """The value with one of its places holding something odd, each in turn; of long lists the first two places."""
    for path in _places(value, ()):
        for odd in ODD:
            whole = holder = copy.deepcopy(value)
            for name in path[:-1]:
                holder = holder[name]
            holder[path[-1]] = odd
            yield whole


def _places(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for name, item in inner:
        yield (*path, name)
        yield from _places(item, (*path, name))
