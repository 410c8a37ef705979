"""A server for a model of your own, in sixty lines of code: all that Crossfade asks of a candidate.

    python custom_server.py 8000 8        port, and answers that are made at once

`say` is yours: it gives the pieces of an answer. Named in crossfade.yaml as `{kind: vllm, base_url: http://host:8000/v1}`.
"""

import json
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODEL = "my-model"


def say(messages: list[dict[str, str]]) -> Iterator[str]:
    """The pieces of the answer: put your model here."""
    yield from ("You said: ", messages[-1]["content"])


class Server(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    seats = threading.Semaphore(8)
    waiting = 0

    def do_GET(self) -> None:
        """Health, the model's name for the preflight, and the queue for `pause_when`."""
        names = {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": "me"}]}
        gauge = f"# TYPE vllm:num_requests_waiting gauge\nvllm:num_requests_waiting {Server.waiting}\n"
        pages = {"/health": "", "/metrics": gauge, "/v1/models": json.dumps(names)}
        self.answer(200 if self.path in pages else 404, pages.get(self.path, "").encode(), "text/plain")

    def do_POST(self) -> None:
        """A chat completion, whole or streamed."""
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        Server.waiting += 1
        with Server.seats:
            Server.waiting -= 1
            head = {"id": f"chatcmpl-{time.time_ns()}", "created": int(time.time()), "model": MODEL}
            if not asked.get("stream"):
                message = {"role": "assistant", "content": "".join(say(asked["messages"]))}
                choice = {"index": 0, "message": message, "finish_reason": "stop"}
                self.answer(200, json.dumps(head | {"object": "chat.completion", "choices": [choice]}).encode())
                return
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("connection", "close")
            self.end_headers()
            for delta, end in (*(({"content": piece}, None) for piece in say(asked["messages"])), ({}, "stop")):
                choice = {"index": 0, "delta": delta, "finish_reason": end}
                chunk = json.dumps(head | {"object": "chat.completion.chunk", "choices": [choice]})
                self.wfile.write(f"data: {chunk}\n\n".encode())
            self.wfile.write(b"data: [DONE]\n\n")

    def answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        """A whole answer."""
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    Server.seats = threading.Semaphore(int(sys.argv[2]) if sys.argv[2:] else 8)
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Server).serve_forever()
