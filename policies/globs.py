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
    below = [_is_all_stars(two[at:]) for at in range(len(two) + 1)]  # of what is left of each, from their ends on
    for first in range(len(one) - 1, -1, -1):
        here = [*below[:-1], _is_all_stars(one[first:])]
        for second in range(len(two) - 1, -1, -1):
            if "*" in (one[first], two[second]):
                here[second] = below[second] or here[second + 1]
            else:
                is_same = one[first] == two[second] or "?" in (one[first], two[second])
                here[second] = is_same and below[second + 1]
        below = here
    return below[0]


def _is_all_stars(rest: str) -> bool:
    return not rest.strip("*")
