"""Texts that say almost the same."""

import importlib
from typing import Any

import pytest

from records.dataset.near import NearDuplicates

LETTER = "my card was taken by the machine in the station this morning and nobody at the bank answers the telephone"


def test_a_text_that_was_varied_a_little_is_known():
    """Case, spacing and a word more make no other text; another text is another."""
    near = NearDuplicates(0.7)

    assert not near.has(LETTER)
    assert near.has(LETTER.upper().replace(" ", "  "))
    assert near.has(f"{LETTER} today")
    assert not near.has("the exchange rate of yesterday was better than the one that was charged for my transfer")
    assert not near.has("where is my card")
    assert near.has("Where is my card?")


def test_a_likeness_is_a_share():
    """What is none is refused with one that is."""
    for likeness in (0.0, 1.0, 90.0):
        with pytest.raises(ValueError, match=r"as 0\.9"):
            NearDuplicates(likeness)


def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch):
    """The extra is named."""
    real = importlib.import_module

    def absent(name: str, *more: Any) -> Any:
        if name == "datasketch":
            raise ModuleNotFoundError(name)
        return real(name, *more)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(ValueError, match="install the extra `near`"):
        NearDuplicates(0.9)
