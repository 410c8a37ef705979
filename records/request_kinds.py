"""Recorded requests by what makes them alike: the same endpoint, model, system prompt, tools and schema.

`crossfade routes`, the admin API and `crossfade readiness` speak of the same kinds: where a policy could begin.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

ENDPOINTS = "endpoint IN ('chat', 'responses', 'completions')"
"""What a policy can have."""
KIND = ("endpoint", "model_requested", "system_hash", "tools_hash", "schema_hash")
"""The columns that are equal within a kind."""


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
    span_s: float
    """From the first to the last."""
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    """None: no price is known."""
    unpriced: int
    """Requests without a known price: the cost is of the others."""
    total_ms_p50: float | None
    """Of those whose time is known: a log of another system may say none."""
    request_json: str | None
    """The last one whose body was kept, redacted as the records are."""


def kinds_query(where: str) -> str:
    """SQL for kinds of whole answers that `where` lets through, the dearest first. Its last parameter: how many."""
    return f"""
    SELECT route, {", ".join(KIND)}, count(*) AS requests, count(DISTINCT conversation_id),
           epoch(max(arrived_at) - min(arrived_at)), coalesce(sum(prompt_tokens), 0)::BIGINT,
           coalesce(sum(completion_tokens), 0)::BIGINT, sum(cost_usd) AS cost,
           count(*) FILTER (WHERE cost_usd IS NULL), quantile_cont(total_ms, 0.5) FILTER (total_ms > 0),
           arg_max(request_json, id) FILTER (WHERE request_json IS NOT NULL)
    FROM exchanges WHERE {ENDPOINTS} AND complete AND {where}
    GROUP BY route, {", ".join(KIND)} ORDER BY cost DESC NULLS LAST, requests DESC LIMIT ?"""  # noqa: S608 -- our own words


def kind_of(row: Sequence[Any]) -> RequestKind:
    """A row of that query."""
    return RequestKind(*row)
