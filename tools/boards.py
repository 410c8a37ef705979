"""The boards beside the dashboard: all routes in one table, money, what is kept, how engines look from here.

Rows are those of the dashboard where they say the same.
"""

from tools.dashboard_rows import journal, paid_by_the_hour, savings
from tools.engine_rows import VARIABLE, sglang, triton, vllm
from tools.grafana import Panel, Query, Row
from tools.panels import (
    BAD,
    BARS,
    HERE,
    ROUTE,
    STEPS,
    grown,
    lines,
    otherwise_0,
    quantile,
    rate,
    share,
    tile,
    uncharged,
)

_COST, _INSTEAD = "crossfade_cost_usd_total", "crossfade_counterfactual_cost_usd_total"
_REQUESTS = "crossfade_requests_total"
_OURS = f'{ROUTE}, variant="candidate"'
_OPEN = {
    "matcher": {"id": "byName", "options": "route"},
    "properties": [
        {"id": "links", "value": [{"title": "Open", "url": "/d/crossfade/crossfade?var-route=${__data.fields.route}"}]}
    ],
}


def fleet() -> Row:
    """Every route on one line: where it stands, what it answers, what it saves."""
    saved = f"{grown(_INSTEAD, 'route', _OURS)} - {grown(_COST, 'route', _OURS)}"
    columns = (
        ("weight", f"max by (route) (crossfade_weight_ratio{{{ROUTE}}})"),
        ("stage", f"max by (route) (crossfade_stage{{{ROUTE}}})"),
        ("units", f"max by (route) (crossfade_units{{{ROUTE}}})"),
        ("requests/s", rate(_REQUESTS, "route")),
        ("failed", share(_REQUESTS, BAD, "route")),
        ("worst gate", f"max by (route) (crossfade_gate_verdict{{{ROUTE}}})"),
        ("spent", grown(_COST, "route")),
        ("saved", saved),
    )
    metrics = (
        "crossfade_weight_ratio", "crossfade_stage", "crossfade_units", _REQUESTS, "crossfade_gate_verdict", _COST,
        _INSTEAD,
    )  # fmt: skip
    names = {f"Value #{chr(ord('A') + at)}": name for at, (name, _) in enumerate(columns)}
    table = Panel(
        "Routes",
        "One line per route; its name opens it. Worst gate: 0 passes, 1 not yet, 2 no evidence, 3 fails.",
        tuple(Query(expr) for _, expr in columns),
        metrics,
        kind="table",
        width=24,
        height=12,
        transformations=(
            {"id": "merge", "options": {}},
            {"id": "organize", "options": {"excludeByName": {"Time": True}, "renameByName": names}},
        ),
        overrides=(_OPEN,),
    )
    weights = lines(
        "Weights", "What part of eligible traffic each candidate answers.",
        (Query(f"max by (route) (crossfade_weight_ratio{{{ROUTE}}})", "{{route}}"),), ("crossfade_weight_ratio",),
        "percentunit", custom=STEPS, width=12,
    )  # fmt: skip
    traffic = lines(
        "Requests", "Answered per second.", (Query(rate(_REQUESTS, "route"), "{{route}}"),), (_REQUESTS,), "reqps",
        width=12,
    )  # fmt: skip
    return Row("All routes", (table, weights, traffic))


def money() -> Row:
    """What was spent in the range, and on what."""
    beside, judge, gpu = (
        "crossfade_shadow_cost_usd_total",
        "crossfade_judge_cost_usd_total",
        "crossfade_gpu_cost_usd_total",
    )
    unpriced = "crossfade_unpriced_total"

    def of_range(metric: str, labels: str) -> str:
        return otherwise_0(grown(metric, labels=labels))

    saved = f"{grown(_INSTEAD, labels=_OURS)} - {grown(_COST, labels=_OURS)}"
    idle = f'{HERE}, state="idle"'
    tiles = (
        ("Spent", "On answers that apps got, in this range.", of_range(_COST, ROUTE), _COST),
        ("Baseline alone", "What the baseline would have charged.", of_range(_INSTEAD, ROUTE), _INSTEAD),
        ("Shadow", "Background calls, in this range.", of_range(beside, ROUTE), beside),
        ("Judge", "Judging, in this range.", of_range(judge, ROUTE), judge),
        ("GPU, idle", "Hours that were paid and answered nothing.", of_range(gpu, idle), gpu),
    )
    drawn = [tile(name, about, expr, (metric,), "currencyUSD") for name, about, expr, metric in tiles]
    drawn.append(
        tile(
            "Saved",
            "By candidates: counterfactual less cost, and less hours that are paid and not yet answered in.",
            otherwise_0(f"({saved} - {uncharged()})"),
            (_INSTEAD, _COST, "crossfade_gpu_uncharged_usd"),
            "currencyUSD",
        )
    )
    without = tile(
        "Without a price", "Answers whose cost nobody knows; they count nowhere here.", of_range(unpriced, ROUTE),
        (unpriced,), "short",
    )  # fmt: skip
    routes = lines(
        "Spent by route", "Per hour.", (Query(f"3600 * {rate(_COST, 'route')}", "{{route}}"),), (_COST,), "currencyUSD",
        custom=BARS, width=12,
    )  # fmt: skip
    background = lines(
        "Shadow by whom was asked", "Per hour.", (Query(f"3600 * {rate(beside, 'asked')}", "{{asked}}"),), (beside,),
        "currencyUSD", custom=BARS, width=12,
    )  # fmt: skip
    return Row("Money", (*drawn, without, routes, background))


def engines() -> Row:
    """Candidates' engines as the gateway sees them: any kind of server, without its own metrics."""
    failed, opened = "crossfade_worker_candidate_errors_total", "crossfade_breaker_open"
    served, refused = "crossfade_served_ratio", "crossfade_shadow_key_refused"
    ttft, tpot = "crossfade_time_to_first_token_seconds", "crossfade_time_per_output_token_seconds"
    one = f"{_REQUESTS}{{{_OURS}}}"
    none = f"or 0 * max by (route) (crossfade_weight_ratio{{{ROUTE}}})"
    return Row(
        "Engines, as the gateway sees them",
        (
            lines(
                "Served", "Share of what was assigned to the candidate that it answered.",
                (Query(f"min by (route) ({served}{{{ROUTE}}}) {none}", "{{route}}"),),
                (served, "crossfade_weight_ratio"), "percentunit", top=1.0,
            ),
            lines(
                "Breakers open", "Workers that do not ask a candidate, or only probe it.",
                (Query(f"sum by (route) ({opened}{{{ROUTE}}}) {none}", "{{route}}"),),
                (opened, "crossfade_weight_ratio"), "short", custom=STEPS,
            ),
            lines(
                "Answers", "By candidates, per second.",
                (Query(f"sum by (model) (rate({one}[$__rate_interval]))", "{{model}}"),), (_REQUESTS,), "reqps",
            ),
            lines(
                "Failed attempts", "Without a first byte, per second.",
                (Query(rate(failed, "instance", HERE), "{{instance}}"),), (failed,), "reqps",
            ),
            lines(
                "First token p95", "Of the candidate's streams.",
                (Query(otherwise_0(quantile(0.95, ttft, "variant")), "{{variant}}"),), (ttft,), "s",
            ),
            lines(
                "Per token p95", "After the first one.",
                (Query(otherwise_0(quantile(0.95, tpot, "variant")), "{{variant}}"),), (tpot,), "s",
            ),
            lines(
                "Keys refused", "Background calls in a row that an engine refused for the key.",
                (Query(f"max by (route) ({refused}{{{ROUTE}}})", "{{route}}"),), (refused,), "short", custom=STEPS,
            ),
            *paid_by_the_hour(),
        ),
    )  # fmt: skip


def kept() -> Row:
    """What was captured, and what was not."""
    records, lost, unread = "crossfade_records_total", "crossfade_journal_lost_total", "crossfade_unread_total"
    return Row(
        "Kept",
        (
            tile("Rows", "Written in this range.", grown(records, labels=HERE), (records,), "short"),
            tile(
                "Lost", "Exchanges or bodies that are not in the journal.",
                otherwise_0(grown(lost, labels=HERE)), (lost,), "short",
            ),
            tile(
                "Read oddly", "Parts of answers not as they should stand there.",
                otherwise_0(grown(unread, labels=HERE)), (unread,), "short",
            ),
            lines(
                "Rows by table", "Per second.",
                (Query(rate(records, "table", HERE), "{{table}}"),), (records,), "short", width=12,
            ),
            lines(
                "Lost by reason", "Per second; 0 is as it should be.",
                (Query(rate(lost, "reason", HERE), "{{reason}}"),), (lost,), "short", width=12,
            ),
        ),
    )  # fmt: skip


BOARDS = {
    "fleet": ("Crossfade: all routes", (fleet,), ()),
    "cost": ("Crossfade: cost", (money, savings), ()),
    "data": ("Crossfade: data", (kept, journal), ()),
    "engines": ("Crossfade: engines", (engines, vllm, sglang, triton), (VARIABLE,)),
}
"""Name -> title, rows, and choices of its own."""
