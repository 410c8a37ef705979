"""Builds Grafana dashboards as classic JSON: rows of panels that are laid out, numbered and titled by themselves.

Nothing in here knows a metric. The same input gives the same bytes.
Source: Grafana's classic dashboard model, schema version 39, as vLLM's own dashboards use it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

COLUMNS = 24
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
QUIET = [{"type": "special", "options": {"match": "null+nan", "result": {"text": "No traffic"}}}]


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression, and what its series are called."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel; its description ends with the metrics it draws."""

    title: str
    about: str
    queries: tuple[Query, ...]
    metrics: tuple[str, ...]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    repeat: str = ""
    """A variable: the panel is drawn once for each of its values."""
    options: Json = field(default_factory=dict[str, Any])
    custom: Json = field(default_factory=dict[str, Any])
    overrides: tuple[Json, ...] = ()
    mappings: tuple[Json, ...] = ()
    transformations: tuple[Json, ...] = ()
    top: float | None = None
    """Largest value of the axis."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the top of the dashboard, filled from a metric's label."""

    name: str
    query: str


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading, side by side until the row is full."""

    title: str
    panels: tuple[Panel, ...]


def dashboard(uid: str, title: str, variables: Sequence[Variable], rows: Sequence[Row], moves: Query) -> str:
    """The dashboard's JSON; `moves` marks moments on every panel."""
    panels: list[Json] = []
    y = 0
    for row in rows:
        panels.append({"id": 0, "type": "row", "title": row.title, "collapsed": False, "panels": []} | _at(0, y, 24, 1))
        y += 1
        x = tallest = 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            panels.append(_panel(panel) | _at(x, y, panel.width, panel.height))
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest
    for number, drawn in enumerate(panels, start=1):
        drawn["id"] = number
    made = {
        "uid": uid,
        "title": title,
        "tags": ["crossfade"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "links": [{"type": "dashboards", "tags": ["crossfade"], "title": "Crossfade", "asDropdown": True, "icon": ""}],
        "annotations": {"list": [_annotation(moves)]},
        "templating": {"list": [_source(), *(_variable(variable) for variable in variables)]},
        "panels": panels,
    }
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def _at(x: int, y: int, w: int, h: int) -> Json:
    return {"gridPos": {"x": x, "y": y, "w": w, "h": h}}


def _panel(panel: Panel) -> Json:
    table = panel.kind == "table"
    defaults: Json = {"unit": panel.unit, "mappings": [*panel.mappings, *QUIET], "custom": panel.custom}
    if panel.top is not None:
        defaults |= {"min": 0, "max": panel.top}
    targets = [
        {
            "refId": chr(ord("A") + at),
            "datasource": SOURCE,
            "expr": query.expr,
            "legendFormat": query.legend or "__auto",
        }
        | ({"instant": True, "format": "table"} if table else {"range": panel.kind != "stat"})
        | ({"instant": True} if panel.kind == "stat" else {})
        for at, query in enumerate(panel.queries)
    ]
    drawn: Json = {
        "id": 0,
        "type": panel.kind,
        "title": panel.title,
        "description": f"{panel.about} {' '.join(panel.metrics)}",
        "datasource": SOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": defaults, "overrides": list(panel.overrides)},
        "options": panel.options,
        "transformations": list(panel.transformations),
    }
    return drawn | ({"repeat": panel.repeat, "repeatDirection": "h", "maxPerRow": 3} if panel.repeat else {})


def _source() -> Json:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "current": {}}


def _variable(variable: Variable) -> Json:
    return {
        "name": variable.name,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": variable.query, "refId": variable.name},
        "definition": variable.query,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _annotation(moves: Query) -> Json:
    return {
        "name": "Moves",
        "datasource": SOURCE,
        "enable": True,
        "iconColor": "purple",
        "expr": moves.expr,
        "titleFormat": moves.legend,
        "step": "10s",
    }
