"""What a replay reads and writes: recorded exchanges of a route, and comparisons."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import msgspec

from gateway.cli.context import warn_of_damage
from policies.matching import find, ineligible
from policies.request.body import Call, endpoint_of, read_body
from policies.routing import Route
from records.comparison import Comparison
from records.parquet import COMPARISONS, connect, write_rows
from records.store import Store
from shadow.replay import ReplayRow

_UNIT = "coalesce(nullif(unit, ''), nullif(conversation_id, ''), id)"
_CHOSEN = f"""
SELECT id, epoch(arrived_at), path, {_UNIT}, upstream, model_requested, status, outcome, request_json, response_json,
       first_byte_ms / 1000, total_ms / 1000, key_name, route
FROM exchanges
WHERE (route = ? OR route = '') AND epoch(arrived_at) >= ? AND variant = 'baseline' AND NOT pinned AND retry_count = 0
      AND why <> 'imported'
      AND outcome IN ('complete', 'upstream_broken', 'upstream_error') AND request_json IS NOT NULL
      AND (? OR id IN (SELECT unnest(?::VARCHAR[])))
ORDER BY md5({_UNIT}), id
"""  # noqa: S608 -- no words but our own
_AT_ONCE = 64


@dataclass(slots=True)
class Rows:
    """Recorded exchanges that the route's candidate could have answered: whole conversations, drawn by hash."""

    records: Path
    route: Route
    since: float
    """Unix seconds."""
    limit: int
    chosen: tuple[str, ...] | None = None
    """The ids of those that are wanted; None: whatever fits."""
    left_out: Counter[str] = field(default_factory=Counter[str])
    """Recorded exchanges that were passed over, by reason."""

    def __iter__(self) -> Iterator[ReplayRow]:
        """Raises duckdb.Error where the records cannot be read."""
        taken = 0
        found = Store(self.records, warn_of_damage).stream(
            _CHOSEN, [self.route.name, self.since, self.chosen is None, list(self.chosen or ())]
        )
        while taken < self.limit and (rows := found.fetchmany(_AT_ONCE)):
            for *values, key_name, route in rows:
                row = ReplayRow(*values)
                if not (reason := self._unfit(row, key_name, belongs=bool(route))):
                    taken += 1
                    yield row
                elif reason != "other_route":
                    self.left_out[reason] += 1
                if taken >= self.limit:
                    return

    def _unfit(self, row: ReplayRow, key_name: str, *, belongs: bool) -> str:
        """Why the candidate may not be asked it; empty: it may. `belongs`: it was recorded with the route."""
        raw = row.request_json.encode()
        body = read_body(raw)
        if body is None:
            return "malformed"
        call = Call(endpoint_of(row.path), {}, body, body_bytes=len(raw), key_name=key_name)
        if (
            not belongs and find((self.route,), call) is None
        ):  # headers are not recorded: no route that asks for one fits
            return "other_route"
        return str(ineligible(self.route, call) or "")


@dataclass(slots=True)
class Out:
    """Comparisons, on their way into a file: JSON lines as they come, or Parquet at the end."""

    path: Path
    rows: list[Comparison] = field(default_factory=list[Comparison])
    _file: IO[bytes] | None = None

    def __enter__(self) -> "Out":
        """Open it, for this user alone.

        Raises:
            OSError: it cannot be made, or is there already.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(fd, "wb")
        return self

    def __exit__(self, *_: object) -> None:
        """Close it whole.

        Raises:
            OSError, duckdb.Error: it is not whole.
        """
        assert self._file is not None  # noqa: S101 -- it was entered
        self._file.close()
        if self.is_parquet and self.rows:
            with connect() as connection:
                write_rows(connection, COMPARISONS, self.rows, self.path)

    @property
    def is_parquet(self) -> bool:
        """Whether the file's name ends in `.parquet`."""
        return self.path.suffix == ".parquet"

    def add(self, row: Comparison) -> None:
        """Write one more row.

        Raises:
            OSError: it is not written.
        """
        if self.is_parquet:
            self.rows.append(row)
            return
        assert self._file is not None  # noqa: S101 -- it was entered
        self._file.write(msgspec.json.encode(row) + b"\n")


def counted(counts: Mapping[str, int]) -> str:
    """`3 failed, 2 timed_out`, the most frequent first."""
    return ", ".join(f"{many} {what}" for what, many in sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def line(fields: Mapping[str, Any]) -> str:
    """A row as one line of JSON."""
    return json.dumps(fields, ensure_ascii=False)
