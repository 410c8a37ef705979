"""`crossfade routes`: recorded requests nobody has a policy for, grouped by what makes them alike: where to begin."""

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from typing import Any, cast

import duckdb

from gateway.cli import context
from gateway.cli.failure import failed
from gateway.config.settings_file import SettingsError
from records.store import Store

EXCERPT = 48
"""Characters of a system prompt that are shown."""
_QUERY = """
SELECT route, endpoint, model_requested, system_hash, tools_hash, schema_hash, count(*) AS requests,
       count(DISTINCT conversation_id) AS conversations, sum(prompt_tokens)::BIGINT AS prompt_tokens,
       sum(completion_tokens)::BIGINT AS completion_tokens, sum(cost_usd) AS cost_usd,
       count(*) FILTER (WHERE cost_usd IS NULL) AS unpriced, quantile_cont(total_ms, 0.5) AS total_ms_p50,
       arg_max(request_json, id) FILTER (WHERE request_json IS NOT NULL) AS request_json
FROM exchanges
WHERE endpoint IN ('chat', 'responses', 'completions') AND complete AND (? OR route = '')
GROUP BY ALL ORDER BY cost_usd DESC NULLS LAST, requests DESC LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class RequestKind:
    """One kind of request."""

    route: str
    """Empty: no policy has it."""
    endpoint: str
    model: str
    system_hash: str
    tools_hash: str
    schema_hash: str
    requests: int
    conversations: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    """None: no price is known."""
    unpriced: int
    """Requests without a known price: the cost is of the others."""
    total_ms_p50: float | None
    system: str
    """How the system prompt begins, redacted as the records are; empty: none, or not kept."""
    tools: list[str]


def run(arguments: argparse.Namespace) -> int:
    """Print it; 1: the records cannot be read."""
    try:
        data = context.data(arguments)
        with Store(data.records).open_views() as connection:
            rows = connection.execute(_QUERY, [arguments.all, max(1, arguments.lines)]).fetchall()
    except (SettingsError, OSError, duckdb.Error) as error:
        return failed(f"{error}. hint: if files were just merged, do it again", arguments)
    kinds = [_kind(row) for row in rows]
    if arguments.json:
        print(json.dumps([asdict(kind) for kind in kinds]))
        return 0
    if not kinds:
        print("Nothing is recorded that has no policy." if not arguments.all else "Nothing is recorded yet.")
        return 0
    print(f"{'cost':>11} {'requests':>9} {'talks':>7} {'tokens':>11} {'p50':>8}  {'model':20}  what")
    for kind in kinds:
        print(_line(kind))
    print(
        "`crossfade init` writes a policy to start from; match by model, and by system_prompt: {contains: …}",
        file=sys.stderr,
    )
    return 0


def _kind(row: tuple[Any, ...]) -> RequestKind:
    *columns, request = row
    system, tools = _read(request)
    route, endpoint, model, system_hash, tools_hash, schema_hash, requests, talks, asked, told, *rest = columns
    return RequestKind(
        route, endpoint, model, system_hash, tools_hash, schema_hash, requests, talks, asked or 0, told or 0, *rest,
        system=system, tools=tools,
    )  # fmt: skip


def _read(request: str | None) -> tuple[str, list[str]]:
    """How a recorded request's system prompt begins, and the names of its tools."""
    try:
        fields = json.loads(request or "null")
    except ValueError:
        return "", []
    if not isinstance(fields, dict):
        return "", []
    found = cast("dict[str, Any]", fields)
    names = [_name(tool) for tool in _list(found.get("tools"))]
    return _system(found)[: EXCERPT * 4], [name for name in names if name]


def _system(fields: dict[str, Any]) -> str:
    turns = _list(fields.get("messages")) + _list(fields.get("input"))
    contents: list[Any] = [turn.get("content") for turn in turns if turn.get("role") in ("system", "developer")]
    for content in (fields.get("instructions"), *contents):
        if isinstance(content, str) and content:
            return content
        for part in _list(content):
            if isinstance(part.get("text"), str):
                return part["text"]
    return ""


def _list(value: object) -> list[dict[str, Any]]:
    """The objects of a JSON list."""
    return [each for each in cast("list[Any]", value) if isinstance(each, dict)] if isinstance(value, list) else []


def _name(tool: dict[str, Any]) -> str:
    function = tool.get("function")
    name = cast("dict[str, Any]", function).get("name") if isinstance(function, dict) else tool.get("name")
    return name if isinstance(name, str) else ""


def _line(kind: RequestKind) -> str:
    cost = "-" if kind.cost_usd is None else f"${kind.cost_usd:.4f}"
    p50 = "-" if kind.total_ms_p50 is None else f"{kind.total_ms_p50:.0f} ms"
    words = " ".join(kind.system.split())
    what = [f"{words[:EXCERPT]}{'…' if len(words) > EXCERPT else ''}" if words else _unnamed(kind)]
    what += [f"tools: {', '.join(kind.tools[:4])}{', …' if len(kind.tools) > 4 else ''}"] if kind.tools else []
    what += ["schema"] if kind.schema_hash else []
    what += [f"route {kind.route}"] if kind.route else []
    tokens = kind.prompt_tokens + kind.completion_tokens
    return (
        f"{cost:>11} {kind.requests:9} {kind.conversations:7} {tokens:11} {p50:>8}  {kind.model:20}  {'; '.join(what)}"
    )


def _unnamed(kind: RequestKind) -> str:
    return f"system prompt {kind.system_hash[:12]}" if kind.system_hash else "no system prompt"
