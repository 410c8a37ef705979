"""An engine as far as the preflight asks it: models, tokens of a chat, answers. Its tokens are the text's own bytes."""

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def tokens_of(messages: list[dict[str, Any]]) -> list[int]:
    """What the fake makes of a chat."""
    return list("".join(f"{turn['role']}:{turn['content']};" for turn in messages).encode())


class FakeEngine:
    """Serves one model; `template` makes tokens of a chat, `say` answers it."""

    def __init__(
        self,
        model: str = "tuned",
        template: Callable[[list[dict[str, Any]]], list[int]] = tokens_of,
        say: Callable[[list[dict[str, Any]]], str | None] = lambda _: "fine",
    ) -> None:
        self.model, self.template, self.say = model, template, say
        self.seen: list[dict[str, str]] = []
        """The headers of each request."""

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and body."""
        if path == "/v1/models":
            return 200, {"object": "list", "data": [{"id": self.model, "object": "model"}]}
        if body["model"] != self.model:
            return 404, {"error": {"message": "no such model", "type": "NotFoundError", "code": 404}}
        if path == "/tokenize":
            tokens = self.template(body["messages"])
            return 200, {"count": len(tokens), "max_model_len": 1024, "tokens": tokens}
        said = self.say(body["messages"])
        if said is None:
            return 500, {"error": {"message": "out of memory", "type": "InternalServerError", "code": 500}}
        return 200, {"choices": [{"index": 0, "message": {"role": "assistant", "content": said}}]}

    @contextmanager
    def serving(self) -> Generator[str]:
        """Its address while it serves, `127.0.0.1:port`."""
        engine = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._reply({})

            def do_POST(self) -> None:
                self._reply(json.loads(self.rfile.read(int(self.headers["content-length"]))))

            def _reply(self, body: dict[str, Any]) -> None:
                engine.seen.append({name.lower(): value for name, value in self.headers.items()})
                status, answer = engine.answer(self.path, body)
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """Nothing is said on stderr."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
