"""Words of a URL as conditions on the records."""

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admin.filters import FilterError, names, views, wanted, window

NOW = 1_795_000_000.0


@pytest.mark.parametrize(
    ("given_words", "conditions", "parameters"),
    [
        ({"route": "a"}, ["route = ?"], ["a"]),
        ({"status": "5xx"}, ["status // 100 = ?"], [5]),
        ({"status": "429"}, ["status = ?"], [429]),
        ({"q": "tokens:>4000 ttft:>2s"}, ["prompt_tokens > ?", "first_byte_ms > ?"], [4000.0, 2000.0]),
        ({"q": "ttft:<=250ms"}, ["first_byte_ms <= ?"], [250.0]),
        ({"q": 'model:"two words" why:fallback'}, ["model_requested = ?", "why = ?"], ["two words", "fallback"]),
    ],
)
def test_words_become_conditions(given_words: dict[str, str], conditions: list[str], parameters: list[object]) -> None:
    """Each word is one condition with its value as a parameter, whether it stands alone or in `q`."""
    found = wanted("exchanges", given_words, now=NOW)
    assert (found.conditions, found.parameters) == (conditions, parameters)


def test_pairs_have_their_own() -> None:
    """Pairs are narrowed by score and by built-in views; a score may be negative."""
    assert wanted("comparisons", {"q": "q:<-0.5"}, now=NOW).parameters == [-0.5]
    found = wanted("comparisons", {"view": "disagreements"}, now=NOW)
    assert found.conditions == ["(q < 0)"]
    assert {"disagreements", "against_judge"} <= set(views())


@pytest.mark.parametrize(
    ("since", "expected"), [("24h", NOW - 86_400), ("90s", NOW - 90), ("2026-11-18", 1_794_960_000.0), ("all", None)]
)
def test_since_when(since: str, expected: float | None) -> None:
    """So long ago, a date, a moment, or from the first record on; what is missing is the page's own."""
    found = window({"since": since}, now=NOW).since
    assert found == (None if expected is None else pytest.approx(expected, abs=86.5))
    assert window({}, now=NOW, usual="1h").since == pytest.approx(NOW - 3600, abs=4)


@pytest.mark.parametrize("since", ["0001-01-01", "9999-12-31T23:59:59", "99999-01-01", "yesterday", "7 d", "-1d"])
def test_what_is_no_moment_is_refused(since: str) -> None:
    """Nor is what has no day before it or after it: the records are looked at by days."""
    with pytest.raises(FilterError, match=r"is no moment\. hint: 24h, 7d, or 2026-11-29T12:00"):
        window({"since": since}, now=NOW)


def test_questions_of_one_minute_are_the_same() -> None:
    """So long ago begins a thousandth of it earlier at most, never later, and is one moment for as long."""
    found = [window({"since": "30d"}, now=NOW + second).since for second in range(0, 2592 * 3, 100)]
    assert len(set(found)) <= 4
    for second, since in zip(range(0, 2592 * 3, 100), found, strict=True):
        assert since is not None
        assert 0 <= (NOW + second - 30 * 86_400) - since < 2592


@given(
    st.sampled_from(["exchanges", "comparisons"]),
    st.dictionaries(st.text(max_size=12), st.text(max_size=40), max_size=3),
)
def test_nothing_but_our_own_words_is_sql(table, given_words) -> None:
    """Whatever a URL says: it is refused with a hint, or becomes a condition that has its values as parameters."""
    try:
        found = wanted(table, given_words, now=NOW)
    except FilterError as error:
        assert "hint" in str(error) or "characters" in str(error)
        return
    assert found.where.count("?") == len(found.parameters)
    assert not any(value and value in found.where for value in given_words.values() if len(value) > 12)


def test_every_word_is_a_column() -> None:
    """Each word that is offered asks for a column that the records have."""
    from records.parquet import COMPARISONS, EXCHANGES  # noqa: PLC0415 -- beside its only use

    for table, columns in (("exchanges", EXCHANGES.columns), ("comparisons", COMPARISONS.columns)):
        listed = ", ".join(f'NULL::{column.sql} AS "{column.name}"' for column in columns)
        with duckdb.connect() as connection:
            connection.execute(f"CREATE VIEW t AS SELECT {listed}, NULL::DATE AS date")
            for name in names(table):
                value = {"status": "200", "view": "broken", "text": "x"}.get(name, "1")
                found = wanted(table, {"q": f"{name}:{value}", "since": "1h"}, now=NOW)
                connection.execute(f"SELECT count(*) FROM t WHERE {found.where}", found.parameters)  # noqa: S608 -- that is the test
                assert found.conditions
