"""A provider under its real name, behind a forward proxy on loopback: price lists go by a provider's address.

with provider(authority.server("api.openai.com"), {"question": answer}) as proxy:
    ...  # an upstream with `proxy: {proxy}` and `ca_file: {authority.ca_file}`
"""

import http.server
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any


@contextmanager
def provider(context: ssl.SSLContext, answers: Mapping[str, bytes]) -> Iterator[str]:
    """Answers each question as `answers` says, over TLS as `context` shows it; gives the proxy's URL."""
    handler = type("_Handler", (_Provider,), {"answers": answers, "context": context})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Provider(http.server.BaseHTTPRequestHandler):
    """The proxy, and behind its CONNECT the provider itself."""

    protocol_version = "HTTP/1.1"
    answers: Mapping[str, bytes]
    context: ssl.SSLContext

    def do_CONNECT(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.flush()
        self.connection = self.context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")

    def do_POST(self) -> None:
        asked: Any = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answer = self.answers[asked["messages"][-1]["content"]]
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if answer.startswith(b"data:") else "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
        self.wfile.flush()

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a test says what went wrong."""
