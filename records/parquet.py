"""Rows as Parquet: columns and their types out of the row's struct, written through DuckDB."""

import os
import types
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import duckdb
import msgspec
import numpy as np

from records.comparison import Comparison, DecisionRow, Observation
from records.gpu_hours import GpuHours
from records.record import Record, Vote

_ROW_GROUP = 2048
"""Rows hold whole prompts: a reader holds this many at a time."""
_SQL = {str: "VARCHAR", int: "BIGINT", float: "DOUBLE", bool: "BOOLEAN"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    name: str
    field: str
    """Of the row's struct: moments stand there in microseconds, in the table as TIMESTAMP (UTC)."""
    sql: str
    about: str


@dataclass(frozen=True, slots=True)
class RowTable:
    """One kind of row. `moment`: the field, in microseconds, that says its date."""

    name: str
    row: type[msgspec.Struct]
    moment: str
    columns: tuple[Column, ...]


def _columns(row: type[msgspec.Struct]) -> tuple[Column, ...]:
    return tuple(_column(name, hint) for name, hint in get_type_hints(row, include_extras=True).items())


def _column(name: str, hint: Any) -> Column:
    about = ""
    if get_origin(hint) is Annotated:
        hint, *notes = get_args(hint)
        about = next((note.description for note in notes if isinstance(note, msgspec.Meta) and note.description), "")
    if isinstance(hint, types.UnionType):
        hint = next(one for one in get_args(hint) if one is not type(None))
    sql = _SQL.get(hint, "VARCHAR")  # a Literal is text
    if sql == "BIGINT" and name.endswith("_us"):
        return Column(f"{name.removesuffix('_us')}_at", name, "TIMESTAMP", about)
    return Column(name, name, sql, about)


EXCHANGES = RowTable("exchanges", Record, "arrived_us", _columns(Record))
FEEDBACK = RowTable("feedback", Vote, "said_us", _columns(Vote))
COMPARISONS = RowTable("comparisons", Comparison, "compared_us", _columns(Comparison))
OBSERVATIONS = RowTable("observations", Observation, "observed_us", _columns(Observation))
DECISIONS = RowTable("decisions", DecisionRow, "decided_us", _columns(DecisionRow))
GPU_HOURS = RowTable("gpu_hours", GpuHours, "until_us", _columns(GpuHours))
TABLES = (EXCHANGES, FEEDBACK, COMPARISONS, OBSERVATIONS, DECISIONS, GPU_HOURS)
NOTED = {table.name: table for table in (COMPARISONS, OBSERVATIONS, DECISIONS)}
"""Tables whose rows come as notes of the control plane."""


def connect() -> duckdb.DuckDBPyConnection:
    """A connection of its own, to nothing but the files it is told; never to a network."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "threads": "1",
    }
    connection = duckdb.connect(":memory:", config=config)
    connection.execute("SET enable_progress_bar = false")  # it would stand in the data that a command prints
    return connection


def write_rows(
    connection: duckdb.DuckDBPyConnection, table: RowTable, rows: Sequence[msgspec.Struct], path: Path
) -> None:
    """Write `rows` to `path`, whole and durable.

    Raises:
        OSError, duckdb.Error: it is not written; `path` may hold a part.
    """
    columns = {column.name: _array(column, rows) for column in table.columns}
    connection.register("fresh", columns)
    try:
        selected = ", ".join(_select(column) for column in table.columns)
        _copy(connection, f"SELECT {selected} FROM fresh", path)  # noqa: S608 -- names out of our own structs
    finally:
        connection.unregister("fresh")


def write_query(connection: duckdb.DuckDBPyConnection, query: str, path: Path, *parameters: object) -> None:
    """Write what `query` gives to `path`, whole and durable.

    Raises:
        OSError, duckdb.Error: it is not written; `path` may hold a part.
    """
    _copy(connection, query, path, *parameters)


def quoted(path: Path | str) -> str:
    """A path as an SQL literal."""
    return "'" + str(path).replace("'", "''") + "'"


def _array(column: Column, rows: Sequence[msgspec.Struct]) -> np.ndarray[Any, Any]:
    return np.array(list(map(attrgetter(column.field), rows)), dtype=object)


def _select(column: Column) -> str:
    if column.sql == "TIMESTAMP":
        return f'make_timestamp("{column.name}"::BIGINT) AS "{column.name}"'
    return f'"{column.name}"::{column.sql} AS "{column.name}"'


def _copy(connection: duckdb.DuckDBPyConnection, query: str, path: Path, *parameters: object) -> None:
    options = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROW_GROUP}"
    connection.execute(f"COPY ({query}) TO {quoted(path)} ({options})", list(parameters) or None)
    path.chmod(0o600)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
