"""A candidate's answer, event by event: held to its first token, then given, and never patched up."""

import json
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from gateway.proxy.candidate import LAST_WORDS_S, PROBLEM_BYTES, WHOLE_BYTES, CandidateRelay
from gateway.rewrite.request import adapt_request
from gateway.rewrite.shapes import Adapted
from gateway.transport.failure import NOT_ASKED, Failure
from gateway.transport.message import LENGTH_MARK, Preamble, RequestHead
from gateway.transport.outgoing import Reply, Sending, Target
from gateway.transport.upstreams import Destination, make_ready
from policies.candidate_paths import CandidatePaths
from policies.routing import CandidateLimits, Route, Upstream, Variant
from records.exchange import Attempt, Outcome
from tests.fakes.raw_upstream import DONE, STOP, WHOLE, event

VLLM = make_ready([Upstream("vllm", "http://v/v1", "vllm")], {}, pass_credentials=True)["vllm"]
GENERATION = 7
LIMITS = CandidateLimits(connect_s=3.0, first_token_s=10.0, whole_s=120.0, between_tokens_s=30.0)
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
    reasons: list[str] = field(default_factory=list[str])
    read_s: float = 600.0
    connects: bool = True
    paths: CandidatePaths = field(default_factory=CandidatePaths)

    # What a life does

    def candidate_head(self, destination: Destination, length: int) -> bytes:
        head = destination.candidate_head(self.path.encode(), self.request.preamble)
        return head.replace(LENGTH_MARK, b"%d" % length)

    def use(self, sending: Sending) -> None:
        self.sending = sending

    def unfit(self, reason: str) -> None:
        raise AssertionError(reason)

    def limit_silence(self, limit_s: float) -> bool:
        is_shorter, self.read_s = limit_s < self.read_s, min(limit_s, self.read_s)
        return is_shorter

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

    def candidate_succeeded(self, generation: int) -> None:
        assert generation == GENERATION
        self.told.append("well")

    def candidate_failed(self, generation: int, reason: str) -> None:
        assert generation == GENERATION
        self.told.append("ill")
        self.reasons.append(reason)

    def candidate_late(self, generation: int, reason: str) -> None:
        assert generation == GENERATION
        self.told.append("ill")
        self.reasons.append(reason)

    def candidate_abandoned(self, generation: int) -> None:
        assert generation == GENERATION
        self.told.append("unknown")


@dataclass
class Asking:
    """A client that sends nothing."""

    app: App

    def send(self, target: Target, credential: bytes, method: bytes, head: bytes, listener: Any, **_: Any) -> Sending:
        assert credential == b""
        assert b"uthorization" not in head
        sending = Sending(self, (target, credential), method, listener)
        sending.write(head)
        if self.app.connects:
            sending.attach(Held(), reused=True)
        return sending

    def leave(self, sending: Sending) -> None:
        self.app.left += 1

    def unheard(self, sending: Sending) -> None:
        """Nobody keeps connections here."""


class Held:
    """A connection that goes nowhere."""

    has_spoken = False

    def write(self, data: bytes) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def drop(self) -> None: ...


def asked(
    *,
    stream: bool,
    limits: CandidateLimits = LIMITS,
    connects: bool = True,
    path: str = "/v1/chat/completions",
    body: bytes = b"",
    **fields: Any,
) -> tuple[CandidateRelay, App]:
    """A relay that has been started."""
    body = body or json.dumps({"model": "gpt-4o", "messages": [], "stream": stream}).encode()
    variant = Variant("vllm", **fields)
    adapted = adapt_request(body, path, variant, kind="vllm")
    assert isinstance(adapted, Adapted)
    app = App(path=path, connects=connects)
    route = Route("r", Variant("openai"), candidate=variant, limits=limits)
    relay = CandidateRelay(app, app, VLLM, route=route, adapted=adapted, generation=GENERATION)
    relay.start()
    return relay, app


def wait(relay: CandidateRelay, app: App, seconds: float) -> None:
    """Let time pass, and the worker look."""
    app.clock += seconds
    if app.clock >= relay.due_s:
        relay.expire(app.clock)


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


@pytest.mark.parametrize("how", ["silence", *Failure])
async def test_an_answer_that_is_all_said_gets_its_end(how: str | Failure) -> None:
    """Behind its last word an app is kept waiting for two seconds at most, and for nothing where no more can come."""
    relay, app = asked(stream=True)
    answers(relay, ROLE + event("hi") + STOP, ended=False)
    assert app.told == ["head"]
    if isinstance(how, Failure):
        relay.on_failure(how)
    else:
        wait(relay, app, LAST_WORDS_S - 0.1)
        assert app.told == ["head"]
        wait(relay, app, 0.2)
    assert app.told == ["head", "well", "end"]
    assert app.out.endswith(DONE)


@pytest.mark.parametrize(
    ("message", "is_empty"),
    [
        ({"content": ""}, True),
        ({"content": None}, True),
        ({"content": None, "reasoning_content": "hm"}, True),
        ({"content": "hi"}, False),
        ({"content": None, "refusal": "no"}, False),
        ({"content": "", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]}, False),
        ({"content": None, "function_call": {"name": "f", "arguments": "{}"}}, False),
        ({"content": None, "audio": {"id": "a"}}, False),
    ],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_an_answer_with_nothing_in_it_is_told(message: dict[str, Any], *, is_empty: bool, stream: bool) -> None:
    """It is the candidate's answer, and the journal says that it has neither words nor calls."""
    relay, app = asked(stream=stream)
    name = "delta" if stream else "message"
    said = json.dumps({"choices": [{"index": 0, name: {"role": "assistant"} | message, "finish_reason": "stop"}]})
    answers(relay, b"data: %b\n\n%b" % (said.encode(), DONE) if stream else said.encode())
    assert app.told == ["head", "well", "end"]
    assert app.attempts[0].is_empty is is_empty


@pytest.mark.parametrize("failure", Failure)
async def test_a_failure_before_the_first_token_is_the_baselines_to_mend(failure: Failure) -> None:
    """Each way in which an upstream fails falls back, once, and counts against the candidate, but our own limits."""
    relay, app = asked(stream=True)
    relay.on_failure(failure)
    relay.on_failure(failure)
    assert app.told == ["unknown" if failure in NOT_ASKED else "ill", f"fall back: {failure}"]
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


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_a_path_that_its_server_lacks_is_no_illness(status: int) -> None:
    """Who answers elsewhere and not here lacks the path; who answered here before, or nowhere yet, is ill."""
    for answered, told in (
        ((), ["ill", "fall back: not_found"]),
        (("/v1/chat/completions",), ["ill", "fall back: not_found"]),
        (("/v1/responses",), ["unknown", "fall back: no_path"]),
    ):
        relay, app = asked(stream=False)
        for path in answered:
            app.paths.answered(path)
        answers(relay, b'{"detail":"Not Found"}', status=status)
        assert app.told == told
        assert app.paths.lacks(app.path, 11.0) == (told[0] == "unknown")


async def test_an_answer_shows_that_the_path_is_there() -> None:
    """What a candidate answers is remembered of its path."""
    relay, app = asked(stream=False)
    answers(relay, WHOLE)
    assert app.paths.refused("/v1/responses", 11.0)
    assert not app.paths.refused(app.path, 11.0)


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


async def test_vectors_longer_than_we_hold_are_no_failure() -> None:
    """The baseline's would pass: that they do not fit is a limit of ours."""
    relay, app = asked(stream=False, path="/v1/embeddings", body=b'{"model":"e","input":"hi"}')
    answers(relay, b" " * WHOLE_BYTES, b" ", ended=False)
    assert app.told == ["unknown", "fall back: long_answer"]


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


LIMITED: dict[str, tuple[bool, dict[str, Any], float, str]] = {
    # name: (streamed, what the policy says, the limit, the word)
    "a stream's first token": (True, {}, 10.0, "first_byte_timeout"),
    "a whole answer": (False, {}, 120.0, "total_timeout"),
    "a stream's, by the policy": (True, {"first_byte_s": 2.0}, 2.0, "first_byte_timeout"),
    "a whole answer's first byte is its last": (False, {"first_byte_s": 2.0}, 2.0, "first_byte_timeout"),
    "a stream's total": (True, {"first_byte_s": 2.0, "total_s": 1.0}, 1.0, "total_timeout"),
    "a whole answer's total": (False, {"first_byte_s": 9.0, "total_s": 4.0}, 4.0, "total_timeout"),
    "the policy's is longer": (True, {"first_byte_s": 60.0, "total_s": 90.0}, 10.0, "first_byte_timeout"),
}


@pytest.mark.parametrize("name", LIMITED)
async def test_it_is_waited_for_as_long_as_the_shortest_limit_says(name: str) -> None:
    """Past the route's limit, or the policy's where that is shorter, the baseline answers and the candidate failed."""
    stream, policy, limit_s, word = LIMITED[name]
    relay, app = asked(stream=stream, **policy)
    for at_s in (0.0, min(3.5, limit_s / 2), limit_s - 0.01):
        wait(relay, app, 11.0 + at_s - app.clock)
    assert app.told == []
    wait(relay, app, 0.01)
    wait(relay, app, 500.0)
    assert app.told == ["ill", f"fall back: {word}"]
    assert app.reasons == [word]


async def test_a_connection_that_is_not_made_is_not_waited_for() -> None:
    """Past the connect limit without a connection the baseline answers; with one the answer has its own time."""
    relay, app = asked(stream=False, connects=False)
    wait(relay, app, 2.9)
    assert app.told == []
    wait(relay, app, 0.2)
    assert app.told == ["ill", "fall back: connect_timeout"]
    relay, app = asked(stream=False)
    wait(relay, app, 5.0)
    assert app.told == []


async def test_a_stream_that_has_begun_may_last_but_for_the_policys_total() -> None:
    """After the first token its limit is over; an answer that goes on for longer than the total is broken off."""
    relay, app = asked(stream=True, first_byte_s=1.0, total_s=50.0)
    answers(relay, ROLE + event("hi"), ended=False)
    wait(relay, app, 49.0)
    assert app.told == ["head"]
    wait(relay, app, 2.0)
    assert app.told == ["head", "ill", "break: upstream_broken"]
    assert app.attempts[0].error == "total_timeout"


async def test_a_word_now_and_then_makes_no_stream_last_for_ever() -> None:
    """Without a word in the policy a stream whose tokens come 29 s apart ends with its route's limit, as a failure."""
    relay, app = asked(stream=True)
    answers(relay, ROLE + event("hi"), ended=False)
    waited_s = 0.0
    while relay.due_s < float("inf") and waited_s < 2 * LIMITS.stream_s:
        relay.on_data(event("a"), ended=False)
        wait(relay, app, 29.0)
        waited_s += 29.0
    assert LIMITS.stream_s <= waited_s < LIMITS.stream_s + 29.0
    assert (app.told[0], app.told[-2:]) == ("head", ["ill", "break: upstream_broken"])
    assert app.attempts[0].error == "total_timeout"


@pytest.mark.parametrize(("read_s", "word"), [(600.0, "between_tokens_timeout"), (20.0, "timeout")])
async def test_silence_within_a_stream_breaks_it_off_as_a_failure(read_s: float, word: str) -> None:
    """The life waits no longer between two tokens than the limit says; what ends it is the candidate's failure."""
    relay, app = asked(stream=True)
    app.read_s = read_s
    answers(relay, ROLE + event("hi"), ended=False)
    assert app.read_s == min(read_s, LIMITS.between_tokens_s)
    assert not relay.give_up()
    assert app.told == ["head", "ill", "break: upstream_broken"]
    assert app.attempts[0].error == word


async def test_the_apps_deadline_before_any_byte_is_the_candidates_failure() -> None:
    """Who was asked is charged: the life refuses by itself, and the breaker hears of a failure, once."""
    relay, app = asked(stream=True)
    assert relay.give_up()
    assert relay.give_up()
    assert (app.told, app.reasons) == (["ill"], ["timeout"])


KNOWN = CandidateLimits(patience_first_token_s=2.0, patience_whole_s=8.0)
FAST = CandidateLimits(first_token_s=2.0, whole_s=2.0, patience_first_token_s=0.1, patience_whole_s=0.2)
LEFT: dict[str, tuple[bool, CandidateLimits, float, str]] = {
    # name: (streamed, limits, how long the app waited, the word)
    "early": (True, LIMITS, 1.0, "app_gone"),
    "later than the limit": (True, LIMITS, 10.1, "app_gone_waiting"),
    "its own limit is ours": (True, LIMITS, 9.9, "app_gone_waiting"),
    "whole, not known yet": (False, LIMITS, 60.0, "app_gone"),
    "later than the baseline's p99": (True, KNOWN, 2.0, "app_gone_waiting"),
    "earlier than that": (True, KNOWN, 1.7, "app_gone"),
    "whole, later than the baseline's p99": (False, KNOWN, 8.1, "app_gone_waiting"),
    "whole, earlier than that": (False, KNOWN, 7.9, "app_gone"),
    "at once, where the baseline is fast": (True, FAST, 0.05, "app_gone"),
    "later than a fast baseline": (True, FAST, 0.2, "app_gone_waiting"),
    "whole, at once, where the baseline is fast": (False, FAST, 0.05, "app_gone"),
}


@pytest.mark.parametrize("name", LEFT)
async def test_an_app_that_leaves_is_a_failure_only_if_it_was_kept_waiting(name: str) -> None:
    """Later than the limit or than the baseline's p99 without a byte: it gave the candidate up. Earlier: no verdict."""
    stream, limits, waited_s, word = LEFT[name]
    relay, app = asked(stream=stream, limits=limits)
    app.clock += waited_s
    assert relay.app_gone(0.0) == word
    assert app.told == (["unknown"] if word == "app_gone" else ["ill"])
    relay.cancel()
    wait(relay, app, 500.0)
    assert len(app.told) == 1
    assert relay.attempt(word).error == word


@pytest.mark.parametrize(
    ("silent_s", "limits", "told"),
    [
        (1.0, LIMITS, "unknown"), (9.9, LIMITS, "ill"), (2.0, KNOWN, "ill"), (1.0, KNOWN, "unknown"),
        (1.7, FAST, "unknown"), (2.0, FAST, "ill"),
    ],
)  # fmt: skip
async def test_an_app_that_leaves_a_stream_is_a_failure_only_if_it_had_fallen_silent(
    silent_s: float, limits: CandidateLimits, told: str
) -> None:
    """Silence within a stream for longer than a first token may take is what the app left for."""
    relay, app = asked(stream=True, limits=limits)
    answers(relay, ROLE + event("hi"), ended=False)
    app.clock += 40.0
    relay.app_gone(silent_s)
    assert app.told == ["head", told]


async def test_a_relay_that_is_cancelled_tells_nothing_of_the_candidate() -> None:
    """Our own end stops the clock and is no verdict."""
    relay, app = asked(stream=True)
    relay.cancel()
    relay.cancel()
    wait(relay, app, 500.0)
    relay.expire(app.clock)
    assert app.told == ["unknown"]
    relay.on_send_blocked()
    relay.on_send_ready()


PACED = CandidateLimits(patience_first_token_s=0.5, patience_stream_s=6.0, patience_byte_s=0.0625)
"""Beside a baseline whose streams last 3 s at most: a word of eight bytes each half second is fast enough."""


def streams(word: bytes, gap_s: float, until_s: float, **more: Any) -> tuple[CandidateRelay, App]:
    """A stream that has said a word each `gap_s` until then, the first at once; the worker looks ten times a second."""
    relay, app = asked(stream=True, limits=PACED, **more)
    answers(relay, ROLE + word, ended=False)
    began_s, said = app.clock, 1
    while app.clock < began_s + until_s:
        wait(relay, app, 0.1)
        if app.clock - began_s >= said * gap_s:
            relay.on_data(word, ended=False)
            said += 1
    return relay, app


THOUGHT = b'data: {"choices":[{"index":0,"delta":{"reasoning_content":"hm, hm, "},"finish_reason":null}]}\n\n'
CALLED = (
    b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"'
    b'%b"}}]},"finish_reason":null}]}\n\n'
)
PACES: dict[str, tuple[bytes, float, float, bool]] = {
    # name: (what comes, how often, how long, whether it has failed)
    "a word now and then": (event("hello "), 1.5, 10.0, True),
    "before it has lasted for longer than the baseline's": (event("hello "), 1.5, 5.8, False),
    "a long answer at a pace that can be read": (event("hello "), 0.3, 300.0, False),
    "a long answer in large pieces": (event("hello " * 20), 4.0, 300.0, False),
    "letters of three bytes in large pieces": (event("\u4f60\u597d" * 20), 4.0, 300.0, False),
    "thoughts that the app is not shown": (THOUGHT, 0.3, 300.0, False),
    "a call's arguments": (CALLED % b"12345678", 0.3, 300.0, False),
    "thoughts now and then": (THOUGHT, 2.0, 10.0, True),
}


@pytest.mark.parametrize("name", PACES)
@pytest.mark.parametrize("ends", ["the app leaves", "it ends", "it breaks"])
async def test_a_stream_that_drips_has_failed_and_a_long_one_has_not(name: str, ends: str) -> None:
    """Longer than the baseline's and far slower than can be read: the candidate is charged once, while the app waits,
    the stream goes on, and its room is free when it is over. One that says much has all the time that it needs.
    """
    word, gap_s, until_s, drips = PACES[name]
    relay, app = streams(word, gap_s, until_s)
    assert app.told == (["head", "ill"] if drips else ["head"])
    assert app.reasons == (["too_slow"] if drips else [])
    if ends == "the app leaves":
        assert relay.app_gone(0.1) == ("app_gone_waiting" if drips else "app_gone")
    elif ends == "it ends":
        relay.on_data(event(" bye") + STOP + DONE, ended=True)
        assert app.attempts[0].error == ("too_slow" if drips else None)
    else:
        relay.on_failure(Failure.BROKEN)
    after = {"the app leaves": ["unknown"], "it ends": ["unknown" if drips else "well", "end"]}
    broke = ["unknown" if drips else "ill", "break: upstream_broken"]
    assert app.told == (["head", "ill"] if drips else ["head"]) + after.get(ends, broke)


async def test_an_app_that_leaves_a_drip_between_two_looks_gave_it_up() -> None:
    """What the worker had not seen yet is seen when the app leaves."""
    relay, app = asked(stream=True, limits=PACED)
    answers(relay, ROLE + event("hello "), ended=False)
    app.clock += 6.0
    assert relay.app_gone(0.1) == "app_gone_waiting"
    assert app.told == ["head", "ill"]


async def test_an_app_that_stops_early_is_no_failure_of_a_slow_stream() -> None:
    """After a second nobody has waited for long, whatever the pace."""
    relay, app = streams(event("a"), 1.0, 1.0)
    assert relay.app_gone(0.1) == "app_gone"
    assert app.told == ["head", "unknown"]


async def test_the_pace_of_an_app_that_reads_slowly_is_its_own() -> None:
    """From when it took no more, how fast an answer comes says nothing of the candidate."""
    relay, app = asked(stream=True, limits=PACED)
    answers(relay, ROLE + event("hello "), ended=False)
    relay.app_blocked()
    wait(relay, app, 60.0)
    assert relay.app_gone(0.0) == "app_gone"
    assert app.told == ["head", "unknown"]


@pytest.mark.parametrize("known", ["patience_stream_s", "patience_byte_s"])
async def test_no_pace_is_too_slow_before_the_baselines_is_known(known: str) -> None:
    """Both have to be known: how long its streams last, and how fast they come."""
    relay, app = asked(stream=True, limits=msgspec.structs.replace(PACED, **{known: None}))
    answers(relay, ROLE + event("hello "), ended=False)
    wait(relay, app, 60.0)
    assert app.told == ["head"]
