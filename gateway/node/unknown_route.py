"""A route's name that nobody has: said in one sentence, with what was probably meant."""

import difflib
from collections.abc import Collection

_NAMED = 6
"""Routes that a hint lists at most."""


def unknown_route(name: str, known: Collection[str]) -> str:
    """What is wrong with a route's name that nobody has, and what was probably meant."""
    near = difflib.get_close_matches(name, known, n=1)
    listed = ", ".join(sorted(known)[:_NAMED]) + (", …" if len(known) > _NAMED else "")
    hint = f"did you mean {near[0]}?" if near else f"there are {listed or 'none'}"
    return f"no route is called {name!r}. hint: {hint}"
