"""Votes joined to the answers they were cast on. A vote is feedback with a score; an answer's last one holds."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from records.parquet import EXCHANGES, FEEDBACK
from records.record import Vote
from records.store import Store, read_files

_CAST = """
SELECT coalesce(nullif(e.user_id, ''), nullif(e.unit, ''), e.conversation_id) AS voter,
       e.variant, (v.score < 0)::INTEGER AS bad, v.said_at
FROM (SELECT exchange_id, score, said_at FROM feedback_all WHERE score IS NOT NULL AND date >= ?2::DATE
      QUALIFY row_number() OVER (PARTITION BY exchange_id ORDER BY said_at DESC) = 1) v
JOIN exchanges e ON e.id = v.exchange_id
WHERE v.score <> 0 AND e.route = ?1 AND e.date >= ?2::DATE AND e.arrived_at >= ?3 AND e.candidate_revision = ?4
  AND e.variant IN ('baseline', 'candidate') AND e.why IN ('assigned', 'tool_loop')
"""
_VOTERS = f"""
SELECT variant, count(*), sum(bad) FROM (
    SELECT voter, variant, avg(bad) AS bad FROM ({_CAST}) GROUP BY voter, variant
    QUALIFY row_number() OVER (PARTITION BY voter ORDER BY max(said_at) DESC) = 1)
GROUP BY variant
"""  # noqa: S608 -- our own words


def voters(store: Store, route: str, revision: str, *, since_us: int) -> dict[str, tuple[int, float]]:
    """By variant: how many voted on answers since then, and the share of bad votes of each, summed.

    Only answers that the lot could have given to either variant count, while `revision` was the candidate's. Who voted
    on both variants' answers speaks of the one voted on last: then nobody counts twice, and those who vote often are
    no more frequent in the arm that answers less.

    Raises:
        duckdb.Error: the records cannot be read.
    """
    since = datetime.fromtimestamp(since_us / 1_000_000, UTC).replace(tzinfo=None)
    parameters: list[object] = [route, since.date(), since, revision]
    rows = store.read(lambda views: views.execute(_VOTERS, parameters).fetchall())
    return {variant: (int(number), float(bad)) for variant, number, bad in rows}


def last_of_each(votes: Iterable[Vote]) -> list[Vote]:
    """Of each exchange and key the last vote: who says something again means that, and no more is kept."""
    kept: dict[tuple[str, str], Vote] = {}
    for vote in votes:
        before = kept.get((vote.exchange_id, vote.key_id))
        if before is None or before.said_us <= vote.said_us:
            kept[vote.exchange_id, vote.key_id] = vote
    return list(kept.values())


def made_us(exchange_id: str) -> int:
    """When an exchange's id was made, in microseconds.

    Raises:
        ValueError: it is no UUID.

    Source: RFC 9562, 5.7.
    """
    return int(exchange_id.replace("-", "")[:12], 16) * 1000


def answered_by(store: Store, ids: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Route and variant of those of the exchanges that are recorded. Reads their dates alone.

    Raises:
        duckdb.Error, OSError: the records cannot be read.
        ValueError: an id is no UUID.
    """
    wanted = list(ids)
    # The moment of an id and that of the request's first byte may lie on two sides of midnight.
    around = [made_us(each) / 1_000_000 + aside for each in wanted for aside in (-3600, 3600)]
    dates = {f"date={datetime.fromtimestamp(moment, UTC).date()}" for moment in around}

    def read() -> dict[str, tuple[str, str]]:
        files = [path for path in store.files(EXCHANGES.name) if path.parent.name in dates]
        rows = _rows(store, "id, route, variant", files, "id", wanted)
        return {str(name): (str(route), str(variant)) for name, route, variant in rows}

    return store.past_damage(read)


def voted_on(store: Store, ids: Iterable[str]) -> set[str]:
    """Those of the exchanges that a vote is recorded of. Reads the dates since the first of them alone.

    Raises:
        duckdb.Error, OSError: the records cannot be read.
        ValueError: an id is no UUID.
    """
    wanted = list(ids)
    since = min(map(made_us, wanted), default=0) / 1_000_000
    first = f"date={datetime.fromtimestamp(since, UTC).date() - timedelta(days=1)}"

    def read() -> set[str]:
        files = [path for path in store.files(FEEDBACK.name) if path.parent.name >= first]
        return {str(row[0]) for row in _rows(store, "exchange_id", files, "score IS NOT NULL AND exchange_id", wanted)}

    return store.past_damage(read)


def _rows(store: Store, columns: str, files: list[Path], where: str, ids: list[str]) -> list[tuple[object, ...]]:
    if not files or not ids:
        return []
    query = f"SELECT {columns} FROM {read_files(files)} WHERE {where} IN (SELECT unnest(?::VARCHAR[]))"  # noqa: S608 -- our own words
    return store.connection.execute(query, [ids]).fetchall()
