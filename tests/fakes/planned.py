"""A model server whose every answer stands in the question: tokens, time, status, words. It keeps what it sent.

with planned("frontier") as frontier:
    plan(7, "route", candidate={"status": 500})      # the text of a message; what is not said is as DEFAULT says
    ...ask frontier.base_url...
    frontier.sent[-1].prompt_tokens
"""

import http.server
import itertools
import json
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from gateway import clock
from tests.fakes import judges
from tests.fakes.quiet_server import QuietServer

Fields = dict[str, Any]
DEFAULT: Fields = {"status": 200, "say": "yes", "prompt": 100_000, "completion": 2_000, "delay_s": 0.38}
WORDS = 12
"""Of a stream, which has a token for each."""
GAP_S = 0.035
IDLE_PAGE = "# TYPE vllm:num_requests_waiting gauge\nvllm:num_requests_waiting 0\n"


def plan(number: int, route: str, **servers: Fields) -> str:
    """What an app asks: by server, how it is to answer."""
    return json.dumps({"n": number, "route": route, **servers})


@dataclass(frozen=True, slots=True)
class Sent:
    """One answer, as the server knows it."""

    id: str
    number: int
    route: str
    model: str
    status: int
    prompt_tokens: int
    completion_tokens: int
    began_s: float
    ended_s: float
    is_stream: bool
    is_odd: bool = False
    """Written so that it is no JSON."""


@dataclass(slots=True)
class Planned:
    """One server."""

    name: str
    role: str
    """Whose part of a plan is its: frontier, candidate."""
    port: int = 0
    sent: list[Sent] = field(default_factory=list[Sent])
    open: set[int] = field(default_factory=set[int])
    """Numbers of the questions that it has, and has not answered."""
    go_on: threading.Event = field(default_factory=threading.Event)
    """Clear: questions with `held` wait."""
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def base_url(self) -> str:
        """As settings name it."""
        return f"http://127.0.0.1:{self.port}/v1"

    def answer(self, body: Fields) -> tuple[Fields, Fields]:
        """The question's plan for this server, and who asks."""
        text = body["messages"][-1]["content"]
        asked = json.loads(text)
        return DEFAULT | asked.get(self.role, {}), asked

    def next_id(self) -> str:
        """Of an answer: nobody else gives it."""
        return f"chatcmpl-{self.name}-{next(self._numbers)}"


@dataclass(slots=True)
class PlannedJudge(Planned):
    """Likes the better of two answers: the one that the plan of its question calls right, the first if both are."""

    def answer(self, body: Fields) -> tuple[Fields, Fields]:
        """A verdict."""
        seen = judges.read(json.dumps(body).encode())
        asked = json.loads(seen.question)
        good = [text.strip() == "yes" for text in seen.answers]
        verdict = seen.verdicts[2 if good[0] == good[1] else good.index(True)]
        return {"status": 200, "say": verdict, "prompt": 1_000, "completion": 10, "delay_s": 0.0}, asked


@contextmanager
def planned(name: str, role: str, *, of: type[Planned] = Planned) -> Generator[Planned]:
    """Listens on 127.0.0.1 while this lasts."""
    made = of(name, role)
    made.go_on.set()
    handler = type("_Handler", (_Handler,), {"planned": made})
    server = QuietServer(("127.0.0.1", 0), handler)
    made.port = int(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    planned: Planned

    def do_GET(self) -> None:
        body = IDLE_PAGE.encode() if self.path == "/metrics" else b'{"object": "list", "data": []}'
        self._whole(200, body, "text/plain" if self.path == "/metrics" else "application/json")

    def do_POST(self) -> None:
        began_s = clock.monotonic()
        body: Fields = json.loads(self.rfile.read(int(self.headers["content-length"])))
        said, asked = self.planned.answer(body)
        number = int(asked["n"])
        self.planned.open.add(number)
        if said.get("held"):
            self.planned.go_on.wait()
        is_stream = bool(body.get("stream"))
        tokens = WORDS if is_stream else said["completion"]
        entry = Sent(
            self.planned.next_id(), number, asked["route"], body["model"], said["status"], said["prompt"], tokens,
            began_s, 0.0, is_stream, bool(said.get("odd")),
        )  # fmt: skip
        threading.Event().wait(said["delay_s"])  # the server thinks: its time is part of the plan
        usage = {"prompt_tokens": said["prompt"], "completion_tokens": tokens, "total_tokens": said["prompt"] + tokens}
        usage |= said.get("usage", {})
        # What it sent is known before the last byte is: whoever has the answer finds it here.
        self._keep(entry, began_s + said["delay_s"] + (GAP_S * WORDS if is_stream else 0.0))
        if said["status"] != 200:
            problem = {"error": {"message": "As planned.", "type": "server_error", "param": None, "code": None}}
            self._whole(said["status"], json.dumps(problem).encode())
        elif is_stream:
            self._stream(entry, said["say"], usage)
        else:
            choice = {"index": 0, "message": {"role": "assistant", "content": said["say"]}, "finish_reason": "stop"}
            head = {"id": entry.id, "object": "chat.completion", "created": 7, "model": entry.model}
            odd = {"score": float("nan")} if said.get("odd") else {}  # which is no JSON
            self._whole(200, json.dumps({**head, "choices": [choice], "usage": usage, **odd}).encode())
        self.planned.open.discard(number)

    def _keep(self, entry: Sent, ended_s: float) -> None:
        self.planned.sent.append(replace(entry, ended_s=ended_s))

    def _whole(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, entry: Sent, say: str, usage: Mapping[str, int]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        head = {"id": entry.id, "object": "chat.completion.chunk", "created": 7, "model": entry.model}
        for at in range(WORDS):
            delta = {"content": say if at == 0 else ""}
            self._event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
            threading.Event().wait(GAP_S)  # between tokens, as planned
        self._event({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        self._event({**head, "choices": [], "usage": usage})
        self._chunk(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, fields: Fields) -> None:
        self._chunk(b"data: " + json.dumps(fields).encode() + b"\n\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is said on stderr."""
