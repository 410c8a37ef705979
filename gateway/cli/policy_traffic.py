"""A route's traffic of the last days, out of the records: what plans count in days by, and simulations go over."""

from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from gateway.cli.context import warn_of_damage
from policies import stats
from policies.events import PairEvent
from policies.plan import Traffic
from policies.schema import Policy
from records.store import Store

DAYS = 7
_DAY_S = 86400.0
_LEAST_DAYS = 1 / 24
"""A first hour is no day: what came in it is not multiplied further."""

_ALPHA = 0.01
"""A few requests prove nothing: what counts is the least share that they are sure of."""
_UNIT = "coalesce(nullif(unit, ''), nullif(conversation_id, ''), id)"
_SEEN = f"""
SELECT count(*), count(DISTINCT {_UNIT}), epoch(min(arrived_at)),
       (SELECT max(n) FROM (SELECT count(*) AS n FROM chosen GROUP BY {_UNIT}))
FROM chosen
"""  # noqa: S608 -- no words but our own
_BY_ROUTE = "route = ? AND why NOT IN ('ineligible', 'refused')"
_BY_MODEL = "list_contains(?, model_requested) AND endpoint IN ('chat', 'completions', 'responses')"

_OBSERVED = """
SELECT event_json FROM observations_all
WHERE route = ? AND candidate_key = ? AND event_json <> '' AND epoch(observed_at) >= ?
QUALIFY row_number() OVER (PARTITION BY seq ORDER BY observed_at DESC) = 1
"""


def observed(records: Path, route: str, candidate_key: str, since: float) -> list[PairEvent]:
    """What the leader counted of a candidate from `since` on, in the order in which it came."""
    if not records.is_dir():
        return []
    store = Store(records, warn_of_damage)
    rows = store.ask(lambda views: views.execute(_OBSERVED, [route, candidate_key, since]).fetchall())
    found = [msgspec.json.decode(row[0], type=PairEvent) for row in rows]
    return sorted(found, key=lambda event: (event.at, event.id))


def recorded(records: Path, policy: Policy, now: float) -> Traffic | None:
    """What came in the last seven days for the policy's route; if nothing did, for the models it matches.

    None: nothing was recorded that it could be told from.
    """
    if not records.is_dir():
        return None
    for where, value in ((_BY_ROUTE, policy.route), (_BY_MODEL, list(policy.match.model))):
        row = Store(records, warn_of_damage).ask(partial(_seen, where, [value, now - DAYS * _DAY_S]))
        if row is not None and row[0]:
            requests, units, first, busiest = row
            days = max(_LEAST_DAYS, (now - first) / _DAY_S)
            surely = stats.proportion_interval(busiest, requests, _ALPHA)[0]
            return Traffic(units / days, surely, requests / days)
    return None


def _seen(where: str, parameters: list[object], views: duckdb.DuckDBPyConnection) -> tuple[Any, ...] | None:
    query = f"CREATE TEMP TABLE chosen AS SELECT * FROM exchanges WHERE {where} AND epoch(arrived_at) >= ?"  # noqa: S608 -- our own words
    views.execute(query, parameters)
    return views.execute(_SEEN).fetchone()
