from pathlib import Path
from typing import get_args

import policies
from policies.upstream_kinds import ENGINES, KINDS, Kind

ROOT = Path(policies.__file__).parents[1]


def test_every_word_has_its_row() -> None:
    """A kind that settings may name has a row, and no row is beyond reach."""
    assert tuple(KINDS) == get_args(Kind)


def test_a_plain_kind_is_named_in_one_place() -> None:
    """No other module spells the name of an engine's kind: a new one needs a word and a row. Recipes are programs of
    the user's, who starts an engine in them.
    """
    spelled = [
        path
        for package in ("gateway", "records", "shadow", "policies")
        for path in (ROOT / package).rglob("*.py")
        if path.name != "upstream_kinds.py"
        and path.parent.name != "recipes"
        and any(f'"{kind}"' in path.read_text("utf-8") for kind in ENGINES)
    ]
    assert spelled == []


def test_an_engine_says_what_waits_and_is_let_go_of_early() -> None:
    """Engines have a gauge that the shadow gives way to, and connections kept below their servers' 5 s."""
    assert all(KINDS[kind].waiting_metrics and KINDS[kind].idle_s < 5 for kind in ENGINES)
