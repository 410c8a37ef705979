"""OpenAI's HTTP surface over the answers: paths, statuses, headers, events. Keeps files and responses it was given."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

from tests.fakes import openai_answers, openai_responses
from tests.fakes.openai_answers import DONE, Fields, Speaker, problem
from tests.fakes.raw_http import Message

MODELS = ("gpt-4o", "gpt-4o-mini", "text-embedding-3-small", "acme/gpt:tuned")
SPEECH = bytes(range(256)) * 8
"""What /audio/speech says: not text in any encoding."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status with a body, or with events."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict[str, str])
    cookies: tuple[str, ...] = ()
    events: Iterator[bytes] | None = None


@dataclass(slots=True)
class Api:
    """Answers requests as `speaker`."""

    speaker: Speaker
    require_key: bool = True
    _files: dict[str, tuple[str, bytes]] = field(default_factory=dict[str, tuple[str, bytes]])
    _responses: dict[str, Fields] = field(default_factory=dict[str, Fields])
    _count: int = 0

    def answer(self, request: Message) -> Answer:
        """What the API says to `request`."""
        self._count += 1
        found = self._refuse(request) or self._dispatch(request)
        return Answer(
            found.status,
            found.body,
            found.content_type,
            self._headers() | found.headers,
            () if self.speaker.vllm else ("__cf_bm=a.b-1; path=/; HttpOnly", "_cfuvid=c.d-2; path=/; HttpOnly"),
            found.events,
        )

    def _headers(self) -> dict[str, str]:
        if self.speaker.vllm:
            return {"server": "uvicorn"}
        return {
            "x-request-id": f"req_{self.speaker.label}{self._count}",
            "openai-processing-ms": "7",
            "openai-version": "2020-10-01",
            "openai-organization": "acme",
            "x-ratelimit-limit-requests": "10000",
            "x-ratelimit-remaining-requests": str(max(0, 10_000 - self._count)),
            "x-ratelimit-reset-requests": "6ms",
            "cf-ray": f"ray{self._count}-FRA",
        }

    def _refuse(self, request: Message) -> Answer | None:
        """The key's refusal, if it is refused."""
        key = request.get(b"authorization").decode().removeprefix("Bearer ")
        if key.startswith("sk-junk") or (self.require_key and not key):
            said = problem(f"Incorrect API key provided: {key[:8]}***.", code="invalid_api_key")
            return _json(said, 401)
        return None

    def _dispatch(self, request: Message) -> Answer:
        path = unquote(request.target.decode().partition("?")[0]).removeprefix("/v1")
        method = request.method.decode()
        if method == "POST" and path in {"/chat/completions", "/completions", "/responses", "/embeddings"}:
            return self._generate(request, path)
        if path == "/metrics" and self.speaker.vllm:
            return Answer(200, b'vllm:num_requests_waiting{engine="0",model_name="tuned"} 0\n', "text/plain")
        if path.startswith("/models"):
            return self._models(path.removeprefix("/models").removeprefix("/"))
        if path.startswith("/files"):
            return self._file(request, method, path.removeprefix("/files").removeprefix("/"))
        if path.startswith("/responses/"):
            found = self._responses.get(path.removeprefix("/responses/"))
            return _json(found) if found else self._missing(f"Response with id {path!r} not found.")
        if path.startswith("/audio/"):
            return self._audio(request, path)
        if path == "/moderations":
            return _json({"id": "modr-1", "model": "omni-moderation-latest", "results": [{"flagged": False}]})
        return self._missing(f"Invalid URL ({method} /v1{path})")

    def _missing(self, message: str, *, code: str | None = None) -> Answer:
        if self.speaker.vllm:
            return _json(problem(message, kind="NotFoundError", param="model", code=404), 404)
        return _json(problem(message, code=code), 404)

    def _generate(self, request: Message, path: str) -> Answer:
        try:
            asked = json.loads(request.body)
        except ValueError:
            return _json(problem("We could not parse the JSON body of your request.", code=None), 400)
        name = asked.get("model") if isinstance(asked, dict) else None
        if not isinstance(name, str):
            return _json(problem("you must provide a model parameter", code=None), 400)
        if name.startswith("missing"):
            return self._missing(
                f"The model `{name}` does not exist or you do not have access to it.", code="model_not_found"
            )
        if path == "/embeddings":
            return _json(openai_answers.embeddings(asked, self.speaker))
        if path == "/responses":
            whole = openai_responses.response(asked, self.speaker)
            if asked.get("store", True):
                self._responses[whole["id"]] = whole
            return (
                _events(_named(openai_responses.events(asked, self.speaker))) if asked.get("stream") else _json(whole)
            )
        chat = path == "/chat/completions"
        if asked.get("stream"):
            chunks = (openai_answers.chat_chunks if chat else openai_answers.completion_chunks)(asked, self.speaker)
            return _events(_unnamed(chunks))
        return _json((openai_answers.chat if chat else openai_answers.completion)(asked, self.speaker))

    def _models(self, name: str) -> Answer:
        if not name:
            return _json({"object": "list", "data": [openai_answers.model(one) for one in MODELS]})
        if name not in MODELS:
            return self._missing(f"The model '{name}' does not exist", code="model_not_found")
        return _json(openai_answers.model(name))

    def _file(self, request: Message, method: str, rest: str) -> Answer:
        if method == "POST":
            name, content = _upload(request)
            self._files["file-abc123"] = (name, content)
            return _json(openai_answers.file(name, len(content)))
        if not rest:
            data = [openai_answers.file(name, len(content)) for name, content in self._files.values()]
            return _json({"object": "list", "data": data, "has_more": False})
        identity, _, part = rest.partition("/")
        if identity not in self._files:
            return self._missing(f"No such File object: {identity}")
        if method == "DELETE":
            del self._files[identity]
            return _json({"id": identity, "object": "file", "deleted": True})
        name, content = self._files[identity]
        return (
            Answer(200, content, "application/octet-stream") if part else _json(openai_answers.file(name, len(content)))
        )

    def _audio(self, request: Message, path: str) -> Answer:
        if path == "/audio/speech":
            return Answer(200, SPEECH, "audio/mpeg")
        name, content = _upload(request)
        if re.search(rb'name="stream"\r\n\r\ntrue', request.body):
            said = [{"type": "transcript.text.delta", "delta": name}, {"type": "transcript.text.done", "text": name}]
            return _events(_named(iter(said)))
        fields = re.findall(rb'name="([^"]+)"\r\n\r\n(.*?)\r\n', request.body)
        return _json({"text": f"{name}: {len(content)} bytes", "fields": [[k.decode(), v.decode()] for k, v in fields]})


def _upload(request: Message) -> tuple[str, bytes]:
    """Name and content of a multipart request's file."""
    found = re.search(rb'filename="([^"]*)".*?\r\n\r\n(.*?)\r\n--', request.body, re.DOTALL)
    return (found[1].decode(), found[2]) if found else ("", b"")


def _json(value: Fields, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value, indent=2).encode())


def _events(events: Iterator[bytes]) -> Answer:
    return Answer(200, b"", "text/event-stream; charset=utf-8", {"cache-control": "no-cache"}, events=events)


def _unnamed(chunks: Iterator[Fields]) -> Iterator[bytes]:
    for chunk in chunks:
        yield b"data: %b\n\n" % json.dumps(chunk, separators=(",", ":")).encode()
    yield DONE


def _named(events: Iterator[Fields]) -> Iterator[bytes]:
    for event in events:
        yield b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.dumps(event, separators=(",", ":")).encode())
