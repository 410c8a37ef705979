"""The settings of traces: where they go, what they are called, and how much of them is told."""

import importlib.util
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gateway.config.quantities import LocalPath
from policies.language.amounts import PPM, SharePpm

PACKAGE = "opentelemetry.proto"
"""What the extra brings."""


def _endpoint(text: str) -> str:
    """A whole URL that spans are posted to.

    Raises:
        ValueError: it is none.
    """
    parts = urlsplit(text)  # raises ValueError by itself for what is far off
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("not a URL. hint: write it as http://host:4318/v1/traces")
    if not parts.path.strip("/"):
        raise ValueError("the whole URL of OTLP over HTTP. hint: most collectors take it at /v1/traces")
    if parts.username or parts.password:
        raise ValueError("no credentials in a URL. hint: name a file as `headers_file`")
    return text


class OtelSettings(BaseModel):
    """Traces for an OpenTelemetry collector, from the journal: no app waits. Needs the extra `crossfade[otel]`."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    endpoint: Annotated[str, AfterValidator(_endpoint)]
    """The URL that spans are posted to, as OTLP over HTTP: `http://host:4318/v1/traces`."""
    headers_file: LocalPath | None = None
    """A file with headers for each post, `name: value` on each line, such as `authorization: Bearer …`. Read again
    for each of them."""
    ca_file: LocalPath | None = None
    """Certificates to trust instead of the system's."""
    conventions: tuple[Literal["gen_ai", "openinference"], ...] = Field(default=("gen_ai",), min_length=1)
    """The naming of attributes: OpenTelemetry's GenAI conventions, OpenInference's (Phoenix), or both."""
    content: bool = False
    """Whether prompts and answers are exported, redacted as in the records."""
    sample: SharePpm = PPM
    """Share of the traces that begin here which is exported. An app that sends a `traceparent` decides by its
    sampled flag."""
    service_name: str = Field(default="crossfade", min_length=1, max_length=255)
    """`service.name` of the spans."""


def lacking() -> str:
    """What has to be installed before anything can be exported; empty: nothing."""
    try:
        found = importlib.util.find_spec(PACKAGE)
    except ModuleNotFoundError:
        found = None
    return (
        "" if found is not None else f'{PACKAGE} is not installed. hint: install the extra `otel` (README, "Install")'
    )
