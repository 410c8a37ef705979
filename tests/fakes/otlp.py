"""An OpenTelemetry collector: takes OTLP over HTTP as the specification has it, and keeps every span it was sent."""

import gzip
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

PATH = "/v1/traces"


@dataclass(frozen=True)
class TakenSpan:
    """A span as it came, in the reader's terms."""

    wire: Span
    resource: dict[str, Any]

    @property
    def trace_id(self) -> str:
        return self.wire.trace_id.hex()

    @property
    def span_id(self) -> str:
        return self.wire.span_id.hex()

    @property
    def parent_id(self) -> str:
        return self.wire.parent_span_id.hex()

    @property
    def name(self) -> str:
        return self.wire.name

    @property
    def kind(self) -> str:
        return Span.SpanKind.Name(self.wire.kind).removeprefix("SPAN_KIND_").lower()

    @property
    def attributes(self) -> dict[str, Any]:
        return attributes_of(self.wire.attributes)


def attributes_of(pairs: Any) -> dict[str, Any]:
    """Attributes by name; a name that stands twice is a mistake."""
    found: dict[str, Any] = {}
    for pair in pairs:
        assert isinstance(pair, KeyValue)
        assert pair.key not in found, pair.key
        found[pair.key] = _value(pair.value)
    return found


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    assert kind is not None
    return [_value(each) for each in value.array_value.values] if kind == "array_value" else getattr(value, kind)


@dataclass
class FakeCollector:
    """Answers every post with `status`; what it takes stands in `posts` and `spans`."""

    status: int = 200
    retry_after: str = ""
    rejects: int = 0
    port: int = 0
    hangs: threading.Event | None = None
    """While it is not set, no post is answered."""
    posts: list[bytes] = field(default_factory=list[bytes])
    """Bodies that were taken, unpacked."""
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    asked: int = 0
    """Posts, whatever they were answered."""

    @property
    def spans(self) -> list[TakenSpan]:
        """All that was taken, in its order."""
        found: list[TakenSpan] = []
        for post in tuple(self.posts):
            for resource in ExportTraceServiceRequest.FromString(post).resource_spans:
                about = attributes_of(resource.resource.attributes)
                found += (TakenSpan(span, about) for scope in resource.scope_spans for span in scope.spans)
        return found

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """Status and body."""
        self.asked += 1
        self.headers.append(headers)
        if path != PATH:
            return 404, b""
        if headers.get("content-type") != "application/x-protobuf":
            return 415, b""
        if self.hangs is not None:
            self.hangs.wait()
        if self.status == 200:
            self.posts.append(gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body)
        told = ExportTraceServiceResponse()
        told.partial_success.rejected_spans = self.rejects
        return self.status, told.SerializeToString()

    @contextmanager
    def serving(self) -> Generator[str]:
        """The URL that spans are posted to, while it serves."""
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, told = collector.answer(self.path, headers, body)
                self.send_response(status)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(told)))
                if collector.retry_after:
                    self.send_header("retry-after", collector.retry_after)
                self.end_headers()
                self.wfile.write(told)

            def log_message(self, *_: object) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None: ...  # whoever waited for us has gone

        server = Server(("127.0.0.1", self.port), Handler)
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{self.port}{PATH}"
        finally:
            if self.hangs is not None:
                self.hangs.set()
            server.shutdown()
            server.server_close()
            thread.join()
