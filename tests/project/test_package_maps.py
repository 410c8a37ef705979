"""Each package says in its `__init__.py` what lives there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAPS = sorted(
    path for package in ("gateway", "policies", "records", "shadow") for path in ROOT.glob(f"{package}/**/__init__.py")
)


@pytest.mark.parametrize("path", MAPS, ids=lambda path: str(path.parent.relative_to(ROOT)))
def test_a_package_is_mapped(path: Path) -> None:
    """At most ten lines, which say where to begin; every module they name is there."""
    text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    assert 1 <= len([line for line in text.splitlines() if line]) <= 10
    assert "Begin: `" in text.replace("\n", " ")
    named = re.findall(r"`([\w/]+\.py)`", text)
    assert [name for name in named if not (path.parent / name).exists() and not (ROOT / name).exists()] == []
