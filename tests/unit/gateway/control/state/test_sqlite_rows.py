import sqlite3

import msgspec
import pytest

from gateway.control.state.port import MAX_BYTES, UNREADABLE, Node, StateDownError, Stored
from gateway.control.state.sqlite_rows import SCHEMA, bounded, positions, positions_or_none, rollout_of, value_of


def row(select: str) -> sqlite3.Row:
    """A row of a made-up table that holds this."""
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    connection.executescript(SCHEMA)
    return connection.execute(select).fetchone()


def test_a_row_is_read_as_its_value() -> None:
    """Columns are fields, and a flag is true or false."""
    found = value_of(row("SELECT 'n' AS name, 1.5 AS seen_at, 7 AS table_version, 1 AS killed"), Node)
    assert found == Node("n", 1.5, 7, killed=True)
    with pytest.raises(msgspec.ValidationError):
        value_of(row("SELECT 'n' AS name, 'late' AS seen_at, 7 AS table_version, 0 AS killed"), Node)


def test_a_rollout_that_cannot_be_read_is_told_as_such() -> None:
    """A row of the right columns is a rollout; one with something else in it is `UNREADABLE`, and no error."""
    whole = "1 AS version, 2 AS epoch, 0 AS weight_ppm, x'7b7d' AS rollout, 1.5 AS written_at, 'n' AS by"
    assert rollout_of(row(f"SELECT {whole}")) == Stored(1, 2, 0, b"{}", 1.5, "n")
    assert rollout_of(row(f"SELECT {whole.replace('1 AS version', 'NULL AS version')}")) == UNREADABLE


def test_positions_that_cannot_be_read_hold_nothing() -> None:
    """Who may do without them gets none; who needs them is told."""
    assert positions(b'{"n": 3}') == positions_or_none(b'{"n": 3}') == {"n": 3}
    assert positions_or_none(b"\0") == {}
    with pytest.raises(msgspec.MsgspecError):
        positions(b"\0")


def test_a_value_longer_than_any_may_be_is_refused() -> None:
    """One of the full length is taken."""
    assert len(bounded(bytes(MAX_BYTES))) == MAX_BYTES
    with pytest.raises(StateDownError, match="longer than"):
        bounded(bytes(MAX_BYTES + 1))
