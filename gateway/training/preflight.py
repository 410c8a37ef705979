"""Whether an engine serves what was trained: asked before the first request is mirrored.

Rules:
1. An adapter is one that the engine takes (`adapter.py`).
2. Every replica behind the address is asked, not whichever answers: a new one may lack the model.
3. A prompt is the same tokens to the engine as it was in training. The chat template of the served model decides what
   is asked, and a template that differs makes a model that was trained well answer badly, with nothing in any log.
4. Every replica answers three of those prompts.
"""

import re
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx
import msgspec

from gateway.node.plain_error import plain
from gateway.training.adapter import adapter_faults, is_adapter

PROMPTS = "prompts.jsonl"
CANNED = 3
MAX_PROMPTS = 50
_TIMEOUT_S = 120.0
"""Longest wait for one answer of an engine that just started."""


_REPLICA = re.compile(r"(\[[0-9a-fA-F:.%]+\]|[^\s:/@\[\]]+):\d{1,5}", re.ASCII)
"""`host:port`, as `--replica` says it."""


class PreflightError(Exception):
    """The preflight cannot be done at all; the message says why and what to do."""


class _Prompt(msgspec.Struct):
    """A line of `prompts.jsonl`."""

    messages: list[dict[str, Any]]
    tokens: list[int]
    tools: list[dict[str, Any]] | None = None

    def asked(self, model: str, **more: object) -> dict[str, Any]:
        """The request that asks an engine for it."""
        tools = {"tools": self.tools} if self.tools else {}
        return {"model": model, "messages": self.messages, **tools, **more}


class _Served(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Served]


class _Tokenized(msgspec.Struct):
    tokens: list[int]


class _Message(msgspec.Struct):
    content: Any = None
    tool_calls: Any = None


class _Choice(msgspec.Struct):
    message: _Message


class _Completion(msgspec.Struct):
    choices: list[_Choice]


@dataclass(frozen=True, slots=True)
class Engine:
    """Who serves the candidate."""

    url: str
    """With `/v1`."""
    model: str
    """Its name there."""
    headers: dict[str, str]
    replicas: tuple[str, ...] = ()
    """Addresses, `host:port`; none: all that the URL's host resolves to."""
    max_lora_rank: int = 16


@dataclass(frozen=True, slots=True)
class PreflightCheck:
    """One thing that was looked at."""

    name: str
    faults: tuple[str, ...]
    """None: it is fine."""
    told: str
    """What was looked at, with its count."""


def preflight(run: Path, engine: Engine) -> Iterator[PreflightCheck]:
    """Each check of what the training left in `run`.

    Raises:
        PreflightError: there is nothing to check, or no replica to ask.
    """
    prompts = _prompts(run)
    model = run / "model"
    if is_adapter(model):
        try:
            found = tuple(adapter_faults(model, engine.max_lora_rank))
        except (OSError, ValueError) as error:
            found = (f"{model} cannot be read as an adapter: {error}",)
        yield PreflightCheck("adapter", found, "an adapter of a kind that vLLM serves")
    for address in _replicas(engine):
        with httpx.Client(base_url=_at(engine.url, address), headers=_headers(engine), timeout=_TIMEOUT_S) as client:
            yield from _replica(client, address, engine.model, prompts)


def _replica(client: httpx.Client, address: str, model: str, prompts: list[_Prompt]) -> Iterator[PreflightCheck]:
    try:
        served = [each.id for each in msgspec.json.decode(_body(client.get("/v1/models")), type=_Models).data]
        missing = () if model in served else (f"it serves {', '.join(served) or 'no model'}",)
        yield PreflightCheck("model", missing, f"{address} serves {model}")
        if missing:
            return
        yield PreflightCheck("template", tuple(_other_tokens(client, model, prompts)), _counted(prompts, address))
        canned = prompts[:CANNED]
        yield PreflightCheck("answers", tuple(_unanswered(client, model, canned)), _counted(canned, address))
    except (httpx.HTTPError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        yield PreflightCheck("reachable", (f"{type(error).__name__}: {error}",), f"{address} answers as an engine")


def _counted(prompts: Sequence[_Prompt], address: str) -> str:
    return f"{len(prompts)} prompt{'' if len(prompts) == 1 else 's'} at {address}"


def _other_tokens(client: httpx.Client, model: str, prompts: Sequence[_Prompt]) -> Iterator[str]:
    """Prompts that are other tokens to the engine than they were in training; what is told of them are places alone."""
    for number, prompt in enumerate(prompts, start=1):
        asked = prompt.asked(model, add_generation_prompt=True)
        answer = _body(client.post("/tokenize", json=asked))
        there, trained = msgspec.json.decode(answer, type=_Tokenized).tokens, prompt.tokens
        if there != trained:
            at = next((at for at, (one, other) in enumerate(zip(trained, there, strict=False)) if one != other), None)
            where = f"from token {at}" if at is not None else "at the end"
            yield f"prompt {number} differs {where}: {len(trained)} tokens in training, {len(there)} there"


def _unanswered(client: httpx.Client, model: str, prompts: Sequence[_Prompt]) -> Iterator[str]:
    for number, prompt in enumerate(prompts, start=1):
        answer = client.post("/v1/chat/completions", json=prompt.asked(model, temperature=0, max_tokens=64))
        if not answer.is_success:
            yield f"prompt {number}: status {answer.status_code}"
            continue
        choices = msgspec.json.decode(answer.content, type=_Completion).choices
        if not choices or not (choices[0].message.content or choices[0].message.tool_calls):
            yield f"prompt {number}: an answer with nothing in it"


def _prompts(run: Path) -> list[_Prompt]:
    try:
        lines = (run / PROMPTS).read_bytes().split(b"\n")[:MAX_PROMPTS]
        found = [msgspec.json.decode(line, type=_Prompt) for line in lines if line]
    except OSError as error:
        raise PreflightError(f"{plain(error)}. hint: name the --out of a training that ended") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise PreflightError(f"{run / PROMPTS}: {error}. hint: name the --out of a training that ended") from error
    if not found or not (run / "model").is_dir():
        raise PreflightError(f"{run} holds no model. hint: name the --out of a training that ended")
    return found


def _replicas(engine: Engine) -> list[str]:
    """The address of each replica. With TLS it is the name itself, since a certificate is for a name."""
    parts = _parts(engine.url)
    for address in engine.replicas:
        if _REPLICA.fullmatch(address) is None:
            raise PreflightError(f"--replica {address}: no address. hint: HOST:PORT, as 10.0.0.7:8000")
    if engine.replicas:
        return list(engine.replicas)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if parts.scheme == "https":
        return [f"{parts.hostname}:{port}"]
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise PreflightError(f"{parts.hostname}: {error.strerror}. hint: is the upstream's base_url right?") from error
    hosts = sorted({str(each[4][0]) for each in found})
    return [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host in hosts]


def _parts(url: str) -> SplitResult:
    """The parts of an engine's URL.

    Raises:
        PreflightError: it is none.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return parts
    except ValueError:  # a port or an address that is none
        pass
    raise PreflightError(f"{url}: no URL of an engine. hint: as http://host:8000/v1")


def _at(url: str, address: str) -> str:
    """The engine's root at one address: `/tokenize` is beside `/v1`."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{address}{parts.path.rstrip('/').removesuffix('/v1')}"


def _headers(engine: Engine) -> dict[str, str]:
    parts = urlsplit(engine.url)
    return {**engine.headers, "host": parts.netloc}


def _body(answer: httpx.Response) -> bytes:
    answer.raise_for_status()
    return answer.content
