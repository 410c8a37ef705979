"""How commands lay out what people read."""

import pytest

from gateway.cli import layout

ROWS = [("ROUTE", "N"), ("support-triage-of-all-tickets", "12"), ("b", "3")]


def test_a_table_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers stand to the right; what gives way is cut in its middle, and the rest stays whole."""
    monkeypatch.setenv("COLUMNS", "80")
    assert layout.fits(ROWS)
    assert layout.table(ROWS, right=(1,))[2] == "b".ljust(29) + "   3"
    monkeypatch.setenv("COLUMNS", "20")
    assert not layout.fits(ROWS)
    head, long, short = layout.table(ROWS, right=(1,), cut=(0,))
    assert long == "support-…tickets  12"
    assert len(head) <= 20 >= len(short)


def test_nothing_is_cut_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names keep eight letters, however narrow it is."""
    monkeypatch.setenv("COLUMNS", "5")
    assert layout.table(ROWS, cut=(0, 1))[1] == "supp…ets  12"
    assert layout.shortened("ab", 2) == "ab"
    assert layout.shortened("abc", 1) == "…"


def test_a_paragraph_keeps_words_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are no wider than the terminal, and begin where the first does."""
    monkeypatch.setenv("COLUMNS", "40")
    told = layout.paragraph("a sentence that is longer than one line of forty letters", "  ")
    assert told == "  a sentence that is longer than one\n  line of forty letters"


def test_lines_that_are_too_wide_go_on_below_their_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Below the text where a column stands before it; indented where none does; a quotation stays as it was."""
    monkeypatch.setenv("COLUMNS", "40")
    told = "  PASS  quality: certified on more units than are needed\na sentence that is longer than one line of forty"
    assert layout.folded(told).split("\n") == [
        "  PASS  quality: certified on more units", "        than are needed",
        "a sentence that is longer than one line", "  of forty",
    ]  # fmt: skip
    quoted = f"    {'match: {model: gpt-4o}  # ' * 3}\n           ^\nshort"
    assert layout.folded(quoted) == quoted
    monkeypatch.delenv("COLUMNS")
    assert layout.folded(told) == told
