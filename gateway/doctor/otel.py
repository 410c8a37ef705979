"""What `crossfade doctor` looks at of traces: whether the collector answers, and wants what we would send."""

import asyncio
from collections.abc import Iterator

from gateway.config.settings import Settings
from gateway.control.exporter.collector import Collector, PostResult
from gateway.doctor.result import CheckResult

SUBJECT = "otel"


def traces(settings: Settings) -> Iterator[CheckResult]:
    """The collector, if there is one; it is posted no span."""
    otel = settings.otel
    if otel is None:
        return
    found = asyncio.run(_post_nothing(Collector(otel.endpoint, otel.headers_file, otel.ca_file)))
    if found.fate == "taken":
        yield CheckResult("ok", SUBJECT, f"{otel.endpoint} takes spans")
        return
    hint = (
        "is it up, is it OTLP over HTTP (port 4318, /v1/traces), is the key in headers_file right? No app waits for it"
    )
    yield CheckResult("failure", SUBJECT, f"{otel.endpoint}: {found.reason}", hint)


async def _post_nothing(collector: Collector) -> PostResult:
    """A post without spans: OTLP's empty message."""
    try:
        return await collector.post(b"")
    finally:
        await collector.close()
