"""Refuse a test that does not state its behaviour in a sentence, or that does not assert.

python tools/check_tests.py
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path


def complaints(path: Path) -> Iterator[str]:
    """What is missing in the tests of one file, as file:line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
            if not ast.get_docstring(node):
                yield f"{path}:{node.lineno}: {node.name} has no docstring: say the behaviour in one sentence"
            if not any(isinstance(part, ast.Assert | ast.With | ast.AsyncWith | ast.Call) for part in ast.walk(node)):
                yield f"{path}:{node.lineno}: {node.name} asserts nothing"


def main() -> int:
    """Print what is missing; 1 if anything is."""
    found = [line for path in sorted(Path("tests").rglob("test_*.py")) for line in complaints(path)]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
