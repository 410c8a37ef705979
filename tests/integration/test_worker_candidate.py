"""The candidate's path through a real worker: asked, held to its first token, replaced if it fails, never spliced."""

import asyncio
import gzip
import hashlib
import hmac
import json
import os
import signal
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec
import pytest

from gateway import clock
from gateway.proxy.callers import REVERIFY_SHARE
from policies.routing import PPM, Assign, Breaker, Key, Lease, Match, Route, Table, Upstream, Variant
from records.exchange import Exchange
from tests.fakes.faults import Fault
from tests.fakes.openai_answers import Speaker
from tests.fakes.raw_upstream import DONE, SSE_HEAD, Call, RawUpstream, chunk, event
from tests.fakes.thread import in_thread
from tests.fakes.upstream import FakeUpstream
from tests.rooms.gateway_process import PEPPER, Gateway, table_for
from tests.rooms.waiting import await_true

KEY, TEAM_KEY, TEST_KEY = "sk-CANARY-caller", "sk-CANARY-team", "sk-CANARY-tests"
MOST = PPM - 1
"""All but one in a million: at all of it one request in 64 asks the frontier again."""
STUDENT = Variant("vllm", model="student-7b", first_byte_s=0.4)
GONE = Upstream("gone", "http://127.0.0.1:9/v1")


def route(name: str, **fields: Any) -> Route:
    """A route of its own for each test: a breaker knows its route alone."""
    plain: dict[str, Any] = {
        "candidate": STUDENT,
        "weight_ppm": MOST,
        "breaker": Breaker(consecutive=9999, min_requests=9999),
    }
    return Route(name, Variant("openai"), match=Match(model=(f"m-{name}",)), **(plain | fields))


ROUTES = (
    route("plain"),
    route("paths", candidate=msgspec.structs.replace(STUDENT, revision="paths")),
    route("sticky", weight_ppm=PPM // 2, assign=Assign(("header:x-session-id",), "salt")),
    route("breaker", breaker=Breaker(consecutive=2, open_s=0.5)),
    route("refused", candidate=Variant("gone", first_byte_s=2.0)),
    route("held", candidate=Variant("held", model="student-7b", first_byte_s=5.0)),
    route("observe", mode="observe"),
    route("bypass", mode="bypass"),
    route("pin", weight_ppm=0, pin_keys=("team",)),
    route("full", weight_ppm=PPM),
    route("hidden", expose_variant=False),
    route("prompted", candidate=msgspec.structs.replace(STUDENT, system_prompt="Be brief.")),
    msgspec.structs.replace(route("embeds"), match=Match(model=("m-embeds",), path=("/v1/embeddings",))),
    msgspec.structs.replace(route("starred", mode="split"), match=Match(model_like=("m-starred-*",))),
    msgspec.structs.replace(route("copy", candidate=Variant("gone")), baseline=Variant("other")),
)


async def hold(call: Call) -> None:
    """A whole stream, but for the end of its body."""
    end = b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,'
    end += b'"delta":{},"finish_reason":"stop"}]}\n\n'
    await call.send(SSE_HEAD + chunk(event("student")) + chunk(end) + chunk(DONE))
    await asyncio.Event().wait()


@dataclass
class Stage:
    """A frontier, another one, a student, and a worker in front of them."""

    gateway: Gateway
    frontier: FakeUpstream
    student: FakeUpstream
    held: RawUpstream
    client: httpx.Client
    other: FakeUpstream
    asked: set[str] = field(default_factory=set[str])

    def ask(
        self, name: str, *, key: str = KEY, fault: Fault | None = None, stream: bool = False, **headers: str
    ) -> httpx.Response:
        """One chat completion on the route of this name."""
        if fault is not None:
            self.student.plan(fault)
        body = {"model": f"m-{name}", "messages": [{"role": "user", "content": "hi"}], "stream": stream}
        told = {"authorization": f"Bearer {key}"} | {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.client.post("/chat/completions", json=body, headers=told)
        self.asked.add(answer.headers["x-crossfade-request-id"])
        return answer

    def row(self, answer: httpx.Response) -> Exchange:
        """The one row that the journal has of an answer."""
        identity = answer.headers["x-crossfade-request-id"]
        (found,) = [one for one in self.gateway.journal().exchanges if one.meta.id == identity]
        return found

    def why(self, answer: httpx.Response) -> tuple[str, str]:
        """Why the answer came from where it came, and the reason."""
        meta = self.row(answer).meta
        return meta.why, meta.reason

    def until(self, name: str, why: str) -> httpx.Response:
        """Ask until the worker has seen what was done to its files."""
        answers: list[httpx.Response] = []

        def is_so() -> bool:
            answers.append(self.ask(name))
            return self.why(answers[-1])[0] == why

        await_true(is_so, why)
        return answers[-1]

    def publish(self, table: Table) -> None:
        """Publish, and wait until it is served."""
        table = msgspec.structs.replace(table, version=self.gateway.table.version + 1)
        self.gateway.publish(table)
        await_true(lambda: self.gateway.worker.live()["table_version"] == table.version, "the table is served")


def words(answer: httpx.Response) -> str:
    """Whose words an answer is made of: each begins with its speaker's label."""
    if answer.headers["content-type"].startswith("text/event-stream"):
        events = [line[6:] for line in answer.text.splitlines() if line.startswith("data: {")]
        deltas = [choice["delta"].get("content") for event in events for choice in json.loads(event)["choices"]]
        text = "".join(filter(None, deltas))
    else:
        text = answer.json()["choices"][0]["message"]["content"]
    speakers = {"frontier" if word.startswith("frontier") else word[:7] for word in text.split()}
    assert len(speakers) == 1, f"spliced: {text!r}"
    return speakers.pop()


def hmac_of(key: str) -> str:
    return hmac.digest(PEPPER, key.encode(), "sha256").hex()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One worker for the whole module; its callers' keys were accepted by the frontier before."""
    frontier = FakeUpstream(Speaker("frontier"))
    student = FakeUpstream(Speaker("student", vllm=True), require_key=False)
    held, other = RawUpstream(hold), FakeUpstream(Speaker("other"))
    with in_thread(frontier), in_thread(student), in_thread(held), in_thread(other):
        vllm, holds = Upstream("vllm", student.base_url, "vllm"), Upstream("held", held.base_url, "vllm")
        table = table_for(frontier.base_url, *ROUTES, upstreams=(vllm, holds, GONE, Upstream("other", other.base_url)))
        keys = Key("k1", "team", hmac_of(TEAM_KEY)), Key("k2", "tests", hmac_of(TEST_KEY), ("pin",))
        table = msgspec.structs.replace(table, keys=keys)
        directory = tmp_path_factory.mktemp("candidate")
        with Gateway(directory, table) as gateway, gateway.client() as client:
            found = Stage(gateway, frontier, student, held, client, other)
            for key in (KEY, TEAM_KEY, TEST_KEY):
                assert found.ask("unrouted", key=key).status_code == 200
            yield found


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_the_candidate_answers_its_share(stage: Stage, *, stream: bool) -> None:
    """An eligible request of an accepted key is answered by the candidate, and the row says all of it."""
    answer = stage.ask("plain", stream=stream)
    assert (answer.status_code, words(answer)) == (200, "student")
    assert answer.headers["x-crossfade-route"] == "plain"
    assert answer.headers["x-crossfade-variant"] == "candidate"
    assert answer.headers["x-request-id"]
    assert "m-plain" in answer.text
    assert "student-7b" not in answer.text
    found = stage.row(answer)
    meta = found.meta
    assert (meta.variant, meta.why, meta.outcome, meta.status) == ("candidate", "assigned", "complete", 200)
    assert [(one.variant, one.upstream, one.status, one.error) for one in meta.attempts] == [
        ("candidate", "vllm", 200, None)
    ]
    assert found.response_body == answer.content
    assert bool(meta.usage) is stream  # a whole answer says it itself


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_embeddings_of_a_route_that_names_them(stage: Stage, encoding: str) -> None:
    """The candidate's vectors in the asked encoding, under the name that was asked for; tokens are the frontier's."""
    told = {"authorization": f"Bearer {KEY}"}
    asked = {"model": "m-embeds", "input": ["one", "two"], "encoding_format": encoding}
    answer = stage.client.post("/embeddings", json=asked, headers=told)
    tokens = stage.client.post("/embeddings", json=asked | {"input": [1, 2]}, headers=told)

    assert answer.headers["x-crossfade-variant"] == "candidate"
    assert (answer.json()["model"], len(answer.json()["data"])) == ("m-embeds", 2)
    assert isinstance(answer.json()["data"][0]["embedding"], str if encoding == "base64" else list)
    assert json.loads(stage.student.ledger[-1].request.body) == asked | {"model": "student-7b"}
    assert stage.why(tokens) == ("ineligible", "token_prompt")
    for each in (answer, tokens):
        stage.asked.add(each.headers["x-crossfade-request-id"])


def test_a_prompt_is_a_candidate(stage: Stage) -> None:
    """The candidate is told its own system prompt, the baseline the app's; the app's model may be named with a star."""
    asked = {"messages": [{"role": "system", "content": "Be long."}, {"role": "user", "content": "hi"}]}
    told = {"authorization": f"Bearer {KEY}"}
    prompted = stage.client.post("/chat/completions", json={"model": "m-prompted", **asked}, headers=told)
    sent = json.loads(stage.student.ledger[-1].request.body)["messages"]
    starred = stage.client.post("/chat/completions", json={"model": "m-starred-2", **asked}, headers=told)

    assert (words(prompted), words(starred)) == ("student", "student")
    assert sent == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]
    assert json.loads(stage.student.ledger[-1].request.body)["messages"] == asked["messages"]
    assert json.loads(stage.row(prompted).request_body)["messages"] == asked["messages"]
    assert starred.headers["x-crossfade-route"] == "starred"
    for answer in (prompted, starred):
        stage.asked.add(answer.headers["x-crossfade-request-id"])


PLAIN = json.dumps({"model": "m-copy", "messages": [{"role": "user", "content": "hi"}]}).encode()
COPIED = {
    "gzip": (gzip.compress(PLAIN), "gzip"),
    "deflate": (zlib.compress(PLAIN), "deflate"),
    "half a character": (PLAIN.replace(b'"hi"', b'"hi \\ud83d"'), ""),
    "a byte that is no UTF-8": (PLAIN.replace(b'"hi"', b'"hi \xff"'), ""),
    "half a character, gzip": (gzip.compress(PLAIN.replace(b'"hi"', b'"hi \\ud83d"')), "gzip"),
}


@pytest.mark.parametrize("name", COPIED)
def test_what_only_a_copy_can_be_read_of_keeps_its_route(stage: Stage, name: str) -> None:
    """Compressed, or with half a character in it: the route's own baseline gets it, byte for byte, and no candidate."""
    body, coding = COPIED[name]
    told = {"content-type": "application/json", "authorization": f"Bearer {KEY}"}
    told |= {"content-encoding": coding} if coding else {}
    default = len(stage.frontier.ledger)
    answer = stage.client.post("/chat/completions", content=body, headers=told)
    assert answer.headers["x-crossfade-route"] == "copy"
    assert answer.headers["x-crossfade-variant"] == "baseline"
    assert stage.other.ledger[-1].request.body == body
    assert len(stage.frontier.ledger) == default
    meta = stage.row(answer).meta
    assert (meta.route, meta.upstream, meta.why) == ("copy", "other", "ineligible")


FAULTS: dict[str, tuple[bool, Fault, str]] = {
    # name: (streamed, what the candidate does, the reason in the row)
    "reset": (False, Fault(before="reset"), "no_answer"),
    "closed": (True, Fault(before="close"), "no_answer"),
    "500": (False, Fault(status=500), "server_error"),
    "500 to a stream": (True, Fault(status=500), "server_error"),
    "429": (True, Fault(status=429), "overloaded"),
    "503 html": (False, Fault(status=503, body="<html>busy</html>"), "overloaded"),
    "400": (False, Fault(status=400), "invalid_request"),
    "401": (False, Fault(status=401), "key_refused"),
    "404": (False, Fault(status=404), "not_found"),
    "302": (False, Fault(status=302, headers={"location": "http://evil.invalid/"}), "redirect"),
    "200 with an error event": (True, Fault(cut="error_event", after=0), "server_error"),
    "error after the role": (True, Fault(cut="error_event", after=1), "server_error"),
    "hang": (True, Fault(before="hang"), "first_byte_timeout"),
    "hang after the role": (True, Fault(cut="hang", after=1), "first_byte_timeout"),
    "garbage": (True, Fault(before="garbage"), "malformed"),
    "html": (False, Fault(body="<html>hello</html>"), "malformed"),
    "html to a stream": (True, Fault(body="<html>hello</html>"), "empty"),
    "truncated": (False, Fault(framing="short", after=40), "broken"),
    "reset in the body": (False, Fault(cut="reset", after=40), "broken"),
    "cut after the role": (True, Fault(cut="close", after=1), "broken"),
    "ended after the role": (True, Fault(cut="no_done", after=1), "empty"),
    "bad chunk": (True, Fault(framing="bad_chunk", after=1), "malformed"),
    "empty": (True, Fault(cut="no_done", after=0), "empty"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_failure_before_the_first_token_is_never_seen(stage: Stage, name: str) -> None:
    """Whatever the candidate does before its first token: the baseline answers, and the row tells of both."""
    streamed, fault, reason = FAULTS[name]
    asked = len(stage.student.ledger)
    answer = stage.ask("plain", fault=fault, stream=streamed)
    assert (answer.status_code, words(answer)) == (200, "frontier")
    assert answer.headers["x-crossfade-variant"] == "baseline"
    assert len(stage.student.ledger) == asked + 1
    meta = stage.row(answer).meta
    assert (meta.why, meta.reason, meta.variant, meta.outcome) == ("fallback", reason, "baseline", "complete")
    candidate, baseline = meta.attempts
    assert (candidate.variant, candidate.upstream, candidate.error) == ("candidate", "vllm", reason)
    assert (baseline.variant, baseline.upstream, baseline.status, baseline.error) == ("baseline", "openai", 200, None)
    assert candidate.started_s is not None
    assert candidate.ended_s is not None
    assert baseline.started_s is not None
    assert candidate.started_s <= candidate.ended_s <= baseline.started_s
    assert stage.row(answer).response_body == answer.content


def test_a_path_that_the_candidate_lacks_is_the_baselines(stage: Stage) -> None:
    """An engine that answers chats and has no completions is asked for one once; it is counted, and no failure."""
    assert words(stage.ask("paths")) == "student"
    asked, errors = len(stage.student.ledger), stage.gateway.worker.live()["candidate_errors"]
    stage.student.plan(Fault(status=404, body='{"detail":"Not Found"}'))
    for _ in range(3):
        told = {"authorization": f"Bearer {KEY}"}
        answer = stage.client.post("/completions", json={"model": "m-paths", "prompt": "hi"}, headers=told)
        assert (answer.status_code, answer.headers["x-crossfade-variant"]) == (200, "baseline")
        assert stage.why(answer) == ("ineligible", "no_path")
    assert len(stage.student.ledger) == asked + 1
    assert stage.gateway.worker.live()["candidate_errors"] == errors
    assert words(stage.ask("paths")) == "student"


def test_a_candidate_is_asked_on_the_path_that_its_route_knows(stage: Stage) -> None:
    """A slash at its end and a query are the frontier's: engines redirect the one, and the other may hold a key."""
    body = {"model": "m-plain", "messages": [{"role": "user", "content": "hi"}]}
    told = {"authorization": f"Bearer {KEY}"}
    answer = stage.client.post("/chat/completions/?api_key=sk-in-a-query", json=body, headers=told)
    assert words(answer) == "student"
    assert stage.student.ledger[-1].request.target == b"/v1/chat/completions"
    assert stage.row(answer).meta.target == "/v1/chat/completions/?api_key=sk-in-a-query"


def test_a_candidate_that_refuses_connections_is_never_seen(stage: Stage) -> None:
    """Nobody listening is a failure like any other."""
    answer = stage.ask("refused", stream=True)
    assert words(answer) == "frontier"
    assert stage.why(answer) == ("fallback", "unreachable")


def test_when_both_fail_the_app_gets_the_baselines_own_error_once(stage: Stage) -> None:
    """The error of the fallback is passed on as it is, and nobody is asked a third time."""
    stage.frontier.plan(Fault(status=429, headers={"retry-after": "7"}))
    counts = len(stage.frontier.ledger), len(stage.student.ledger)
    answer = stage.ask("plain", fault=Fault(status=500))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert answer.json()["error"]["code"] == "scripted"
    assert (len(stage.frontier.ledger), len(stage.student.ledger)) == (counts[0] + 1, counts[1] + 1)
    assert stage.why(answer) == ("fallback", "server_error")


@pytest.mark.parametrize("cut", ["reset", "close", "error_event", "no_done", "garbage"])
def test_an_answer_that_has_begun_is_never_spliced(stage: Stage, cut: Any) -> None:
    """After the first token the baseline is not asked: the app sees the candidate's words, an error, and a cut."""
    asked = len(stage.frontier.ledger)
    stage.student.plan(Fault(cut=cut, after=4, gap_s=0.02))  # a failure in the first read would be mended
    body = {"model": "m-plain", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    received = b""
    with (
        pytest.raises(httpx.RemoteProtocolError),
        stage.client.stream(
            "POST", "/chat/completions", json=body, headers={"authorization": f"Bearer {KEY}"}
        ) as answer,
    ):
        stage.asked.add(answer.headers["x-crossfade-request-id"])
        for piece in answer.iter_raw():
            received += piece
    assert b"student" in received
    assert b"frontier" not in received
    assert b"[DONE]" not in received
    assert b'"error"' in received
    assert len(stage.frontier.ledger) == asked
    meta = stage.row(answer).meta
    assert (meta.variant, meta.why, meta.outcome) == ("candidate", "assigned", "upstream_broken")
    assert [one.error is not None for one in meta.attempts] == [True]


def test_a_stream_ends_for_the_app_when_it_says_so(stage: Stage) -> None:
    """A candidate that holds its connection open after [DONE] does not hold the app, and may end by itself."""
    answer = stage.ask("held", stream=True)
    assert answer.text.endswith("data: [DONE]\n\n")
    assert "student" in answer.text
    assert not stage.held.calls[-1].answered
    meta = stage.row(answer).meta
    assert (meta.outcome, meta.attempts[0].error) == ("complete", None)


def test_the_breaker_opens_probes_and_closes(stage: Stage) -> None:
    """After failures in a row the candidate is not asked for a while; one request finds out, and then it is again."""
    for _ in range(2):
        assert stage.why(stage.ask("breaker", fault=Fault(status=500)))[0] == "fallback"
    asked = len(stage.student.ledger)
    answer = stage.ask("breaker")
    assert stage.why(answer) == ("breaker", "")
    assert words(answer) == "frontier"
    assert len(stage.student.ledger) == asked
    assert words(stage.until("breaker", "assigned")) == "student"
    assert stage.gateway.worker.live()["breaker_opened"] == 1


def test_the_kill_file_is_baseline_only_and_its_removal_is_not(stage: Stage) -> None:
    """While the file exists no candidate is asked."""
    stage.gateway.kill_path.touch()
    try:
        answer = stage.until("plain", "killed")
        asked = len(stage.student.ledger)
        assert words(stage.ask("plain")) == words(answer) == "frontier"
        assert len(stage.student.ledger) == asked
    finally:
        stage.gateway.kill_path.unlink()
    assert words(stage.until("plain", "assigned")) == "student"


def test_a_signal_kills_at_once_and_writes_the_file(stage: Stage) -> None:
    """SIGUSR2 is as good as the file, and makes it, so that the other workers see it."""
    os.kill(stage.gateway.worker.pid, signal.SIGUSR2)
    try:
        stage.until("plain", "killed")
        assert stage.gateway.kill_path.exists()
    finally:
        stage.gateway.kill_path.unlink(missing_ok=True)
    stage.until("plain", "assigned")


def test_without_a_lease_there_is_no_candidate(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A worker whose table was vouched for too long ago serves the baseline only, until it is renewed."""
    old = Lease(clock.wall() - 1000.0, hold_s=60.0, grace_s=300.0)
    table = msgspec.structs.replace(stage.gateway.table, lease=old)
    with Gateway(tmp_path_factory.mktemp("lease"), table) as gateway, gateway.client() as client:
        other = Stage(gateway, stage.frontier, stage.student, stage.held, client, stage.other)
        assert other.ask("unrouted").status_code == 200
        answer = other.ask("plain")
        assert other.why(answer) == ("lease", "")
        assert words(answer) == "frontier"
        renewed = Lease(clock.wall(), hold_s=60.0, grace_s=300.0)
        gateway.publish(msgspec.structs.replace(table, lease=renewed))
        assert words(other.until("plain", "assigned")) == "student"


def test_a_junk_key_never_gets_an_answer_of_the_candidate(stage: Stage) -> None:
    """Only the frontier can tell whether a key is good: one it has not accepted is answered by the frontier alone."""
    asked = len(stage.student.ledger)
    for number in range(20):
        answer = stage.ask("plain", key=f"sk-junk-{number % 3}", stream=bool(number % 2))
        assert answer.status_code == 401
        assert stage.why(answer) == ("unverified", "")
    assert len(stage.student.ledger) == asked


@pytest.mark.parametrize("method", ["OPTIONS", "GET"])
def test_what_a_frontier_answers_to_anybody_accepts_no_key(stage: Stage, method: str) -> None:
    """A key is accepted by an answer that costs something, not by a preflight or a public page."""
    key = f"sk-other-{method}"
    stage.frontier.plan(Fault(body="{}"))
    assert stage.client.request(method, "/public", headers={"authorization": f"Bearer {key}"}).status_code == 200
    answer = stage.ask("plain", key=key)
    assert stage.why(answer) == ("unverified", "")
    assert stage.why(stage.ask("plain", key=key)) == ("assigned", "")


def test_a_key_that_the_frontier_refuses_is_accepted_no_more(stage: Stage) -> None:
    """401 and 403 end a key's acceptance at once."""
    key = "sk-revoked"
    assert stage.ask("unrouted", key=key).status_code == 200
    assert stage.why(stage.ask("plain", key=key)) == ("assigned", "")
    stage.frontier.plan(Fault(status=403))
    assert stage.ask("unrouted", key=key).status_code == 403
    assert stage.why(stage.ask("plain", key=key)) == ("unverified", "")


def test_at_full_weight_a_small_share_is_verified_again(stage: Stage) -> None:
    """At 100 % exactly those requests whose id says so ask the frontier."""
    for _ in range(40):
        answer = stage.ask("full")
        digest = hashlib.blake2s(answer.headers["x-crossfade-request-id"].encode(), digest_size=8).digest()
        again = int.from_bytes(digest, "big") % PPM < PPM // REVERIFY_SHARE
        assert answer.headers["x-crossfade-variant"] == ("baseline" if again else "candidate")


def test_an_allowed_key_may_pin_a_variant(stage: Stage) -> None:
    """The header decides for keys that the route names, whatever the weight; such requests leave the evidence."""
    for variant, speaker in (("candidate", "student"), ("baseline", "frontier")):
        answer = stage.ask("pin", key=TEAM_KEY, x_crossfade_variant=variant)
        assert words(answer) == speaker
        meta = stage.row(answer).meta
        assert (meta.why, meta.pinned, meta.variant, meta.key_name) == ("pinned", True, variant, "team")
    assert words(stage.ask("pin", key=TEAM_KEY)) == "frontier"
    assert not any(b"x-crossfade" in entry.request.raw.lower() for entry in stage.frontier.ledger)


def test_a_key_with_the_scope_pin_may_choose_on_every_route(stage: Stage) -> None:
    """The route does not name it; a header without a variant of ours is refused as ever."""
    answer = stage.ask("pin", key=TEST_KEY, x_crossfade_variant="candidate")
    assert words(answer) == "student"
    assert (stage.row(answer).meta.why, stage.row(answer).meta.key_name) == ("pinned", "tests")
    assert words(stage.ask("pin", key=TEST_KEY)) == "frontier"
    assert stage.ask("pin", key=TEST_KEY, x_crossfade_variant="third").status_code == 400


@pytest.mark.parametrize(
    ("key", "variant", "status", "code"),
    [(KEY, "candidate", 403, "pin_not_allowed"), (TEAM_KEY, "third", 400, "unknown_variant")],
)
def test_other_pins_are_refused(stage: Stage, key: str, variant: str, status: int, code: str) -> None:
    """A key that may not choose, and a variant that is none, get an error of ours; nobody is asked."""
    counts = len(stage.frontier.ledger), len(stage.student.ledger)
    answer = stage.ask("pin", key=key, x_crossfade_variant=variant)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert (len(stage.frontier.ledger), len(stage.student.ledger)) == counts
    meta = stage.row(answer).meta
    assert (meta.why, meta.reason, meta.variant, meta.outcome) == ("refused", code, "gateway", "refused")
    assert meta.attempts == []


@pytest.mark.parametrize("name", ["observe", "bypass"])
def test_modes_that_do_not_move_traffic(stage: Stage, name: str) -> None:
    """`observe` decides and tells, `bypass` does not even decide; both serve the baseline."""
    asked = len(stage.student.ledger)
    answer = stage.ask(name)
    assert words(answer) == "frontier"
    assert stage.why(answer) == (name, "")
    assert bool(stage.row(answer).meta.unit) is (name == "observe")
    assert len(stage.student.ledger) == asked


def test_an_ineligible_request_is_the_baselines(stage: Stage) -> None:
    """What the candidate cannot be asked goes to the baseline with the reason."""
    body = {"model": "m-plain", "messages": [{"role": "user", "content": "hi"}], "logit_bias": {"1": 2}}
    answer = stage.client.post("/chat/completions", json=body, headers={"authorization": f"Bearer {KEY}"})
    stage.asked.add(answer.headers["x-crossfade-request-id"])
    assert words(answer) == "frontier"
    assert stage.why(answer) == ("ineligible", "logit_bias")


def test_a_unit_stays_where_it_is(stage: Stage) -> None:
    """A session keeps its variant, and raising the weight takes nobody back from the candidate."""
    table = stage.gateway.table
    sessions = [f"s{number}" for number in range(24)]

    def variants() -> dict[str, str]:
        answers = {session: stage.ask("sticky", x_session_id=session) for session in sessions}
        return {session: answer.headers["x-crossfade-variant"] for session, answer in answers.items()}

    before = variants()
    assert set(before.values()) == {"baseline", "candidate"}
    assert variants() == before
    raised = [
        msgspec.structs.replace(one, weight_ppm=PPM * 3 // 4) if one.name == "sticky" else one for one in table.routes
    ]
    stage.publish(msgspec.structs.replace(table, routes=tuple(raised)))
    after = variants()
    assert {session for session in sessions if before[session] == "candidate"} <= {
        session for session in sessions if after[session] == "candidate"
    }


def test_a_route_may_hide_who_answers(stage: Stage) -> None:
    """`expose_variant: false` leaves out the variant's header and nothing else."""
    answer = stage.ask("hidden")
    assert words(answer) == "student"
    assert "x-crossfade-variant" not in answer.headers
    assert answer.headers["x-crossfade-route"] == "hidden"


def test_the_callers_key_is_the_frontiers_alone(stage: Stage) -> None:
    """No request to the candidate, and no file of the worker's, holds any of it, or of the app's cookies."""
    stage.ask("plain", cookie="session=CANARY-cookie", openai_organization="CANARY-org")
    stage.ask("plain", fault=Fault(status=500))
    assert stage.student.ledger
    assert not any(b"CANARY" in entry.request.raw for entry in stage.student.ledger)
    assert any(KEY.encode() in entry.request.raw for entry in stage.frontier.ledger)
    rows = stage.gateway.journal().exchanges
    assert not any(b"CANARY-c" in msgspec.msgpack.encode(row.meta) for row in rows)
    for path in stage.gateway.directory.rglob("*"):
        assert path.is_dir() or b"CANARY" not in path.read_bytes(), path


def test_each_request_has_exactly_one_row(stage: Stage) -> None:
    """All that was asked in this module stands in the journal once, with nothing lost and no fault of ours."""
    journal = stage.gateway.journal()
    rows = [row.meta.id for row in journal.exchanges]
    assert len(rows) == len(set(rows))
    assert stage.asked <= set(rows)
    live = stage.gateway.worker.live()
    assert live["requests"] == len(rows)
    assert (journal.gaps, journal.damaged, live["hook_errors"], live["in_flight"]) == ([], 0, 0, 0)
    assert "Traceback" not in stage.gateway.worker.log()
