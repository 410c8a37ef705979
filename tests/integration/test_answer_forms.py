"""Answers of 200 and JSON on a real worker: what no client can use is charged, what servers send else is served."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import openai
import pytest

from policies.routing import PPM, Breaker, CandidateLimits, Match, Route, Upstream, Variant
from tests.fakes.openai_answers import Speaker
from tests.fakes.raw_upstream import LAST_CHUNK, SSE_HEAD, Call, RawUpstream, answer, chunk
from tests.fakes.thread import in_thread
from tests.fakes.upstream import FakeUpstream
from tests.rooms.answer_forms import CHAT, COMPLETIONS, EMBEDDINGS, FAULTY, ODD, Form
from tests.rooms.gateway_process import Gateway, table_for
from tests.rooms.waiting import PATIENCE_S

KEY = "sk-CANARY-caller"
FORMS = [*FAULTY, *ODD]
LIMITS = CandidateLimits(
    connect_s=PATIENCE_S, first_token_s=PATIENCE_S, whole_s=PATIENCE_S, between_tokens_s=PATIENCE_S
)


@dataclass
class Room:
    """A worker in front of a frontier, and of a candidate that answers each route in its own form."""

    gateway: Gateway
    client: httpx.Client
    sdk: openai.OpenAI
    heard: dict[int, threading.Event]
    """Of each late fault: whether the app has what comes before it."""
    faults: dict[str, str] = field(default_factory=dict[str, str])
    """Request -> the word that is to stand in the journal."""

    def charged(self) -> int:
        """Failures of the candidate, so far."""
        return self.gateway.worker.live()["candidate_errors"]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """Each form has a route of its own, and an upstream."""
    heard = {place: threading.Event() for place, form in enumerate(FORMS) if form.first}

    async def script(call: Call) -> None:
        place = int(call.request.target.decode().split("/")[1])
        form = FORMS[place]
        if not form.stream:
            await call.send(answer(form.body))
            return
        if form.first:
            await call.send(SSE_HEAD + chunk(form.first))
            await asyncio.to_thread(heard[place].wait, PATIENCE_S)
            await call.send(chunk(form.body) + LAST_CHUNK)
        else:
            await call.send(SSE_HEAD + chunk(form.body) + LAST_CHUNK)

    frontier = FakeUpstream(Speaker("frontier"))
    with in_thread(frontier), in_thread(raw := RawUpstream(script)):
        base = raw.base_url.removesuffix("/v1")
        upstreams = tuple(Upstream(f"u{place}", f"{base}/{place}/v1", "vllm") for place in range(len(FORMS)))
        routes = tuple(
            Route(
                f"r{place}", Variant("openai"), match=Match(model=(f"m-{place}",), path=(f"/v1/{form.path}",)),
                candidate=Variant(f"u{place}"), weight_ppm=PPM - 1, limits=LIMITS, breaker=Breaker(),
            )
            for place, form in enumerate(FORMS)
        )  # fmt: skip
        table = table_for(frontier.base_url, *routes, upstreams=upstreams)
        with Gateway(tmp_path_factory.mktemp("forms"), table) as gateway, gateway.client() as client:
            sdk = openai.OpenAI(base_url=gateway.base_url, api_key=KEY, max_retries=0)
            with sdk:
                assert _post(client, "unrouted", ODD[0]).status_code == 200
                yield Room(gateway, client, sdk, heard)


def _post(client: httpx.Client, name: str, form: Form) -> httpx.Response:
    headers = {"authorization": f"Bearer {KEY}"}
    return client.post(f"/{form.path}", json={"model": f"m-{name}"} | form.request, headers=headers)


def places(forms: list[Form], *, late: bool = False) -> Any:
    """The places of these forms among all, as parameters."""
    return [
        pytest.param(place, id=str(form))
        for place, form in enumerate(FORMS)
        if form in forms and late == bool(form.first)
    ]


@pytest.mark.parametrize("place", places(FAULTY))
def test_the_baseline_answers_and_the_candidate_is_charged(room: Room, place: int):
    """Whole, or in a stream before its first word: the app sees no error, and it is a failure."""
    before = room.charged()
    told = _post(room.client, str(place), FORMS[place])

    assert (told.status_code, told.headers["x-crossfade-variant"]) == (200, "baseline")
    assert room.charged() - before == 1
    room.faults[told.headers["x-crossfade-request-id"]] = FORMS[place].fault


@pytest.mark.parametrize("place", places(FAULTY, late=True))
def test_a_fault_behind_the_first_word_is_told_and_charged(room: Room, place: int):
    """The app has words already: its stream breaks off with an error, and that is a failure."""
    form, before, out = FORMS[place], room.charged(), b""
    body = {"model": f"m-{place}"} | form.request
    headers = {"authorization": f"Bearer {KEY}"}
    with (
        pytest.raises(httpx.RemoteProtocolError),
        room.client.stream("POST", f"/{form.path}", json=body, headers=headers) as told,
    ):
        for piece in told.iter_bytes():
            room.heard[place].set()
            out += piece
    assert (told.status_code, told.headers["x-crossfade-variant"]) == (200, "candidate")
    assert b"upstream_broken" in out
    assert room.charged() - before == 1
    room.faults[told.headers["x-crossfade-request-id"]] = form.fault


@pytest.mark.parametrize("place", places(ODD))
def test_what_servers_send_is_served(room: Room, place: int):
    """The official SDK reads it as what it says, and nobody is charged."""
    form, before = FORMS[place], room.charged()
    raw = _surface(room.sdk, form).with_raw_response.create(model=f"m-{place}", **form.request)

    assert raw.headers["x-crossfade-variant"] == "candidate"
    assert _said(form, raw.parse()) == form.says
    assert room.charged() == before


def test_the_journal_has_each_fault_by_its_word(room: Room):
    """What an attempt came to is what records, metrics and `explain` are made of."""
    rows = {row.meta.id: row for row in room.gateway.journal().exchanges}
    assert {name: rows[name].meta.attempts[0].error for name in room.faults} == room.faults


def _surface(sdk: openai.OpenAI, form: Form) -> Any:
    return {CHAT: sdk.chat.completions, COMPLETIONS: sdk.completions, EMBEDDINGS: sdk.embeddings}.get(
        form.path, sdk.responses
    )


def _said(form: Form, told: Any) -> str:
    """What an app reads of the SDK's object."""
    if form.path == EMBEDDINGS:
        return str([each.embedding for each in sorted(told.data, key=lambda each: each.index)])
    if form.path == COMPLETIONS:
        texts = [choice.text for one in (told if form.stream else [told]) for choice in one.choices]
        assert len(texts) == len(form.body.split(b'"text":')) - 1
        return texts[0]
    if form.path == CHAT:
        return _said_in_chat(told) if not form.stream else _said_in_chunks(told)
    response = list(told)[-1].response if form.stream else told
    calls = [item for item in response.output if item.type == "function_call"]
    return response.output_text + "".join(_called(call.name, call.arguments) for call in calls)


def _said_in_chat(told: Any) -> str:
    message = told.choices[0].message
    return (message.content or "") + "".join(
        _called(call.function.name, call.function.arguments) for call in message.tool_calls or ()
    )


def _said_in_chunks(told: Any) -> str:
    text, calls, ended = "", dict[int, list[Any]](), False
    for piece in told:
        for choice in piece.choices:
            if choice.index:
                continue
            text += choice.delta.content or ""
            for call in choice.delta.tool_calls or ():
                known = calls.setdefault(call.index, [None, ""])
                known[0] = known[0] or call.function.name
                known[1] += call.function.arguments or ""
            ended = ended or choice.finish_reason is not None
    assert ended
    return text + ", ".join(_called(name, arguments) for name, arguments in calls.values())


def _called(name: str | None, arguments: str | None) -> str:
    return f"{name} {arguments or '{}'}"
