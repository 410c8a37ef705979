"""Kinds of upstream: the one table of what speaks at a server, and what follows from it.

A new kind that speaks OpenAI's API over HTTP is a word in `Kind` and a row in `KINDS`
(docs/howto/add-an-upstream-kind.md). Workers load this module, so it stays light.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

Kind = Literal["openai", "vllm", "sglang", "triton", "litellm"]
"""What speaks at an upstream."""

IDLE_S = 50.0
"""Longest an unused connection is kept, unless said otherwise: some load balancers (AWS's) close after 60 s."""
ENGINE_IDLE_S = 2.0
"""vLLM closes after 5 s, which is the default of the server it stands on, uvicorn."""

AGE_S = 900.0
"""How long a connection is used again before a new one takes its place: names come to mean other addresses."""
ENGINE_AGE_S = 60.0
"""Kubernetes' services balance by connection: a replica that was added gets nothing of what goes over those there are.
To a server of one's own a new one costs little."""


class UpstreamKind(NamedTuple):
    """What follows from what speaks there."""

    is_frontier: bool = False
    """A provider: its prices are in the price book, and calls that nobody waits for need a key of the gateway's own."""
    is_engine: bool = False
    """A server of models of one's own: requests are adapted to what it takes."""
    waiting_metrics: tuple[str, ...] = ()
    """Gauges on its `/metrics` that count, together, requests that wait; none: nobody asks, the shadow never pauses."""
    idle_s: float = IDLE_S
    """Longest an unused connection is kept."""
    age_s: float = AGE_S
    """Longest any is used again."""


KINDS: Mapping[Kind, UpstreamKind] = {
    "openai": UpstreamKind(is_frontier=True),
    "vllm": UpstreamKind(
        is_engine=True, waiting_metrics=("vllm:num_requests_waiting",), idle_s=ENGINE_IDLE_S, age_s=ENGINE_AGE_S
    ),
    "sglang": UpstreamKind(
        is_engine=True, waiting_metrics=("sglang:num_queue_reqs",), idle_s=ENGINE_IDLE_S, age_s=ENGINE_AGE_S
    ),
    "triton": UpstreamKind(  # its own queue, and that of its vLLM backend, which takes all requests at once
        is_engine=True,
        waiting_metrics=("nv_inference_pending_request_count", "vllm:num_requests_waiting"),
        idle_s=ENGINE_IDLE_S,
        age_s=ENGINE_AGE_S,
    ),
    "litellm": UpstreamKind(),  # behind a process of its own: gateway/adapters/litellm.py
}
ENGINES: tuple[Kind, ...] = tuple(kind for kind, what in KINDS.items() if what.is_engine)
"""Servers of models of one's own."""
