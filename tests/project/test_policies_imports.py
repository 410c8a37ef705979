"""What the decision core is made of: read from the imports of every module of `policies/`."""

import ast
import sys
from pathlib import Path

import pytest

import policies

ROOT = Path(policies.__file__).parent
MODULES = {path.relative_to(ROOT).with_suffix("").as_posix(): path for path in sorted(ROOT.rglob("*.py"))}
HOT = {
    "terms",
    "request/body",
    "request/shapes",
    "request/abridge",
    "matching",
    "assignment",
    "routing",
    "upstream_kinds",
}
VALUES = {"rules", "events", "results"}
ALLOWED = {"pydantic", "pydantic_core", "msgspec", "numpy", "policies"}


def imported(path: Path) -> set[str]:
    """The packages a module imports, wherever in it; the standard library left out."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return {name.partition(".")[0] for name in found} - sys.stdlib_module_names


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_nothing_but_what_the_core_may(module: str):
    """The standard library, pydantic, msgspec and numpy; hot-path modules without pydantic and numpy."""
    allowed = {"msgspec", "policies"} if module in HOT else {"policies"} if module in VALUES else ALLOWED
    assert imported(MODULES[module]) <= allowed


def test_all_the_modules_are_looked_at():
    """The hot-path modules are among them, so none was renamed away from its rule."""
    assert set(MODULES) >= HOT | VALUES
