"""Who is behind an upstream, as `gen_ai.provider.name` has it. Pure.

Source: OpenTelemetry GenAI conventions, `gen_ai.provider.name`; a server of one's own is named by what speaks there.
"""

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from gateway.control.exporter.spans import UpstreamPlace
from policies.routing import Upstream

_BY_HOST: Mapping[str, str] = {
    "api.openai.com": "openai",
    "openai.azure.com": "azure.ai.openai",
    "services.ai.azure.com": "azure.ai.inference",
    "anthropic.com": "anthropic",
    "amazonaws.com": "aws.bedrock",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
    "api.mistral.ai": "mistral_ai",
    "api.groq.com": "groq",
    "api.deepseek.com": "deepseek",
    "api.x.ai": "x_ai",
    "api.perplexity.ai": "perplexity",
    "api.cohere.com": "cohere",
}
"""End of a host's name -> its provider."""
_PORTS = {"http": 80, "https": 443}


def upstream_places(upstreams: Iterable[Upstream]) -> dict[str, UpstreamPlace]:
    """Where each upstream of a routing table is."""
    return {upstream.name: _place(upstream) for upstream in upstreams}


def _place(upstream: Upstream) -> UpstreamPlace:
    if upstream.kind == "litellm":  # its address is our own process'
        return UpstreamPlace("litellm")
    parts = urlsplit(upstream.base_url)
    host = parts.hostname or ""
    provider = upstream.kind
    if upstream.kind == "openai":
        known = (name for end, name in _BY_HOST.items() if host == end or host.endswith(f".{end}"))
        return UpstreamPlace(next(known, "openai"), host, parts.port or _PORTS.get(parts.scheme))
    return UpstreamPlace(provider, host, parts.port or _PORTS.get(parts.scheme))
