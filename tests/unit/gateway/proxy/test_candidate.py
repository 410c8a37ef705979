"""A candidate's answer, event by event: held to its first token, then given, and never patched up."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.proxy.candidate import PROBLEM_BYTES, WHOLE_BYTES, CandidateRelay
from gateway.rewrite.request import adapt_request
from gateway.rewrite.shapes import Adapted
from gateway.transport.failure import Failure
from gateway.transport.message import LENGTH_MARK, Preamble, RequestHead
from gateway.transport.outgoing import Reply, Sending, Target
from gateway.transport.upstreams import Destination, make_ready
from policies.routing import Upstream, Variant
from records.exchange import Attempt, Outcome
from tests.fakes.raw_upstream import DONE, STOP, WHOLE, event

VLLM = make_ready([Upstream("vllm", "http://v/v1", "vllm")], {}, pass_credentials=True)["vllm"]
ROLE = event("").replace(b'"content":""', b'"role":"assistant","content":""')


@dataclass
class App:
    """The life for which the candidate is asked, and all else that it needs."""

    request: RequestHead = field(
        default_factory=lambda: RequestHead(Preamble(b"POST /v1/chat/completions HTTP/1.1", b"POST", b"/v1/x"), 5, 10.0)
    )
    path: str = "/v1/chat/completions"
    clock: float = 11.0
    told: list[str] = field(default_factory=list[str])
    out: bytearray = field(default_factory=bytearray)
    attempts: list[Attempt] = field(default_factory=list[Attempt])
    usage: bytes = b""
    reply: Reply | None = None
    sending: Sending | None = None
    left: int = 0

    # What a life does

    def candidate_head(self, destination: Destination, length: int) -> bytes:
        return destination.candidate_head(self.request.preamble).replace(LENGTH_MARK, b"%d" % length)

    def use(self, sending: Sending) -> None:
        self.sending = sending

    def unfit(self, reason: str) -> None:
        raise AssertionError(reason)

    def fall_back(self, attempt: Attempt, reason: str) -> None:
        self.told.append(f"fall back: {reason}")
        self.attempts.append(attempt)

    def start_answer(self, reply: Reply) -> None:
        self.told.append("head")
        self.reply = reply

    def send(self, data: bytes, *, ended: bool) -> None:
        self.out += data
        if ended:
            self.told.append("end")

    def break_off(self, outcome: Outcome) -> None:
        self.told.append(f"break: {outcome}")

    def candidate_answered(self, attempt: Attempt, usage: bytes) -> None:
        self.attempts.append(attempt)
        self.usage = usage

    # What a worker and its client do

    @property
    def client(self) -> Any:
        return Asking(self)

    def now(self) -> float:
        return self.clock

    def candidate_succeeded(self) -> None:
        self.told.append("well")

    def candidate_failed(self) -> None:
        self.told.append("ill")

    def candidate_abandoned(self) -> None:
        self.told.append("unknown")


@dataclass
class Asking:
    """A client that sends nothing."""

    app: App

    def send(self, target: Target, credential: bytes, method: bytes, head: bytes, listener: Any, **_: Any) -> Sending:
        assert credential == b""
        assert b"uthorization" not in head
        sending = Sending(self, (target, credential), method, listener)
        sending.attach(Held(), reused=True)
        return sending

    def leave(self, sending: Sending) -> None:
        self.app.left += 1


class Held:
    """A connection that goes nowhere."""

    def write(self, data: bytes) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def drop(self) -> None: ...


def asked(*, stream: bool, **fields: Any) -> tuple[CandidateRelay, App]:
    """A relay that has been started."""
    body = json.dumps({"model": "gpt-4o", "messages": [], "stream": stream}).encode()
    variant = Variant("vllm", **fields)
    adapted = adapt_request(body, "/v1/chat/completions", variant, kind="vllm")
    assert isinstance(adapted, Adapted)
    app = App()
    relay = CandidateRelay(app, app, VLLM, variant=variant, adapted=adapted)
    relay.start()
    return relay, app


def answers(relay: CandidateRelay, *pieces: bytes, status: int = 200, ended: bool = True) -> None:
    """Head and body of the candidate's answer."""
    relay.on_head(Reply(status, b"HTTP/1.1 %d X" % status))
    for number, piece in enumerate(pieces, 1):
        relay.on_data(piece, ended=ended and number == len(pieces))


async def test_the_head_is_held_to_the_first_token() -> None:
    """A role alone commits to nothing; the first content does, and the role goes before it."""
    relay, app = asked(stream=True)
    answers(relay, ROLE, ended=False)
    assert app.told == []
    relay.on_data(event("hi"), ended=False)
    assert app.told == ["head"]
    assert app.out.count(b"data: ") == 2
    relay.on_data(STOP + DONE, ended=False)
    assert app.told == ["head", "well", "end"]
    assert app.left == 1
    assert (app.attempts[0].status, app.attempts[0].error, app.attempts[0].reused) == (200, None, True)
    relay.on_failure(Failure.BROKEN)  # after the end: of no interest
    relay.on_data(b"more", ended=True)
    assert app.told == ["head", "well", "end"]


async def test_a_whole_answer_is_given_whole() -> None:
    """An answer in one piece is looked at when all of it is here, and has our headers."""
    relay, app = asked(stream=False)
    answers(relay, WHOLE[:20], WHOLE[20:])
    assert app.told == ["head", "well", "end"]
    assert app.reply is not None
    assert app.reply.get(b"content-length") == b"%d" % len(app.out)
    assert app.reply.get(b"openai-version") == b"2020-10-01"
    assert json.loads(app.out)["choices"][0]["message"]["content"] == "hi"


@pytest.mark.parametrize("failure", Failure)
async def test_a_failure_before_the_first_token_is_the_baselines_to_mend(failure: Failure) -> None:
    """Each way in which an upstream fails falls back, once, and counts against the candidate."""
    relay, app = asked(stream=True)
    relay.on_failure(failure)
    relay.on_failure(failure)
    assert app.told == ["ill", f"fall back: {failure}"]
    assert app.attempts[0].error == str(failure)


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (400, b'{"error":{"message":"maximum context length"}}', ["unknown", "fall back: context_length"]),
        (404, b"{}", ["ill", "fall back: not_found"]),
        (500, b"", ["ill", "fall back: server_error"]),
        (204, b"", ["ill", "fall back: server_error"]),
        (500, b"x" * (PROBLEM_BYTES + 1), ["ill", "fall back: server_error"]),
    ],
)
async def test_what_it_says_instead_of_an_answer(status: int, body: bytes, told: list[str]) -> None:
    """What it cannot do tells nothing of its health; what it fails at does; neither is shown."""
    relay, app = asked(stream=False)
    answers(relay, body, status=status)
    assert app.told == told
    assert not app.out


async def test_an_error_without_end_is_not_waited_for() -> None:
    """A problem longer than the bound is judged by its status."""
    relay, app = asked(stream=False)
    answers(relay, b"x" * (PROBLEM_BYTES + 1), status=500, ended=False)
    assert app.told == ["ill", "fall back: server_error"]


@pytest.mark.parametrize("body", [b"<html>", b"", b'{"error":{"message":"x"}}', b'{"choices":[]}'])
async def test_a_200_that_is_no_answer_is_none(body: bytes) -> None:
    """An engine's 200 says little: what does not read as an answer falls back."""
    relay, app = asked(stream=False)
    answers(relay, body)
    assert app.told[0] in ("ill", "unknown")
    assert app.told[1].startswith("fall back: ")


async def test_a_whole_answer_has_a_bound() -> None:
    """An answer that is too long to be kept is none."""
    relay, app = asked(stream=False)
    answers(relay, b" " * WHOLE_BYTES, b" ", ended=False)
    assert app.told == ["ill", "fall back: too_large"]


async def test_after_the_first_token_a_failure_is_told_and_nothing_goes_on() -> None:
    """The app gets an error event and a broken connection, and no second model."""
    relay, app = asked(stream=True)
    answers(relay, ROLE + event("hi"), ended=False)
    relay.on_failure(Failure.BROKEN)
    assert app.told == ["head", "ill", "break: upstream_broken"]
    assert b'"error"' in app.out
    assert b"[DONE]" not in app.out
    assert app.attempts[0].error == "broken"


async def test_an_early_end_is_a_failure() -> None:
    """A stream that ends without saying so has broken off."""
    relay, app = asked(stream=True)
    answers(relay, ROLE + event("hi"), b"")
    assert app.told == ["head", "ill", "break: upstream_broken"]


@pytest.mark.parametrize(("limit", "reason"), [("first_byte_s", "first_byte_timeout"), ("total_s", "total_timeout")])
async def test_it_is_waited_for_as_long_as_the_policy_says(limit: str, reason: str) -> None:
    """Past either limit without a token the baseline answers."""
    _, app = asked(stream=True, **{limit: 0.001})
    async with asyncio.timeout(5):
        while not app.told:  # noqa: ASYNC110 -- the loop's own timer
            await asyncio.sleep(0.001)
    assert app.told == ["ill", f"fall back: {reason}"]


async def test_a_whole_answer_is_given_its_total_time() -> None:
    """The first token of an answer that is no stream comes with its last: only the total can be too long."""
    _, app = asked(stream=False, first_byte_s=0.001, total_s=0.02)
    async with asyncio.timeout(5):
        while not app.told:  # noqa: ASYNC110 -- the loop's own timer
            await asyncio.sleep(0.001)
    assert app.told == ["ill", "fall back: total_timeout"]


async def test_the_total_holds_after_the_first_token_too() -> None:
    """An answer that has begun and goes on for too long is broken off; the first token's limit is over by then."""
    relay, app = asked(stream=True, first_byte_s=0.001, total_s=0.05)
    answers(relay, ROLE + event("hi"), ended=False)
    async with asyncio.timeout(5):
        while len(app.told) < 3:  # noqa: ASYNC110 -- the loop's own timer
            await asyncio.sleep(0.001)
    assert app.told == ["head", "ill", "break: upstream_broken"]
    assert app.attempts[0].error == "total_timeout"


async def test_an_app_that_leaves_tells_nothing_of_the_candidate() -> None:
    """A hang-up stops the clock and is no verdict."""
    relay, app = asked(stream=True, first_byte_s=0.001)
    relay.cancel()
    relay.cancel()
    await asyncio.sleep(0.005)
    assert app.told == ["unknown"]
    assert relay.attempt("app_gone").error == "app_gone"
    relay.on_send_blocked()
    relay.on_send_ready()
