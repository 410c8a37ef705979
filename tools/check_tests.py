"""Refuse a test that does not state its behaviour in a sentence, that does not assert, or that asserts too early.

python tools/check_tests.py

What asserts: an `assert`, `pytest.raises`, `pytest.warns`, Hypothesis' `run_state_machine_as_test`, and a call to a
helper named `assert_…` or `check_…` that is found in `tests/` and asserts itself. Any other call may pass whatever
happens, so it counts for nothing.

What asserts too early: an `assert` on the page of `/metrics`, which each process writes once a second. What the admin
API says already is not yet there; it is waited for.
"""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TypeGuard

TESTS = "tests"
HELPER = re.compile(r"_?(assert|check)_")
ASSERTING = {"pytest.raises", "pytest.warns", "pytest.fail", "run_state_machine_as_test"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def complaints(path: Path, root: Path) -> Iterator[str]:
    """What is missing in the tests of one file, as file:line."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, Function) and node.name.startswith("test"):
            where = f"{path.relative_to(root)}:{node.lineno}: {node.name}"
            if not (ast.get_docstring(node) or "").strip():
                yield f"{where} has no docstring: say the behaviour in one sentence"
            if not asserts(node, path, root):
                yield f"{where} asserts nothing: what fails when the behaviour breaks?"
            for early in filter(_is_early, ast.walk(node)):
                yield f"{path.relative_to(root)}:{early.lineno}: /metrics is written once a second: use await_metric"


def _is_early(node: ast.AST) -> TypeGuard[ast.Assert]:
    return isinstance(node, ast.Assert) and any(
        isinstance(call, ast.Call)
        and ast.unparse(call.func).endswith(".admin")
        and [ast.unparse(argument) for argument in call.args] == ["'/metrics'"]
        for call in ast.walk(node)
    )


def asserts(function: Function, path: Path, root: Path, seen: frozenset[str] = frozenset()) -> bool:
    """Whether anything in the function can fail it by intent."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            last = name.rpartition(".")[2]
            if name in ASSERTING or last in ASSERTING:
                return True
            if HELPER.match(last) and last not in seen and _helper_asserts(last, path, root, seen | {last}):
                return True
    return False


def _helper_asserts(name: str, path: Path, root: Path, seen: frozenset[str]) -> bool:
    """Whether a helper of that name asserts: one of the file's own, or one that it imports from `tests`."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, Function) and node.name == name:
            return asserts(node, path, root, seen)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == TESTS:
            source = root.joinpath(*(node.module or "").split(".")).with_suffix(".py")
            for alias in node.names:
                if (alias.asname or alias.name) == name and source.exists():
                    return _helper_asserts(alias.name, source, root, seen)
    return False


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def main(root: Path = Path()) -> int:
    """Print what is missing; 1 if anything is."""
    found = [line for path in sorted((root / TESTS).rglob("test_*.py")) for line in complaints(path, root)]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
