"""Columns out of the row's struct."""

import pytest

from records.parquet import EXCHANGES, FEEDBACK, TABLES, connect


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_column_is_explained(table):
    """The reference says of each column what it means."""
    assert [column.name for column in table.columns if not column.about] == []


def test_types():
    """Moments are timestamps, what may be unknown keeps its type, and words are text."""
    types = {column.name: column.sql for table in (EXCHANGES, FEEDBACK) for column in table.columns}

    assert (types["arrived_at"], types["said_at"]) == ("TIMESTAMP", "TIMESTAMP")
    assert (types["cost_usd"], types["prompt_tokens"], types["complete"]) == ("DOUBLE", "BIGINT", "BOOLEAN")
    assert (types["consent"], types["chunk_times_us"], types["response_json"]) == ("VARCHAR", "VARCHAR", "VARCHAR")


def test_a_long_query_writes_nothing_into_what_a_command_prints():
    """DuckDB's progress bar goes to stdout after two seconds, terminal or not: it is off."""
    with connect() as connection:
        assert connection.execute("SELECT current_setting('enable_progress_bar')").fetchall() == [(False,)]
