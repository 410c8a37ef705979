"""Refuse a public class name that stands for two things in the four packages.

python tools/check_names.py

A name may stand twice where a wall runs between its two homes: what a person writes and what it is compiled to are one
thing on both sides of it. Such names are in `ALLOWED`, each with its reason; one that no longer stands twice goes.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

PACKAGES = ("gateway", "policies", "records", "shadow")
_ROUTING = "a policy's section, and what workers read of it in the routing table"
_RULES = "a policy's section, and what the core decides by"
ALLOWED = {
    "Assign": _ROUTING,
    "Breaker": _ROUTING,
    "Eligible": _ROUTING,
    "Gates": _RULES,
    "Guards": _RULES,
    "Match": _ROUTING,
    "Stage": _RULES,
    "Upstream": "the settings' section, and what workers read of it in the routing table",
}
"""Name -> why it stands twice."""
OWNED = "recipes"
"""Scripts in a folder of this name are written into users' folders, each to stand alone: no name of theirs is ours."""
HOMES = 2
"""The two sides of a wall."""


def classes(root: Path) -> dict[str, list[str]]:
    """Every public class name under the packages of `root`, with its places as file:line."""
    found: dict[str, list[str]] = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            if OWNED in path.parts:
                continue
            for name, line in _public(path):
                found.setdefault(name, []).append(f"{path.relative_to(root)}:{line}")
    return found


def _public(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name, node.lineno


def complaints(found: Mapping[str, list[str]], allowed: Mapping[str, str]) -> Iterator[str]:
    """What stands too often, and what is allowed too many."""
    for name, places in sorted(found.items()):
        if len(places) > (HOMES if name in allowed else 1):
            yield f"{name} stands for {len(places)} things: {', '.join(places)}. hint: one word each"
    for name, reason in allowed.items():
        if len(found.get(name, ())) < HOMES:
            yield f"{name} is allowed to stand twice ({reason}), and does not. hint: take it out of ALLOWED"


def main() -> int:
    """Print what is wrong; 1 if anything is."""
    lines = list(complaints(classes(Path()), ALLOWED))
    print("\n".join(lines), end="\n" if lines else "")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
