"""What the records say of each route, for `readiness`: one pass over the window, and one over its prompts.

Traffic without a route is grouped as `crossfade routes` groups it, the dearest first, and named `unrouted/` and eight
hex digits. Only what the baseline answered counts: a candidate's answers say nothing of what a frontier costs.
"""

from collections.abc import Callable, Sequence
from typing import Any

from records.readiness import DAY_S, UNROUTED, Measure, QualityPeriod, RouteFacts
from records.request_kinds import ENDPOINTS, KIND
from records.retirement import LIST_PATH, dates_in

Ask = Callable[[str, Sequence[object]], list[tuple[Any, ...]]]
"""Asks the records' views (`Store.open_views`) in SQL; whoever asks bounds the time."""
SIGNIFICANT = 0.02
"""A system prompt with less of the traffic is no version of the route's own."""
MOST_GROUPS = 20
"""Of traffic without a route."""
_KIND = f"'{UNROUTED}' || left(md5(concat_ws('|', {', '.join(KIND)})), 8)"
_ASKED = f"""
SELECT *, CASE WHEN route <> '' THEN route ELSE {_KIND} END AS name, epoch(arrived_at) AS moment,
       complete AND consent = 'train' AND request_json IS NOT NULL AND response_json IS NOT NULL
       AND NOT contains(finish_reason, 'length') AND NOT contains(finish_reason, 'content_filter') AS trainable
FROM joined
WHERE {ENDPOINTS} AND variant = 'baseline' AND epoch(arrived_at) >= ?1
      AND date >= make_timestamp((?1 * 1000000)::BIGINT)::DATE AND why <> 'refused' AND (?3 IS NULL OR name = ?3)
"""  # noqa: S608 -- our own words
_SAID = "coalesce(json_extract_string(response_json, '$.choices[0].message.content'), response_json)"
_HALVES = ("true", "moment < ?2", "moment >= ?2")
_MEASURES = {
    "usd": "sum(cost_usd) FILTER ({half})",
    "first_byte": "quantile_cont(first_byte_ms / 1000, 0.95) FILTER (stream AND complete AND {half})",
    "total": "quantile_cont(total_ms / 1000, 0.95) FILTER (complete AND total_ms > 0 AND {half})",
    "tokens": "quantile_cont(1000 / tpot_ms, 0.5) FILTER (tpot_ms > 0 AND {half})",
    "away": "avg((status = 429)::INTEGER) FILTER ({half})",
}
_COLUMNS = ", ".join(text.format(half=half) for text in _MEASURES.values() for half in _HALVES)
_FACTS = f"""
SELECT name, mode(model_requested), count(*), min(moment), count(*) FILTER (complete AND cost_usd IS NULL),
       count(*) FILTER (trainable), count(DISTINCT prompt_hash) FILTER (trainable),
       count(DISTINCT md5({_SAID})) FILTER (trainable), count(score), count(corrected_output_json), {_COLUMNS}
FROM ({_ASKED}) GROUP BY name
QUALIFY NOT starts_with(name, '{UNROUTED}')
        OR row_number() OVER (PARTITION BY starts_with(name, '{UNROUTED}') ORDER BY sum(cost_usd) DESC NULLS LAST,
                              count(*) DESC) <= {MOST_GROUPS}
ORDER BY starts_with(name, '{UNROUTED}'), sum(cost_usd) DESC NULLS LAST, count(*) DESC, name
"""  # noqa: S608 -- our own words
_PROMPTS = f"""
SELECT name, left(system_hash, 8), min(moment), count(*), count(*) FILTER (moment >= ?2), count(score), avg(score),
       stddev_pop(score)
FROM ({_ASKED}) GROUP BY name, system_hash ORDER BY name, min(moment)
"""  # noqa: S608 -- our own words
_MODELS = f"""
SELECT response_json FROM exchanges
WHERE path = '{LIST_PATH}' AND method = 'GET' AND status = 200 AND response_json IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY upstream ORDER BY id DESC) = 1
"""  # noqa: S608 -- our own words
_IDLE = """
SELECT upstream, sum(idle_s) / sum(busy_s + idle_s) FROM gpu_hours_all WHERE epoch(until_at) >= ?
GROUP BY upstream HAVING sum(busy_s + idle_s) > 0
"""


def route_facts(
    ask: Ask, *, now: float, window_s: float, name: str | None = None, prompts_s: float = 0.0
) -> list[RouteFacts]:
    """What is known of every route in the window, or of the one of that name. `now`: Unix seconds.

    `prompts_s`: system prompts are looked for so far back, where the window is shorter: in a week nothing shows to be
    a fortnight old.

    Raises:
        duckdb.Error, OSError: the records cannot be read.
    """
    since = grained(now - window_s, window_s)
    asked: list[Any] = [since, since + window_s / 2, name]
    longest_s = max(window_s, prompts_s)
    rows = ask(_FACTS, asked)
    prompts = ask(_PROMPTS, [grained(now - longest_s, longest_s), *asked[1:]])
    return [_facts(row, [each[1:] for each in prompts if each[0] == row[0]], now, window_s) for row in rows]


def grained(since: float, window_s: float) -> float:
    """A moment to a thousandth of a window, earlier at most: questions of one minute are the same."""
    grain_s = max(1.0, window_s // 1000)
    return since // grain_s * grain_s


def shutdown_dates(ask: Ask) -> dict[str, str]:
    """By model, the date at which its provider turns it off, as the last answer of `GET /v1/models` says.

    Raises:
        duckdb.Error, OSError: the records cannot be read.
    """
    texts = [row[0] for row in ask(_MODELS, ())]
    return {model: day for text in texts for model, day in dates_in(text).items()}


def idle_shares(ask: Ask, *, since: float) -> dict[str, float]:
    """By upstream, the share of the hours paid since then in which it had no request. `since`: Unix seconds.

    Raises:
        duckdb.Error, OSError: the records cannot be read.
    """
    return dict(ask(_IDLE, [since]))


def _facts(row: tuple[Any, ...], prompts: list[tuple[Any, ...]], now: float, window_s: float) -> RouteFacts:
    name, model, requests, first_at, unpriced, examples, different, answers, votes, corrections, *measured = row
    halves = [Measure(*measured[at : at + 3]) for at in range(0, len(measured), 3)]
    usd, first_byte, total, tokens, away = halves
    days = (now - first_at) / DAY_S
    later = min(days, window_s / 2 / DAY_S)
    own = [each for each in prompts if max(each[2] / requests, _share(each[3], prompts)) >= SIGNIFICANT]
    told_apart = sum(each[2] for each in own) >= requests / 2
    return RouteFacts(
        name=name, model=model or "", requests=requests, days=days,
        usd_per_day=Measure(_per(usd.whole, days), _per(usd.before, days - later), _per(usd.after, later)),
        unpriced=unpriced, first_byte_p95_s=first_byte, total_p95_s=total, tokens_per_s=tokens, turned_away=away,
        examples=examples, prompts=different, answers=answers, votes=votes, corrections=corrections,
        prompt_days=(now - max(each[1] for each in own)) / DAY_S if told_apart else None,
        prompt_versions=len(own),
        feedback=tuple(
            QualityPeriod(f"prompt {label or 'none'}", since, count, mean, sd or 0.0)
            for label, since, _, _, count, mean, sd in (own if told_apart else ())
            if count
        ),
    )  # fmt: skip


def _share(lately: int, prompts: list[tuple[Any, ...]]) -> float:
    return lately / max(1, sum(each[3] for each in prompts))


def _per(usd: float | None, days: float) -> float | None:
    """A sum a day; None: there was hardly a day."""
    return None if usd is None or days < 0.5 else usd / days
