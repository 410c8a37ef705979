import pytest

from gateway.control.exporter.providers import upstream_places
from gateway.control.exporter.spans import UpstreamPlace
from policies.routing import Upstream


@pytest.mark.parametrize(
    ("upstream", "place"),
    [
        (Upstream("u", "https://api.openai.com/v1"), UpstreamPlace("openai", "api.openai.com", 443)),
        (Upstream("u", "https://me.openai.azure.com/x"), UpstreamPlace("azure.ai.openai", "me.openai.azure.com", 443)),
        (Upstream("u", "http://notapi.groq.com:81"), UpstreamPlace("openai", "notapi.groq.com", 81)),
        (Upstream("u", "https://api.groq.com/openai/v1"), UpstreamPlace("groq", "api.groq.com", 443)),
        (Upstream("u", "http://gpu:8000/v1", kind="vllm"), UpstreamPlace("vllm", "gpu", 8000)),
        (Upstream("u", "http://litellm/v1", kind="litellm", uds="/s"), UpstreamPlace("litellm")),
    ],
)
def test_who_is_behind_an_upstream(upstream: Upstream, place: UpstreamPlace) -> None:
    """A provider is known by its host, a server of one's own by what speaks there; what is unknown speaks OpenAI's."""
    assert upstream_places([upstream]) == {"u": place}
