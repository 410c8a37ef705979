"""How pages say numbers, times and money."""

import sys
import unicodedata
from datetime import UTC, datetime

import pytest

from gateway.console import words


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (words.number(1234567), "1,234,567"),
        (words.number(-0.4), "0"),
        (words.number(-2.5, 1), "−2.5"),
        (words.share(0.0), "0 %"),
        (words.share(0.25), "25 %"),
        (words.share(0.0021), "0.21 %"),
        (words.share(1 / 3), "33 %"),
        (words.money(0), "$0.00"),
        (words.money(1234.5), "$1,234.50"),
        (words.money(-3), "−$3.00"),
        (words.money(0.0123), "$0.0123"),
        (words.money(0.0000123), "$0.000012"),
        (words.money(12_345.6), "$12,346"),
        (words.millis(412), "412 ms"),
        (words.millis(0.24), "0.24 ms"),
        (words.duration(3), "3 s"),
        (words.duration(1.41), "1.41 s"),
        (words.duration(75), "75 s"),
        (words.duration(95), "1.6 min"),
        (words.duration(7200), "2 h"),
        (words.duration(5 * 86_400), "5 d"),
        (words.ago(10.0, 70.0), "60 s ago"),
        (words.ago(70.0, 10.0), "in 60 s"),
        (words.ago(10.0, 11.12), "1 s ago"),
        (words.ago(10.0, 10.2), "0 s ago"),
        (words.ago(10.0, 98.4), "88 s ago"),
        (words.ago(10.0, 130.0), "2 min ago"),
        (words.measured(None, "s"), "unknown"),
        (words.measured(0.17, "s"), "170 ms"),
        (words.measured(0.004, "share"), "0.40 %"),
        (words.measured(1.0, "usd_per_month"), "$1.00 a month"),
        (words.measured(-0.0123, "score"), "−0.012"),
        (words.measured(12.25, "tokens_per_s"), "12.2 tokens a second"),
        (words.measured(0.04, "days"), "0.0 days"),
        (words.measured(14, "days"), "14 days"),
        (words.measured(1, "comparators"), "1 comparator"),
        (words.measured(1000, "prompts"), "1,000 prompts"),
        (words.measured(3, None), "3"),
        (words.halves(0.2, 0.1, "s"), "200 ms in the earlier half, 100 ms in the later, −50%"),
        (words.moment(0), "1970-01-01 00:00:00 UTC"),
        (words.window("24h"), "in the last 24 h"),
        (words.window("2026-11-29"), "since 2026-11-29"),
        (words.window("all"), ""),
        (words.signed(0.333), "+0.33"),
        (words.signed(-0.333), "−0.33"),
        (words.signed(0.001), "0.00"),
        (words.short(datetime(2026, 11, 9, 7, 5, tzinfo=UTC)), "9 Nov 07:05:00"),
        (words.moment("2026-11-09T07:05:00"), "2026-11-09 07:05:00 UTC"),
        (words.size(512), "512 B"),
        (words.size(1536), "1.5 KiB"),
        (words.size(3 * 2**30), "3.0 GiB"),
        (words.ratio(1.314), "1.31×"),
        (words.cut("a\n b  c " * 9, 7), "a b c …"),
    ],
)
def test_said(said: str, expected: str) -> None:
    """Each in its unit, in thousands, with a true minus and no more digits than say something."""
    assert said.replace(words.THIN, " ") == expected


def test_unknown_is_unknown() -> None:
    """What is not known is said to be unknown: never 0, never a dash."""
    for form in (words.number, words.share, words.money, words.millis, words.duration, words.moment, words.ratio):
        assert form(None) == words.UNKNOWN
    said = [words.moment("no moment"), words.moment(1e20), words.short(""), words.ago(None, 1.0)]
    assert set(said) == {words.UNKNOWN}


def test_nothing_hides_in_a_text() -> None:
    """Every control, format character and lone surrogate of Unicode is shown by its number; letters are left alone."""
    hidden = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    every = [chr(code) for code in range(sys.maxunicode + 1)]
    for letter in every:
        is_hidden = unicodedata.category(letter) in hidden and letter not in "\n\t"
        if is_hidden:
            assert words.plain(letter) == f"⟨U+{ord(letter):04X}⟩"
    assert words.plain("Größe 🙂 ok\n\tمرحبا") == "Größe 🙂 ok\n\tمرحبا"
