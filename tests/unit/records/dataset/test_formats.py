from pathlib import Path

import pytest

from records.dataset import formats
from records.dataset.export_format import Example, export_format
from records.dataset.formats import FORMATS, MODULES

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_a_row_and_a_module(name: str) -> None:
    """Each row names a module that has the format."""
    assert export_format(name).line(Example([{"role": "user", "content": "a"}])).messages


def test_a_format_is_named_in_one_place() -> None:
    """No other module of ours spells a format's name: a new one needs a row and its own module."""
    own = {ROOT / f"{module.replace('.', '/')}.py" for module in MODULES.values()} | {Path(formats.__file__)}
    spelled = [
        path
        for package in ("gateway", "records", "shadow", "policies")
        for path in (ROOT / package).rglob("*.py")
        if path not in own and any(f'"{name}"' in path.read_text("utf-8") for name in FORMATS)
    ]
    assert spelled == []
