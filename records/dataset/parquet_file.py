"""A training file as Parquet, of one text a column: written from lines, and read back as lines."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from records.parquet import connect, quoted

_ROWS = 1000


def to_parquet(lines: Path, columns: Sequence[str]) -> Path:
    """Write `lines`, a file of JSON lines, as Parquet in its place. Returns the file.

    Raises:
        duckdb.Error: it cannot be written.
    """
    path = lines.with_suffix(".parquet")
    types = ", ".join(f"{name}: 'VARCHAR'" for name in columns)
    rows = (
        f"read_json({quoted(lines)}, format='newline_delimited', columns={{{types}}}, maximum_object_size=1073741824)"
    )
    with connect() as connection:
        connection.execute(f"COPY (SELECT * FROM {rows}) TO {quoted(path)} (FORMAT parquet, COMPRESSION zstd)")  # noqa: S608 -- our own path, quoted
    lines.unlink()
    return path


def lines_of(path: Path) -> Iterator[bytes]:
    """Each row of a Parquet file as a JSON line, without the fields that are null.

    Raises:
        duckdb.Error: it cannot be read.
    """
    with connect() as connection:
        cursor = connection.execute(f"SELECT * FROM read_parquet({quoted(path)})")  # noqa: S608 -- our own path, quoted
        names = [column[0] for column in cursor.description or ()]
        while rows := cursor.fetchmany(_ROWS):
            for row in rows:
                found = zip(names, row, strict=True)
                yield msgspec.json.encode({name: value for name, value in found if value is not None})
