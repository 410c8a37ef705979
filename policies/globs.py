"""Names with stars: `gpt-4o*` is every name that begins so. Standard library only, read on the hot path.

`*` stands for any number of characters, `?` for one; everything else for itself. There are no other signs.
"""

import fnmatch
import re
from collections.abc import Iterable
from functools import lru_cache


def is_glob(name: str) -> bool:
    """Whether a name stands for more than itself."""
    return "*" in name or "?" in name


def is_like(name: str, globs: tuple[str, ...]) -> bool:
    """Whether `name` is what any of `globs` stands for."""
    return bool(globs) and _compiled(globs).fullmatch(name) is not None


def regex(names: Iterable[str]) -> str:
    """A regular expression of RE2 for all that `names`, globs or not, stand for."""
    return "|".join("".join(_SIGNS.get(sign) or re.escape(sign) for sign in name) for name in names)


_SIGNS = {"*": "(?s:.*)", "?": "(?s:.)"}


@lru_cache(maxsize=1024)
def _compiled(globs: tuple[str, ...]) -> re.Pattern[str]:
    """What `fnmatch` makes of them takes no longer than name times glob, however hostile the name."""
    return re.compile("|".join(fnmatch.translate(glob.replace("[", "[[]")) for glob in globs))


@lru_cache(maxsize=4096)
def meet(one: str, two: str) -> bool:
    """Whether some name is what both stand for."""
    if not one or not two:
        return not (one + two).strip("*")
    if one[0] == "*":
        return meet(one[1:], two) or meet(one, two[1:])
    if two[0] == "*":
        return meet(one, two[1:]) or meet(one[1:], two)
    return (one[0] == two[0] or "?" in (one[0], two[0])) and meet(one[1:], two[1:])
