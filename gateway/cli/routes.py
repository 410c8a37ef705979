"""`crossfade routes`: recorded requests nobody has a policy for, grouped by what makes them alike: where to begin."""

import argparse
import json
import sys
from dataclasses import asdict
from typing import Any

import duckdb

from gateway.admin.prompts import PromptOutline, prompt_outline
from gateway.cli import context, layout
from gateway.cli.failure import failed, unreadable
from gateway.config.settings_file import SettingsError
from policies.request.body import CHAT
from records.request_kinds import RequestKind, kind_of, kinds_query
from records.store import Store

EXCERPT = 48
"""Characters of a system prompt that are shown."""


def run(arguments: argparse.Namespace) -> int:
    """Print it; 1: the records cannot be read."""
    try:
        data = context.data(arguments)
        wanted = [arguments.all, arguments.lines]
        query = kinds_query("(? OR route = '')")
        rows = Store(data.records, context.warn_of_damage).read(lambda views: views.execute(query, wanted).fetchall())
    except (SettingsError, OSError) as error:
        return failed(error, arguments)
    except duckdb.Error as error:
        return unreadable(error, arguments)
    kinds = [(kind, prompt_outline(CHAT, kind.request_json)) for kind in map(kind_of, rows)]
    if arguments.json:
        print(json.dumps([_fields(kind, outline) for kind, outline in kinds]))
        return 0
    if not kinds:
        print("Nothing is recorded that has no policy." if not arguments.all else "Nothing is recorded yet.")
        return 0
    head = ("COST", "REQUESTS", "TALKS", "TOKENS", "P50", "MODEL", "WHAT")
    print("\n".join(layout.table([head, *map(_row, kinds)], right=(0, 1, 2, 3, 4), cut=(5, 6))))
    print(
        "`crossfade init` writes a policy to start from; match by model, and by system_prompt: {contains: …}",
        file=sys.stderr,
    )
    return 0


def _fields(kind: RequestKind, outline: PromptOutline) -> dict[str, Any]:
    """The fields of a group for `--json`; instead of a whole request, the beginning of its system prompt."""
    fields = asdict(kind)
    del fields["request_json"], fields["span_s"]
    return fields | {"system": outline.system[: EXCERPT * 4], "tools": list(outline.tools)}


def _row(found: tuple[RequestKind, PromptOutline]) -> tuple[str, ...]:
    kind, outline = found
    cost = "-" if kind.cost_usd is None else f"${kind.cost_usd:.4f}"
    p50 = "-" if kind.total_ms_p50 is None else f"{kind.total_ms_p50:.0f} ms"
    words = " ".join(outline.system[: EXCERPT * 4].split())
    what = [f"{words[:EXCERPT]}{'…' if len(words) > EXCERPT else ''}" if words else _unnamed(kind)]
    what += [f"tools: {', '.join(outline.tools[:4])}{', …' if len(outline.tools) > 4 else ''}"] if outline.tools else []
    what += ["schema"] if kind.schema_hash else []
    what += [f"route {kind.route}"] if kind.route else []
    counts = (f"{n:,}" for n in (kind.requests, kind.conversations, kind.prompt_tokens + kind.completion_tokens))
    return cost, *counts, p50, kind.model, "; ".join(what)


def _unnamed(kind: RequestKind) -> str:
    return f"system prompt {kind.system_hash[:12]}" if kind.system_hash else "no system prompt"
