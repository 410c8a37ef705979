"""The reference page of what programs touch over HTTP: the data port's own headers and paths, and the admin API."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel

from gateway import clock
from gateway.admin.api import Pages, create_app
from gateway.admin.auth import Door
from gateway.admin.guard import Guard
from gateway.admin.queries import RecordQueries
from gateway.admin.rollouts import Operations
from gateway.config.readiness import ReadinessInputs
from gateway.control.operations.orders import OrderClock
from gateway.node.datadir import DataDir
from gateway.node.state_location import StatePlace
from records.store import Store

SENT = {
    "x-crossfade-variant": "`baseline` or `candidate`: this one answers. Only with a key that the policy names "
    "under `pin_keys`; such requests are no evidence",
    "x-crossfade-no-train": "with any value: the exchange is in no dataset. The body's `store: false` says the same",
}
"""What an app may send. No upstream gets it."""
ANSWERED = {
    "x-crossfade-request-id": "on every answer: the exchange's id, for `crossfade records show` and feedback",
    "x-crossfade-route": "where a policy took the request: its route",
    "x-crossfade-variant": "`baseline` or `candidate`: who answered. `expose_variant: false` leaves it out: in a "
    "policy for its route, in the settings for all that no policy takes",
    "x-request-id": "of a candidate's answer: the same id as above. A baseline's is the frontier's own",
}
"""What an app gets besides the upstream's own."""
OWN = {
    "POST /v1/feedback": "what the app or its user says of an answer: `{request_id, score?: -1..1, label?, comment?, "
    "corrected_output?}`; 202",
}
"""Paths of the data port that no upstream sees."""
PROBES = {
    "GET /healthz": "200 while the process lives",
    "GET /readyz": "200 when it serves; 503 with reasons",
    "GET /metrics": "Prometheus's text format: [metrics](metrics.md)",
}


def page() -> str:
    """Headers, own paths, probes, and every page of the admin API."""
    lines = [
        "# HTTP: headers and the admin API",
        "",
        "## Headers that an app may send",
        "",
        *_table("header", SENT),
        "## Headers of answers",
        "",
        *_table("header", ANSWERED),
        "## Paths of the data port that are ours",
        "",
        "All else under `/v1` goes to an upstream.",
        "",
        *_table("path", OWN),
        "## The admin port",
        "",
        "127.0.0.1:8081 unless set. On another address it wants `Authorization: Bearer TOKEN`",
        "(`server.admin_token_file`); the token of `server.viewer_token_file` may look, and change nothing. `/` is the",
        "console.",
        "",
        *_table("path", PROBES),
        "## The admin API",
        "",
        "JSON. `GET /api/v1/openapi.json` is the same as an OpenAPI document, with every field. Pages of records take",
        "the console's words as well: `q=total:>2s key:team`, `since=24h`, `route=…`.",
        "",
        "| page | who | asks for | gives |",
        "|---|---|---|---|",
        *(f"| {row} |" for row in sorted(_pages(), key=lambda row: row.partition("/")[2])),
        "",
    ]
    return "\n".join(lines)


def _table(what: str, rows: dict[str, str]) -> list[str]:
    return [f"| {what} | means |", "|---|---|", *(f"| `{name}` | {said} |" for name, said in rows.items()), ""]


def _pages() -> Iterator[str]:
    for route in (each for each in app().routes if isinstance(each, APIRoute)):
        (guard,) = [each.dependency for each in route.dependencies if isinstance(each.dependency, Guard)]
        told = " ".join((inspect.getdoc(route.endpoint) or "").split("\n\n")[0].split()).replace("|", "\\|")
        (method,) = list(route.methods or ())
        yield f"`{method} {route.path}` | {guard.access} | {_asks(route) or '-'} | {told}"


def _asks(route: APIRoute) -> str:
    found = [field.name for field in route.dependant.query_params]
    for field in route.dependant.body_params:
        body = cast("type[BaseModel]", field.field_info.annotation)
        found += list(body.model_fields)
    return ", ".join(f"`{name}`" for name in found)


def app() -> FastAPI:
    """The API over nothing: its pages are looked at, and none is asked for."""
    data = DataDir(Path("nowhere"))
    waits = OrderClock(clock.wall, clock.monotonic, lambda _: None)
    operations = Operations(data, StatePlace(str(data.state)), waits, "")
    pages = Pages(data, operations, RecordQueries(Store(data.records)), ReadinessInputs())
    return create_app(pages, Door(), version="")
