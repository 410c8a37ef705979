"""What our dashboards' panels have in common: selectors, expressions, colours, and the two kinds that most are."""

from typing import Any

from tools.grafana import Panel, Query

HERE = 'job=~"$job", instance=~"$instance"'
ROUTE = f'{HERE}, route=~"$route"'
RATE = "$__rate_interval"
WIDTH = "$__range"
RANGE = f"[{WIDTH}]"

LINES = {"lineWidth": 2, "fillOpacity": 8, "showPoints": "never", "spanNulls": True}
STEPS = LINES | {"lineInterpolation": "stepAfter"}
BARS = {"drawStyle": "bars", "fillOpacity": 60, "lineWidth": 0, "stacking": {"mode": "normal"}}
LEGEND = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}
BIG = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "area", "textMode": "value"}


def colored(name: str, color: str, **custom: Any) -> dict[str, Any]:
    """How the series of one name look."""
    properties: list[dict[str, Any]] = [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}]
    properties += [{"id": f"custom.{key}", "value": value} for key, value in custom.items()]
    return {"matcher": {"id": "byRegexp", "options": name}, "properties": properties}


ARMS = (colored("baseline.*", "blue"), colored("candidate.*", "orange"))
BOUNDS = (
    colored("estimate", "text", lineWidth=2),
    colored("upper", "green", lineWidth=1, fillOpacity=12, fillBelowTo="lower"),
    colored("lower", "green", lineWidth=1),
    colored("limit", "red", lineStyle={"fill": "dash", "dash": [8, 6]}, fillOpacity=0),
)
VERDICTS = {
    "type": "value",
    "options": {
        "0": {"text": "PASS", "color": "green", "index": 0},
        "1": {"text": "INCONCLUSIVE", "color": "yellow", "index": 1},
        "2": {"text": "ERROR", "color": "orange", "index": 2},
        "3": {"text": "FAIL", "color": "red", "index": 3},
    },
}


def rate(metric: str, by: str = "", labels: str = ROUTE) -> str:
    """A counter per second."""
    return f"sum {f'by ({by}) ' if by else ''}(rate({metric}{{{labels}}}[{RATE}]))"


def grown(metric: str, by: str = "", labels: str = ROUTE) -> str:
    """How much a counter rose in the range, what a series began with included.

    `increase` alone starts at a series' first sample, and so never sees the first event of its kind: the only answer
    without a price, the first fallback. What a series began with is of this range if the gateway was scraped when the
    range began, and did not have it.
    """
    one = f"{metric}{{{labels}}}"
    seen = f"increase({one}{RANGE})"
    begun = f"min_over_time({one}{RANGE}) unless {one} offset {WIDTH}"
    begun = f"({begun}) and on (job, instance) (up{{{HERE}}} offset {WIDTH} == 1)"
    return f"sum {f'by ({by}) ' if by else ''}({seen} + ({begun} or 0 * {seen}))"


def uncharged() -> str:
    """What was paid by the hour in the range and is borne by no answer: what is so now, less what was when it began."""
    one = f"crossfade_gpu_uncharged_usd{{{HERE}}}"
    return f"((sum({one}) - ({otherwise_0(f'sum({one} offset {WIDTH})')})) or on () vector(0))"


def otherwise_0(expr: str) -> str:
    """0 where there is nothing at all; beside series with labels, `or vector(0)` alone would draw one more."""
    return f"{expr} or on () vector(0)"


def share(metric: str, which: str, by: str = "") -> str:
    """What part of a counter's rate has a label; 0 where the part has no series yet."""
    all_of_it = rate(metric, by)
    return f"({rate(metric, by, f'{ROUTE}, {which}')} or 0 * {all_of_it}) / {all_of_it}"


def quantile(q: float, metric: str, by: str = "") -> str:
    """A quantile of a histogram."""
    return f"histogram_quantile({q}, {rate(f'{metric}_bucket', f'le, {by}' if by else 'le')})"


def tile(title: str, about: str, expr: str, metrics: tuple[str, ...], unit: str) -> Panel:
    """One number."""
    return Panel(title, about, (Query(expr),), metrics, unit, kind="stat", width=3, height=4, options=BIG)


def lines(
    title: str, about: str, queries: tuple[Query, ...], metrics: tuple[str, ...], unit: str, **more: Any
) -> Panel:
    """Series over time."""
    return Panel(title, about, queries, metrics, unit, **({"options": LEGEND, "custom": LINES} | more))


BAD = 'status_class=~"5xx|none"'
"""Failed for reasons that are not the app's."""
