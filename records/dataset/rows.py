"""The exchanges that a dataset is made of, as the records have them, each with what it teaches.

They are read in parts, here or on many machines (`records.parts`): a part is exchanges of one day, and what a row
teaches depends on that row alone.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from records.dataset.example import Example, Source, example
from records.dataset.filters import Filters
from records.dataset.format import Learns, TrainingFormat
from records.dataset.formats import format_named
from records.dataset.preference import DIRECTED, preference, vote
from records.dataset.reason import Reason
from records.parquet import quoted
from records.parts import PartRunner, run_here
from records.store import Store

_ROWS = 1000
PART_ROWS = 50_000
"""Exchanges of one part: enough that to begin one costs little beside it, and few enough to sort in memory."""
MEMORY = "2GB"
"""Most that DuckDB may hold while it sorts; beyond it, it uses the disk."""
_SAID = [name for name in Source.__struct_fields__ if name not in ("other_json", "q")]
_DIRECTION = f"""coalesce(CASE WHEN c.metric IN {DIRECTED} THEN c.q END, {
    ", ".join(f"TRY_CAST(json_extract_string(c.scores_json, '$.{name}.q') AS DOUBLE)" for name in DIRECTED)
})"""
"""What says which answer is better: the metric of the gate, or, where that says how alike they are or is none, a
comparator beside it."""
_ANSWERS = f"SELECT {', '.join(_SAID)}, NULL, NULL FROM joined j"  # noqa: S608 -- our own names
_PAIRS = f"""
SELECT {", ".join(f"j.{name}" for name in _SAID)}, c.answer_json, c.q
FROM joined j LEFT JOIN (
    SELECT c.exchange_id, c.answer_json, coalesce(l.score, {_DIRECTION}) AS q
    FROM comparisons_all c
    LEFT JOIN (SELECT unnest(?::VARCHAR[]) AS id, unnest(?::VARCHAR[]) AS route, unnest(?::DOUBLE[]) AS score) l
    ON l.id = c.exchange_id AND l.route = c.route
    WHERE c.asked = 'candidate' AND c.came = 'answered'
    QUALIFY row_number() OVER (PARTITION BY c.exchange_id ORDER BY abs(l.score) DESC NULLS LAST,
                               {_DIRECTION} IS NOT NULL DESC, c.compared_at DESC) = 1
) c ON c.exchange_id = j.id
"""  # noqa: S608 -- our own names
_MAKERS: dict[Learns, Callable[[Source], Example | Reason]] = {
    "answers": example,
    "preferences": preference,
    "votes": vote,
}


@dataclass(frozen=True, slots=True)
class _Part:
    """Exchanges of one day, in order of their ids."""

    date: str
    first: str
    beyond: str | None
    """The id of the next part; None: to the end of the day."""


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked of the records, for each part alike."""

    shape: str
    """The name of the format."""
    query: str
    values: tuple[object, ...]
    spilt: Path
    """Where DuckDB sorts what does not fit into `MEMORY`; on a machine that does not have it, among temporary files."""


@contextmanager
def _sorting(store: Store, spilt: Path) -> Generator[Callable[[str, list[object]], duckdb.DuckDBPyConnection]]:
    """Gives a query's rows, within their memory, while this lasts. No two that sort share a folder."""
    with TemporaryDirectory(prefix="crossfade-sorting-", dir=spilt if spilt.is_dir() else None) as folder:

        def asked(views: duckdb.DuckDBPyConnection, query: str, values: list[object]) -> duckdb.DuckDBPyConnection:
            views.execute(f"SET memory_limit = '{MEMORY}'")
            views.execute(f"SET temp_directory = {quoted(Path(folder))}")
            return views.execute(query, values)

        yield lambda query, values: store.read(partial(asked, query=query, values=values))


def _read(store: Store, question: _Question, part: _Part) -> Iterator[list[tuple[Source, Example | Reason]]]:
    """The exchanges of a part, each with what it teaches."""
    values = [*question.values, part.date, part.first]
    query = f"{question.query} AND j.date = ?::DATE AND j.id >= ?"
    if part.beyond is not None:
        values.append(part.beyond)
        query += " AND j.id < ?"
    shape = format_named(question.shape)
    with _sorting(store, question.spilt) as rows_of:
        cursor = rows_of(f"{query} ORDER BY j.id", values)
        while rows := cursor.fetchmany(_ROWS):
            sources = [Source(*fields) for fields in rows]
            yield [(source, _taught(shape, source)) for source in sources]


def _taught(shape: TrainingFormat, source: Source) -> Example | Reason:
    """What one exchange teaches, or why it teaches nothing."""
    made = _MAKERS[shape.learns](source)
    if isinstance(made, Example) and next(shape.turn_faults([*made.prompt, made.answer]), None):
        return "odd_turns"
    return made


@dataclass(frozen=True, slots=True)
class DatasetRows:
    """The exchanges that a dataset is made of, by time, each with what it teaches. May be gone over again."""

    store: Store
    route: str
    unrouted_models: tuple[str, ...]
    filters: Filters
    shape: str
    """The name of the format."""
    labels: Mapping[tuple[str, str], float]
    """By exchange and candidate's rollout, by how much people say that its answer is better."""
    spilt: Path
    """Where DuckDB sorts what does not fit into `MEMORY`; on a machine that does not have it, among temporary files."""
    run: PartRunner = run_here
    """Where they are read."""

    def __iter__(self) -> Iterator[tuple[Source, Example | Reason]]:
        """A part at a time: no more is sorted at once than that.

        Raises:
            OSError, duckdb.Error: the records cannot be read.
        """
        where, values = self._condition()
        ids, rollouts = [name for name, _ in self.labels], [rollout for _, rollout in self.labels]
        labelled: list[object] = [ids, rollouts, list(self.labels.values())]
        given = labelled if format_named(self.shape).learns == "preferences" else []
        query = f"{_PAIRS if given else _ANSWERS} WHERE {where}"
        question = _Question(self.shape, query, (*given, *values), self.spilt)
        for rows in self.run(partial(_read, self.store, question), self._parts(where, values)):
            yield from rows

    def count(self) -> int:
        """How many they are.

        Raises:
            OSError, duckdb.Error: the records cannot be read.
        """
        where, values = self._condition()
        query = f"SELECT count(*) FROM joined j WHERE {where}"  # noqa: S608 -- our own words
        found = self.store.read(lambda views: views.execute(query, values).fetchone())
        return found[0] if found else 0

    def begun_from(self, at: float) -> frozenset[str]:
        """The conversations whose first exchange came at `at`, a Unix time, or later.

        Filters say which exchanges are learned from, not when a conversation began: they leave none out here.

        Raises:
            OSError, duckdb.Error: the records cannot be read.
        """
        whose, values = self._whose()
        query = f"""
SELECT coalesce(nullif(j.conversation_id, ''), j.id) AS conversation FROM joined j WHERE {whose}
GROUP BY conversation HAVING min(epoch(j.arrived_at)) >= ?"""  # noqa: S608 -- our own words
        with _sorting(self.store, self.spilt) as rows_of:
            return frozenset(conversation for (conversation,) in rows_of(query, [*values, at]).fetchall())

    def _condition(self) -> tuple[str, list[object]]:
        """The SQL that holds for them, and its parameters."""
        (whose, models), (where, values) = self._whose(), self.filters.condition("j")
        return f"{whose} AND {where}", [*models, *values]

    def _whose(self) -> tuple[str, list[object]]:
        """The SQL that holds for the route's exchanges, and its parameters."""
        asked, models = Filters(models=self.unrouted_models).condition("j") if self.unrouted_models else ("false", [])
        return f"(j.route = ? OR (j.route = '' AND {asked}))", [self.route, *models]

    def _parts(self, where: str, values: list[object]) -> list[_Part]:
        """Where each part begins."""
        begins = f"""
SELECT date::VARCHAR, id FROM (
    SELECT j.date, j.id, row_number() OVER (PARTITION BY j.date ORDER BY j.id) AS place FROM joined j WHERE {where}
) WHERE (place - 1) % {PART_ROWS} = 0 ORDER BY date, id"""  # noqa: S608 -- our own words
        with _sorting(self.store, self.spilt) as rows_of:
            found = rows_of(begins, values).fetchall()
        following = [*(id_ if date == last else None for (last, _), (date, id_) in pairwise(found)), None]
        return [_Part(date, first, beyond) for (date, first), beyond in zip(found, following, strict=False)]
