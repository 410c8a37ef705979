"""A route's traffic of the last days, out of the records: what plans count in days by, and simulations go over."""

from pathlib import Path

import msgspec

from gateway.cli.context import warn_of_damage
from policies import stats
from policies.candidates import route_of
from policies.events import PairEvent
from policies.globs import regex
from policies.schema import Policy
from policies.stage_plan import Traffic
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
       (SELECT max(n) FROM (SELECT count(*) AS n FROM chosen GROUP BY {_UNIT})),
       CASE WHEN count(nullif(user_id, '')) = count(*) THEN count(DISTINCT user_id) ELSE 0 END,
       avg(cost_usd) FILTER (variant = 'baseline'), avg(cost_usd) FILTER (variant = 'candidate')
FROM chosen
"""  # noqa: S608 -- no words but our own
_BY_ROUTE = "route = ? AND why NOT IN ('ineligible', 'refused', 'imported')"
_BY_MODEL = (
    "regexp_full_match(model_requested, ?) AND endpoint IN ('chat', 'completions', 'responses') AND why <> 'imported'"
)

_ASKED = """
SELECT avg(cost_usd) FILTER (asked = 'candidate' AND came = 'answered'), avg(judge_cost_usd) FILTER (judge_json <> '')
FROM comparisons_all WHERE route = ? AND epoch(compared_at) >= ?
"""
_OBSERVED = """
SELECT event_json FROM observations_all
WHERE route = ? AND candidate_key = ? AND event_json <> '' AND epoch(observed_at) >= ?
QUALIFY row_number() OVER (PARTITION BY seq ORDER BY observed_at DESC) = 1
"""


def observed(records: Path, route: str, candidate_key: str, since: float) -> list[PairEvent]:
    """What the leader counted of a candidate from `since` on, in the order in which it came."""
    if not records.is_dir():
        return []
    wanted = [route, candidate_key, since]
    rows = Store(records, warn_of_damage).read(lambda views: views.execute(_OBSERVED, wanted).fetchall())
    found = [msgspec.json.decode(row[0], type=PairEvent) for row in rows]
    return sorted(found, key=lambda event: (event.at, event.id))


def _prices(records: Path, route: str, now: float) -> tuple[float | None, float | None]:
    """What an answer of the candidate, and judging a pair, cost of late; None: not known."""
    wanted = [route, now - DAYS * _DAY_S]
    row = Store(records, warn_of_damage).read(lambda views: views.execute(_ASKED, wanted).fetchone())
    return (None, None) if row is None else (row[0], row[1])


def recorded(records: Path, policy: Policy, now: float) -> Traffic | None:
    """What came in the last seven days for the policy's route; if nothing did, for the models it matches.

    None: nothing was recorded that it could be told from.
    """
    if not records.is_dir():
        return None
    by_model = [(_BY_MODEL, regex(policy.match.model))] if policy.match.model else []
    for where, value in ((_BY_ROUTE, route_of(policy.route)), *by_model):
        query = f"WITH chosen AS (SELECT * FROM exchanges WHERE {where} AND epoch(arrived_at) >= ?) {_SEEN}"  # noqa: S608 -- our own words
        wanted = [value, now - DAYS * _DAY_S]
        row = Store(records, warn_of_damage).read(lambda views: views.execute(query, wanted).fetchone())  # noqa: B023 -- called at once
        if row is not None and row[0]:
            requests, units, first, busiest, users, baseline_usd, served_usd = row
            days = max(_LEAST_DAYS, (now - first) / _DAY_S)
            surely = stats.proportion_interval(busiest, requests, _ALPHA)[0]
            asked_usd, judged_usd = _prices(records, policy.route, now)
            candidate_usd = served_usd if asked_usd is None else asked_usd
            return Traffic(
                units / days, surely, requests / days, users, baseline_usd, candidate_usd, judged_usd,
            )  # fmt: skip
    return None
