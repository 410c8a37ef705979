"""The rows of the dashboard, from what one looks at first to what one looks for last.

Longer than a file should be: it is one table, a function for each row.
"""

from tools.grafana import Panel, Query, Row
from tools.panels import (
    ARMS,
    BAD,
    BARS,
    BOUNDS,
    HERE,
    LINES,
    ROUTE,
    STEPS,
    VERDICTS,
    grown,
    lines,
    otherwise_0,
    quantile,
    rate,
    share,
    tile,
    uncharged,
)


def tiles() -> Row:
    """What one looks at first."""
    requests, cost = "crossfade_requests_total", "crossfade_cost_usd_total"
    instead = "crossfade_counterfactual_cost_usd_total"
    ours = f'{ROUTE}, variant="candidate"'
    unborne = "crossfade_gpu_uncharged_usd"
    saved = f"{grown(instead, labels=ours)} - {grown(cost, labels=ours)}"
    saved = f"{saved} - {uncharged()}"
    return Row(
        "Now",
        (
            tile("Requests", "Answered per second.", rate(requests), (requests,), "reqps"),
            tile(
                "By the candidate",
                "Share of all answers.",
                share(requests, 'variant="candidate"'),
                (requests,),
                "percentunit",
            ),
            tile("Failed", "Share of answers with a 5xx, or none.", share(requests, BAD), (requests,), "percentunit"),
            tile(
                "TTFT p95",
                "Of streams, from arrival to the first byte.",
                quantile(0.95, "crossfade_time_to_first_token_seconds"),
                ("crossfade_time_to_first_token_seconds",),
                "s",
            ),
            tile(
                "Answer p95",
                "From arrival to the last byte.",
                quantile(0.95, "crossfade_request_seconds"),
                ("crossfade_request_seconds",),
                "s",
            ),
            tile(
                "Fallbacks",
                "Answers by the baseline in the candidate's stead, in this range.",
                otherwise_0(grown("crossfade_fallbacks_total")),
                ("crossfade_fallbacks_total",),
                "short",
            ),
            tile(
                "Cost an hour",
                "What the answers cost, at the present rate.",
                f"3600 * {rate(cost)}",
                (cost,),
                "currencyUSD",
            ),
            tile(
                "Saved",
                "In this range: what the baseline would have charged for the candidate's answers, less their cost, "
                "and less hours that are paid and not yet answered in.",
                saved,
                (instead, cost, unborne),
                "currencyUSD",
            ),
        ),
    )


def standing() -> Row:
    """Weights, stages and revisions."""
    weight, stage, info = "crossfade_weight_ratio", "crossfade_stage", "crossfade_policy_info"
    return Row(
        "Where each route stands",
        (
            lines(
                "Weight",
                "Share of eligible traffic the candidate answers.",
                (Query(f"max by (route) ({weight}{{{ROUTE}}})", "{{route}}"),),
                (weight,),
                "percentunit",
                custom=STEPS,
                top=1.0,
                width=12,
            ),
            Panel(
                "Stage",
                "Rung of the ladder: 0 is the shadow.",
                (Query(f"max by (route) ({stage}{{{ROUTE}}})", "{{route}}"),),
                (stage,),
                kind="state-timeline",
                width=6,
                options={"mergeValues": True, "showValue": "auto"},
            ),
            Panel(
                "In force",
                "The revision of each route's candidate.",
                (Query(f"max by (route, revision) ({info}{{{ROUTE}}})"),),
                (info,),
                kind="table",
                width=6,
                transformations=({"id": "organize", "options": {"excludeByName": {"Time": True, "Value": True}}},),
            ),
        ),
    )


def arms() -> Row:
    """The same of both variants."""
    ttft, total = "crossfade_time_to_first_token_seconds", "crossfade_request_seconds"
    token, requests, cost = (
        "crossfade_time_per_output_token_seconds",
        "crossfade_requests_total",
        "crossfade_cost_usd_total",
    )

    def quantiles(metric: str) -> tuple[Query, ...]:
        return tuple(Query(quantile(q, metric, "variant"), f"{{{{variant}}}} p{q * 100:g}") for q in (0.5, 0.95))

    return Row(
        "Baseline beside candidate",
        (
            lines("Time to first token", "Of streams, as apps see it.", quantiles(ttft), (ttft,), "s", overrides=ARMS),
            lines("Whole answer", "From arrival to the last byte.", quantiles(total), (total,), "s", overrides=ARMS),
            lines("Time per token", "Between tokens of a stream.", quantiles(token), (token,), "s", overrides=ARMS),
            lines(
                "Failed",
                "Share of answers with a 5xx, or none.",
                (Query(share(requests, BAD, "variant"), "{{variant}}"),),
                (requests,),
                "percentunit",
                overrides=ARMS,
            ),
            lines(
                "Requests",
                "Answered per second.",
                (Query(rate(requests, "variant"), "{{variant}}"),),
                (requests,),
                "reqps",
                overrides=ARMS,
                custom=LINES | {"stacking": {"mode": "normal"}},
            ),
            lines(
                "Cost of a request",
                "Mean, at the price book's prices.",
                (Query(f"{rate(cost, 'variant')} / {rate(requests, 'variant')}", "{{variant}}"),),
                (cost, requests),
                "currencyUSD",
                overrides=ARMS,
            ),
        ),
    )


def gates() -> Row:
    """What is certified, and how far the rest is from it."""
    parts = ("estimate", "lower", "upper", "limit")
    named = tuple(f"crossfade_gate_{part}" for part in parts)
    every = (*named, "crossfade_gate_log10_e", "crossfade_gate_verdict")
    one = f'{ROUTE}, gate=~"$gate"'
    return Row(
        "Gates",
        (
            lines(
                "$gate",
                "The estimate within its confidence sequence, and the limit it must be certified against.",
                tuple(
                    Query(f"max by (route) ({name}{{{one}}})", part) for name, part in zip(named, parts, strict=True)
                ),
                named,
                "short",
                overrides=BOUNDS,
                repeat="gate",
            ),
            Panel(
                "All gates now",
                "A gate passes at log10 e of 1.3 (α = 0.05).",
                tuple(Query(f"max by (route, gate) ({name}{{{ROUTE}}})") for name in every),
                every,
                kind="table",
                width=24,
                transformations=(
                    {"id": "merge", "options": {}},
                    {
                        "id": "organize",
                        "options": {
                            "excludeByName": {"Time": True},
                            "renameByName": {
                                f"Value #{chr(ord('A') + at)}": name.removeprefix("crossfade_gate_")
                                for at, name in enumerate(every)
                            },
                        },
                    },
                ),
                overrides=(
                    {
                        "matcher": {"id": "byName", "options": "verdict"},
                        "properties": [
                            {"id": "mappings", "value": [VERDICTS]},
                            {"id": "custom.cellOptions", "value": {"type": "color-text"}},
                        ],
                    },
                ),
            ),
            lines(
                "Evidence",
                "log10 e of each gate: the odds against its being at its limit.",
                (Query(f"max by (route, gate) (crossfade_gate_log10_e{{{ROUTE}}})", "{{route}} {{gate}}"),),
                ("crossfade_gate_log10_e",),
                "short",
                width=12,
            ),
            lines(
                "Detectors",
                "As a power of ten: at that of rollback.arl (4, by default) it rolls back.",
                (Query(f"max by (route, detector) (crossfade_detector_log10{{{ROUTE}}})", "{{route}} {{detector}}"),),
                ("crossfade_detector_log10",),
                "short",
                width=12,
            ),
            lines(
                "Units",
                "Conversations counted in the present stage.",
                (Query(f"max by (route) (crossfade_units{{{ROUTE}}})", "{{route}}"),),
                ("crossfade_units",),
                "short",
                custom=STEPS,
                width=12,
            ),
            lines(
                "Decisions",
                "That moved something, in the last hour.",
                (
                    Query(
                        f"sum by (outcome) (increase(crossfade_decisions_total{{{ROUTE}}}[1h]))",
                        "{{outcome}}",
                    ),
                ),
                ("crossfade_decisions_total",),
                "short",
                width=12,
            ),
        ),
    )


def savings() -> Row:
    """Money and tokens."""
    cost, instead, tokens = (
        "crossfade_cost_usd_total",
        "crossfade_counterfactual_cost_usd_total",
        "crossfade_tokens_total",
    )
    only = f'{ROUTE}, variant="candidate"'
    return Row(
        "Savings",
        (
            lines(
                "Candidate's answers",
                "What they cost, and what the baseline would have charged, per hour.",
                (
                    Query(f"3600 * {rate(instead, '', only)}", "at the baseline's prices"),
                    Query(f"3600 * {rate(cost, '', only)}", "as they cost"),
                ),
                (instead, cost),
                "currencyUSD",
            ),
            lines(
                "Cost by model",
                "Per hour.",
                (Query(f"3600 * {rate(cost, 'model')}", "{{model}}"),),
                (cost,),
                "currencyUSD",
                custom=LINES | {"stacking": {"mode": "normal"}},
            ),
            lines(
                "Tokens",
                "Per second.",
                (Query(rate(tokens, "variant, kind"), "{{variant}} {{kind}}"),),
                (tokens,),
                "short",
            ),
            *paid_by_the_hour(),
        ),
    )


def paid_by_the_hour() -> tuple[Panel, Panel]:
    """Servers of one's own, whatever they answer."""
    cost, answers = "crossfade_gpu_cost_usd_total", "crossfade_gpu_answers_total"
    paid, answered = (f"sum by (upstream) (increase({name}{{{HERE}}}[6h]))" for name in (cost, answers))
    return (
        lines(
            "Servers paid by the hour",
            "What they cost in the hour before, busy and idle.",
            (
                Query(
                    otherwise_0(f"sum by (upstream, state) (increase({cost}{{{HERE}}}[1h]))"),
                    "{{upstream}} {{state}}",
                ),
            ),
            (cost,),
            "currencyUSD",
            custom=LINES | {"stacking": {"mode": "normal"}},
            width=12,
        ),
        lines(
            "Their cost per answer",
            "Over six hours, idle time and background calls included; 0 where nothing is paid by the hour.",
            (Query(otherwise_0(f"{paid} / {answered}"), "{{upstream}}"),),
            (cost, answers),
            "currencyUSD",
            width=12,
        ),
    )


def shadow() -> Row:
    """What is asked in the background."""
    total, queue, flying = "crossfade_shadow_total", "crossfade_shadow_queue", "crossfade_shadow_in_flight"
    calls, judge = "crossfade_shadow_cost_usd_total", "crossfade_judge_cost_usd_total"
    return Row(
        "Shadow",
        (
            lines(
                "Outcomes",
                "Background calls per second: answered, failed, timed out, dropped, skipped.",
                (Query(rate(total, "outcome"), "{{outcome}}"),),
                (total,),
                "reqps",
                custom=BARS,
            ),
            lines(
                "Queue",
                "Background calls that wait, and those under way.",
                (
                    Query(f"sum by (route) ({queue}{{{ROUTE}}})", "{{route}} waiting"),
                    Query(f"sum by (route) ({flying}{{{ROUTE}}})", "{{route}} under way"),
                ),
                (queue, flying),
                "short",
            ),
            lines(
                "Cost of looking",
                "What background calls and judging cost, per hour.",
                (
                    Query(f"3600 * {rate(calls, 'asked')}", "{{asked}}"),
                    Query(f"3600 * ({otherwise_0(rate(judge))})", "judge"),
                ),
                (calls, judge),
                "currencyUSD",
            ),
        ),
    )


def journal() -> Row:
    """Whether everything is kept and in time."""
    lag, lost, records = "crossfade_journal_lag_seconds", "crossfade_journal_lost_total", "crossfade_records_total"
    counted, seen = "crossfade_evidence_lag_seconds", "crossfade_shadow_lag_seconds"
    age, overhead = "crossfade_routing_table_age_seconds", "crossfade_overhead_seconds"
    return Row(
        "Journal and gateway",
        (
            lines(
                "Lag",
                "Age of the oldest exchange that is not yet recorded, counted, or seen by the shadow.",
                tuple(
                    Query(f"max by (instance) ({name}{{{HERE}}})", f"{who} {{{{instance}}}}")
                    for name, who in ((lag, "recorder"), (counted, "controller"), (seen, "shadow"))
                ),
                (lag, counted, seen),
                "s",
            ),
            lines(
                "Lost",
                "Exchanges or bodies not in the journal, per second; apps got their answers.",
                (Query(otherwise_0(rate(lost, "reason", HERE)), "{{reason}}"),),
                (lost,),
                "short",
            ),
            lines(
                "Rows written",
                "To the records, per second.",
                (Query(rate(records, "table", HERE), "{{table}}"),),
                (records,),
                "short",
            ),
            lines(
                "Added by the gateway",
                "Before the upstream was asked.",
                tuple(
                    Query(f"histogram_quantile({q}, {rate(f'{overhead}_bucket', 'le', HERE)})", f"p{q * 100:g}")
                    for q in (0.5, 0.95, 0.99)
                ),
                (overhead,),
                "s",
            ),
            lines(
                "Lease",
                "Age of the routing table's lease; after its grace every worker serves the baseline.",
                (Query(f"max by (instance) ({age}{{{HERE}}})", "{{instance}}"),),
                (age,),
                "s",
            ),
            lines(
                "Loop lag",
                "Worst delay of a worker's loop in the last second.",
                (Query(f"max by (instance) (crossfade_worker_loop_lag_seconds{{{HERE}}})", "{{instance}}"),),
                ("crossfade_worker_loop_lag_seconds",),
                "s",
            ),
        ),
    )


ROWS = (tiles, standing, arms, gates, savings, shadow, journal)
