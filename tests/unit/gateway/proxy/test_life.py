"""The life of a request where time matters: deadlines, what is in the journal when, what a hang-up leaves."""

import asyncio
import hmac
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest

from gateway.proxy.counters import INDEX
from gateway.proxy.life import BUFFERED_BYTES, GRACE_S, Life
from gateway.transport.limits import Limits
from policies.routing import PPM, Breaker, CandidateLimits, Capture, Key, Match, Route, Table, Upstream, Variant
from records.exchange import Exchange
from tests.fakes.raw_upstream import DONE, LAST_CHUNK, SSE_HEAD, STOP, Call, RawUpstream, answer, chunk, event
from tests.rooms.gateway_process import PEPPER
from tests.rooms.house import House, a_house, post, send, table
from tests.rooms.no_files import no_files_left
from tests.rooms.waiting import until

CHAT = b'{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}'


async def never(call: Call) -> None:
    await asyncio.Event().wait()


async def hello(call: Call) -> None:
    await call.send(answer(b'{"hello":1}'))


@pytest.mark.parametrize(
    ("line", "deadline_s"),
    [
        (b"x-stainless-read-timeout: 30", 30.0),
        (b"x-stainless-timeout: 40", 40.0),
        (b"x-stainless-read-timeout: NaN", 600.0),
        (b"x-stainless-read-timeout: 0", 600.0),
        (b"x-stainless-read-timeout: soon", 600.0),
        (b"x-other: 1", 600.0),
    ],
)
async def test_the_apps_deadline_is_the_only_one(tmp_path: Path, line: bytes, deadline_s: float) -> None:
    """Silence is waited out for as long as the app would wait, and a little more; then the answer is 504."""
    async with RawUpstream(never) as upstream, a_house(tmp_path, table(upstream.base_url)) as house:
        wire = house.ask(post(CHAT, line))
        await until(lambda: upstream.calls)
        house.pass_time(deadline_s + GRACE_S - 1)
        assert not wire.out
        house.pass_time(2)
        assert wire.out.startswith(b"HTTP/1.1 504 ")
        await until(lambda: upstream.calls[0].gone_at is not None)
        (row,) = house.rows()
        assert (row.meta.outcome, row.meta.attempts[0].error) == ("upstream_error", "timeout")


async def test_a_stream_may_last_as_long_as_it_flows(tmp_path: Path) -> None:
    """The deadline is between two bytes: each one starts it anew, and silence in the middle breaks the answer."""
    steps: asyncio.Queue[bytes] = asyncio.Queue()

    async def stepwise(call: Call) -> None:
        await call.send(SSE_HEAD)
        while piece := await steps.get():
            await call.send(chunk(piece))

    async with RawUpstream(stepwise) as upstream, a_house(tmp_path, table(upstream.base_url)) as house:
        wire = house.ask(post(CHAT, b"x-stainless-read-timeout: 10"))
        for number in range(5):
            steps.put_nowait(event(str(number)))
            await until(lambda number=number: event(str(number)) in wire.out)
            house.pass_time(9)
        assert not wire.gone
        house.pass_time(8)
        assert wire.closing
        assert not wire.out.endswith(LAST_CHUNK)
        (row,) = house.rows()
        assert row.meta.outcome == "upstream_broken"


async def test_what_lasts_is_in_the_journal_as_far_as_it_is(tmp_path: Path) -> None:
    """After a second an exchange is there, with its request, and with its answer's head once that has come."""
    steps: asyncio.Queue[bytes] = asyncio.Queue()

    async def stepwise(call: Call) -> None:
        while piece := await steps.get():
            await call.send(piece)

    async with RawUpstream(stepwise) as upstream, a_house(tmp_path, table(upstream.base_url)) as house:
        wire = house.ask(post(CHAT))
        await until(lambda: upstream.calls)
        house.pass_time(3)
        (open_row,) = house.journal().under_way
        assert (open_row.request_body, open_row.meta.status) == (CHAT, 0)
        steps.put_nowait(SSE_HEAD + chunk(event("one")))
        await until(lambda: b"one" in wire.out)
        house.pass_time(3)
        (open_row,) = house.journal().under_way
        assert (open_row.meta.status, open_row.response_body) == (200, event("one"))
        assert open_row.request_body == CHAT
        steps.put_nowait(chunk(DONE) + LAST_CHUNK)
        await until(lambda: wire.out.endswith(LAST_CHUNK))
        (row,) = house.rows()
        assert (row.request_body, row.response_body) == (CHAT, event("one") + DONE)
        assert (row.meta.outcome, row.meta.status) == ("complete", 200)
        assert house.journal().under_way == []


@pytest.mark.parametrize(
    "pieces", [(DONE,), (DONE[:9], DONE[9:]), (DONE[:11], DONE[11:12], DONE[12:]), (DONE[:-1], DONE[-1:])]
)
async def test_a_stream_is_in_the_journal_before_its_end_is_out(tmp_path: Path, pieces: tuple[bytes, ...]) -> None:
    """However [DONE] is cut, the answer up to it is kept before the app gets it: a SIGKILL then loses nothing."""
    steps: asyncio.Queue[bytes] = asyncio.Queue()

    async def stepwise(call: Call) -> None:
        await call.send(SSE_HEAD + chunk(event("one")))
        while piece := await steps.get():
            await call.send(chunk(piece))

    async with RawUpstream(stepwise) as upstream, a_house(tmp_path, table(upstream.base_url)) as house:
        wire = house.ask(post(CHAT))
        await until(lambda: b"one" in wire.out)
        for piece in pieces:
            steps.put_nowait(piece)
            await until(lambda piece=piece: wire.out.endswith(chunk(piece)))
        (open_row,) = house.journal().under_way
        assert open_row.response_body == event("one") + DONE
        assert open_row.meta.outcome == "complete"  # as a reader finds it if the worker is gone


@pytest.mark.parametrize("end", ["completed", "failed", "incomplete"])
async def test_a_response_is_in_the_journal_before_its_end_is_out(tmp_path: Path, end: str) -> None:
    """Events of the Responses API go through as they are; the one that ends the stream is kept first."""
    steps: asyncio.Queue[bytes] = asyncio.Queue()
    middle = b'event: response.created\ndata: {"type":"response.created"}\n\n'
    last = b'data: {"type":"response.%b"}\n\n' % end.encode()

    async def stepwise(call: Call) -> None:
        await call.send(SSE_HEAD + chunk(middle))
        await call.send(chunk(await steps.get()))

    async with RawUpstream(stepwise) as upstream, a_house(tmp_path, table(upstream.base_url)) as house:
        wire = house.ask(post(CHAT, target=b"/v1/responses"))
        await until(lambda: middle in wire.out)
        assert house.journal().under_way == []
        steps.put_nowait(last)
        await until(lambda: last in wire.out)
        (open_row,) = house.journal().under_way
        assert open_row.response_body == middle + last


async def test_answers_of_one_turn_are_in_the_journal_before_any_of_them_is_out(tmp_path: Path) -> None:
    """Two apps' last bytes wait for the end of the turn, and it writes both rows first."""
    ends, gate = list[Callable[[], None]](), asyncio.Event()

    async def later(call: Call) -> None:
        await gate.wait()
        await hello(call)

    async with RawUpstream(later) as upstream, a_house(tmp_path, table(upstream.base_url)) as house:
        wires = [house.ask(post(CHAT)), house.ask(post(CHAT))]
        await until(lambda: len(upstream.calls) == 2)
        house.soon = ends.append
        gate.set()
        await until(lambda: house.worker.live[INDEX["responses_2xx"]] == 2)
        assert [wire.out for wire in wires] == [b"", b""]
        assert house.rows() == []
        seen: list[int] = []
        for wire in wires:
            wire.on_write = lambda: seen.append(len(house.rows()))
        for end in ends:
            end()
        assert seen == [2, 2]
        assert all(b"hello" in wire.out for wire in wires)


async def test_a_row_is_synced_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an answer put into the journal is made durable without any more traffic."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    async with RawUpstream(hello) as upstream, a_house(tmp_path, table(upstream.base_url)) as house:
        wire = house.ask(post(CHAT))
        await until(lambda: b"hello" in wire.out and synced)
        assert len(house.rows()) == 1


async def test_a_slow_upload_is_in_the_journal_whole(tmp_path: Path) -> None:
    """What is under way is noted only once the request is whole: its body has no hole."""
    async with RawUpstream(hello) as upstream, a_house(tmp_path, table(upstream.base_url)) as house:
        raw = post(CHAT)
        wire = house.ask(raw[:-10])
        house.pass_time(5)
        send(wire, raw[-10:])
        await until(lambda: b"hello" in wire.out)
        (row,) = house.rows()
        assert row.request_body == CHAT


async def test_a_body_is_cut_out_of_the_journal_where_it_is_too_long(tmp_path: Path) -> None:
    """Over the limit only size and hash are kept, of both bodies."""
    small = Capture(max_body_bytes=20)
    async with RawUpstream(hello) as upstream, a_house(tmp_path, table(upstream.base_url, capture=small)) as house:
        wire = house.ask(post(CHAT))
        await until(lambda: b"hello" in wire.out)
        (row,) = house.rows()
        assert (row.request_body, row.meta.request_bytes) == (b"", len(CHAT))
        assert len(row.meta.request_sha256) == 64
        assert row.response_body == b'{"hello":1}'


async def test_what_is_not_sampled_leaves_no_row(tmp_path: Path) -> None:
    """A capture of nothing keeps nothing, and answers all the same."""
    none = Capture(sample_ppm=0)
    async with RawUpstream(hello) as upstream, a_house(tmp_path, table(upstream.base_url, capture=none)) as house:
        wire = house.ask(post(CHAT))
        await until(lambda: b"hello" in wire.out)
        house.pass_time(3)
        assert house.rows() == house.journal().under_way == []


async def test_a_long_body_to_a_slow_connection_goes_on(tmp_path: Path) -> None:
    """An upload that pauses while its upstream is being connected to is taken up again."""
    async with RawUpstream(hello) as upstream, a_house(tmp_path, table(upstream.base_url)) as house:
        body = b"x" * (4 * BUFFERED_BYTES)
        raw = post(body, target=b"/v1/files")
        wire = house.ask(raw[: -2 * BUFFERED_BYTES])
        assert not wire.reading
        await until(lambda: wire.reading)
        send(wire, raw[-2 * BUFFERED_BYTES :])
        await until(lambda: b"hello" in wire.out)
        assert upstream.calls[0].request.body == body


async def test_a_routed_body_that_is_too_long_streams_to_the_baseline(tmp_path: Path) -> None:
    """Beyond what may be read, the body goes on as it comes, and the row says why."""
    route = Route("r", Variant("openai"), match=Match(model=("gpt-4o",)))
    limits = Limits(routed_body_bytes=1000)
    async with RawUpstream(hello) as upstream:
        served = table(upstream.base_url, routes=(route,))
        async with a_house(tmp_path, served, limits) as house:
            raw = post(b"y" * 5000)
            wire = house.app()
            send(wire, raw[:-3000], raw[-3000:-1000], raw[-1000:])
            await until(lambda: b"hello" in wire.out)
            assert upstream.calls[0].request.body == b"y" * 5000
            (row,) = house.rows()
            assert (row.meta.why, row.meta.reason) == ("ineligible", "too_large")


@pytest.mark.parametrize(
    ("parts", "gathered"),
    [(b",".join([b"{}"] * 400_000), False), (b'{"role":"user","content":"%b"}' % (b"a" * 1_200_000), True)],
    ids=["parts", "text"],
)
async def test_a_body_of_too_many_parts_is_not_gathered(tmp_path: Path, parts: bytes, *, gathered: bool) -> None:
    """It goes on to the baseline before it is whole; one that is as long, and is text, is read first."""
    route = Route("r", Variant("openai"), match=Match(model=("gpt-4o",)))
    async with (
        RawUpstream(hello) as upstream,
        a_house(tmp_path, table(upstream.base_url, routes=(route,))) as house,
    ):
        body = b'{"model":"gpt-4o","messages":[%b]}' % parts
        raw = post(body)
        wire = house.app()
        send(wire, *[raw[at : at + 100_000] for at in range(0, len(raw) - 100_000, 100_000)])
        assert wire.reading is gathered  # what goes on waits for its connection
        await until(lambda: wire.reading)
        send(wire, raw[len(range(0, len(raw) - 100_000, 100_000)) * 100_000 :])
        await until(lambda: b"hello" in wire.out)
        assert upstream.calls[0].request.body == body
        (row,) = house.rows()
        assert (row.meta.why, row.meta.reason) == (("assigned", "") if gathered else ("ineligible", "too_large"))


async def test_too_much_ahead_into_a_tunnel_ends_it(tmp_path: Path) -> None:
    """What is sent before the upstream agreed to the upgrade is held, up to a bound."""
    async with RawUpstream(never) as upstream, a_house(tmp_path, table(upstream.base_url)) as house:
        wire = house.ask(
            b"GET /v1/realtime HTTP/1.1\r\nHost: g\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Content-Length: 3\r\n\r\n"
        )
        await until(lambda: upstream.calls)
        assert upstream.calls[0].request.all(b"content-length") == []
        send(wire, b"x" * BUFFERED_BYTES)
        assert not wire.gone
        send(wire, b"x")
        assert wire.gone
        await until(lambda: upstream.calls[0].gone_at is not None)


STUDENT = Route("r", Variant("openai"), match=Match(model=("gpt-4o",)), candidate=Variant("vllm"), weight_ppm=PPM - 1)
"""A route whose candidate gets all but one request in a million."""
OTHER = b'{"model":"other"}'
"""A request of no route."""


def two(frontier: RawUpstream, student: RawUpstream, *routes: Route, **fields: object) -> Table:
    """A table with a baseline's upstream and a candidate's."""
    upstreams = (Upstream("openai", frontier.base_url), Upstream("vllm", student.base_url, "vllm"))
    return table("", upstreams=upstreams, routes=routes, **fields)


async def accept(house: House) -> None:
    """Have the frontier accept the key: only then may a candidate be asked."""
    wire = house.ask(post(OTHER))
    await until(lambda: b"hello" in wire.out)


def tries(row: Exchange) -> list[tuple[str, str, str | None]]:
    """Who was asked, and what was wrong with it."""
    return [(one.variant, one.upstream, one.error) for one in row.meta.attempts]


async def test_a_candidate_that_is_left_alone_is_in_the_row(tmp_path: Path) -> None:
    """A hang-up or a deadline while the candidate is asked is told of the candidate, and booked on it."""
    async with (
        RawUpstream(hello) as frontier,
        RawUpstream(never) as student,
        a_house(tmp_path, two(frontier, student, STUDENT)) as house,
    ):
        await accept(house)
        gone = house.ask(post(CHAT))
        await until(lambda: len(student.calls) == 1)
        gone.lose()
        late = house.ask(post(CHAT, b"x-stainless-read-timeout: 30"))
        await until(lambda: len(student.calls) == 2)
        house.pass_time(36)
        assert late.out.startswith(b"HTTP/1.1 504 ")
        assert b"Upstream vllm did not answer" in late.out
        told = [(row.meta.outcome, row.meta.variant, tries(row)) for row in house.rows()[1:]]
        assert told == [
            ("app_gone", "candidate", [("candidate", "vllm", "app_gone")]),
            ("upstream_error", "candidate", [("candidate", "vllm", "timeout")]),
        ]
        assert len(frontier.calls) == 1
        assert house.worker.live[INDEX["candidate_errors"]] == 1


async def test_a_candidate_for_which_there_is_no_socket_has_not_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A worker that may open no file more could not ask it: the baseline answers, as for want of room; it is told."""
    async with (
        RawUpstream(hello) as frontier,
        RawUpstream(never) as student,
        a_house(tmp_path, two(frontier, student, STUDENT)) as house,
    ):
        await accept(house)
        with no_files_left():
            wire = house.ask(post(CHAT))
            await until(lambda: b"hello" in wire.out)
        row = house.rows()[-1]
        assert (row.meta.why, row.meta.reason, tries(row)) == ("busy", "no_socket", [("baseline", "openai", None)])
        live = house.worker.live
        assert (live[INDEX["candidate_errors"]], live[INDEX["fallbacks"]], len(student.calls)) == (0, 1, 0)
        house.pass_time(2)
        house.pass_time(2)
        assert capsys.readouterr().err.count('"worker.no_sockets"') == 1


async def test_a_candidate_with_no_connection_free_has_not_failed_and_who_hangs_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beyond `max_connections` it was not asked: the baseline answers, as for want of room, and the log says of what.
    Who fills it by hanging fails by its own deadline.
    """
    async with RawUpstream(hello) as frontier, RawUpstream(never) as student:
        served = two(frontier, student, STUDENT)
        upstreams = [msgspec.structs.replace(each, max_connections=1) for each in served.upstreams]
        served = msgspec.structs.replace(served, upstreams=(served.upstreams[0], *upstreams[1:]))
        async with a_house(tmp_path, served) as house:
            await accept(house)
            hung = house.ask(post(CHAT))
            await until(lambda: len(student.calls) == 1)
            wires = [house.ask(post(CHAT)) for _ in range(3)]
            await until(lambda: all(b"hello" in wire.out for wire in wires))
            rows = [row.meta for row in house.rows()[-3:]]
            assert [(row.why, row.reason, row.variant) for row in rows] == [("busy", "saturated", "baseline")] * 3
            assert [tries(row) for row in house.rows()[-3:]] == [[("baseline", "openai", None)]] * 3
            live = house.worker.live
            assert (live[INDEX["candidate_errors"]], live[INDEX["fallbacks"]], len(student.calls)) == (0, 3, 1)
            house.pass_time(120)
            await until(lambda: b"hello" in hung.out)
            row = house.rows()[-1]
            assert (row.meta.why, row.meta.reason, live[INDEX["candidate_errors"]]) == ("fallback", "total_timeout", 1)
            told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
            full = [(line["upstream"], line["requests"], line["max_connections"]) for line in told]
            assert full == [("vllm", 3, 1)]


@pytest.mark.parametrize(("stream", "limit_s"), [(b"true", 10), (b"false", 120)])
async def test_a_candidate_that_hangs_is_waited_for_as_long_as_its_route_says(
    tmp_path: Path, stream: bytes, limit_s: int
) -> None:
    """Without a word in the policy: past the route's limit the baseline answers, and the row says why."""
    body = CHAT[:-1] + b',"stream":%b}' % stream
    async with (
        RawUpstream(hello) as frontier,
        RawUpstream(never) as student,
        a_house(tmp_path, two(frontier, student, STUDENT)) as house,
    ):
        await accept(house)
        wire = house.ask(post(body))
        await until(lambda: student.calls)
        house.pass_time(limit_s - 1)
        assert len(frontier.calls) == 1
        house.pass_time(1)
        await until(lambda: b"hello" in wire.out)
        row = house.rows()[-1]
        word = "first_byte_timeout" if stream == b"true" else "total_timeout"
        assert (row.meta.variant, row.meta.why, row.meta.reason) == ("baseline", "fallback", word)
        assert tries(row) == [("candidate", "vllm", word), ("baseline", "openai", None)]


@pytest.mark.parametrize(("read_s", "until_s"), [(30, 35), (6, 15)])
async def test_the_apps_deadline_runs_on_for_the_baseline(tmp_path: Path, read_s: int, until_s: int) -> None:
    """What the candidate took of it is gone; the baseline has a moment in any case, and is charged for its own."""

    async def silent(call: Call) -> None:
        await (hello(call) if b"other" in call.request.body else never(call))

    async with (
        RawUpstream(silent) as frontier,
        RawUpstream(never) as student,
        a_house(tmp_path, two(frontier, student, STUDENT)) as house,
    ):
        await accept(house)
        wire = house.ask(post(CHAT[:-1] + b',"stream":true}', b"x-stainless-read-timeout: %d" % read_s))
        await until(lambda: student.calls)
        house.pass_time(10)
        await until(lambda: len(frontier.calls) == 2)
        house.pass_time(until_s - 10)
        assert not wire.out
        house.pass_time(1)
        assert wire.out.startswith(b"HTTP/1.1 504 ")
        row = house.rows()[-1]
        assert row.meta.variant == "gateway"
        assert tries(row) == [("candidate", "vllm", "first_byte_timeout"), ("baseline", "openai", "timeout")]


async def test_an_app_that_was_kept_waiting_opens_the_breaker(tmp_path: Path) -> None:
    """Apps that leave a hanging candidate later than the baseline's p99 are its failures; earlier ones say nothing."""
    route = msgspec.structs.replace(
        STUDENT, limits=CandidateLimits(patience_whole_s=4.0), breaker=Breaker(consecutive=2)
    )
    async with (
        RawUpstream(hello) as frontier,
        RawUpstream(never) as student,
        a_house(tmp_path, two(frontier, student, route)) as house,
    ):
        await accept(house)
        for waits_s in (1, 1, 5, 5):
            wire = house.ask(post(CHAT))
            await until(lambda: student.calls and student.calls[-1].gone_at is None)
            house.pass_time(waits_s)
            wire.lose()
            await until(lambda: student.calls[-1].gone_at is not None)
        wire = house.ask(post(CHAT))
        await until(lambda: b"hello" in wire.out)
        rows = [row.meta for row in house.rows()[1:]]
        assert [meta.attempts[0].error for meta in rows[:4]] == ["app_gone"] * 2 + ["app_gone_waiting"] * 2
        assert rows[4].why == "breaker"
        house.pass_time(1)
        live = house.worker.live
        assert [live[INDEX[name]] for name in ("breaker_opened", "breakers_open", "fallbacks")] == [1, 1, 1]


async def in_steps(steps: asyncio.Queue[bytes], call: Call) -> None:
    """A stream of what is put there, as it comes."""
    await call.send(SSE_HEAD)
    while piece := await steps.get():
        await call.send(chunk(piece))


@pytest.mark.parametrize("reads", [True, False])
async def test_a_stream_that_drips_is_charged_while_the_app_waits(tmp_path: Path, *, reads: bool) -> None:
    """It goes on, and its row says so when it is over; where the app took no more, the pace is no fault."""
    steps: asyncio.Queue[bytes] = asyncio.Queue()

    limits = CandidateLimits(patience_stream_s=6.0, patience_byte_s=0.0625)
    route = msgspec.structs.replace(STUDENT, limits=limits)
    async with (
        RawUpstream(hello) as frontier,
        RawUpstream(partial(in_steps, steps)) as student,
        a_house(tmp_path, two(frontier, student, route)) as house,
    ):
        await accept(house)
        wire = house.ask(post(CHAT[:-1] + b',"stream":true}'))
        steps.put_nowait(event("hi"))
        await until(lambda: b"hi" in wire.out)
        if not reads:
            wire.protocol.pause_writing()
            wire.protocol.resume_writing()
        house.pass_time(7)
        errors = house.worker.live[INDEX["candidate_errors"]]
        steps.put_nowait(event(" bye") + STOP + DONE)
        await until(lambda: b"[DONE]" in wire.out)
        (tried,) = house.rows()[-1].meta.attempts
        assert (errors, tried.error) == ((1, "too_slow") if reads else (0, None))
        assert house.worker.live[INDEX["candidate_errors"]] == errors


async def test_a_stream_that_thinks_is_not_silent(tmp_path: Path) -> None:
    """Thoughts that the app is not shown may take longer than the limit between two tokens; silence may not."""
    steps: asyncio.Queue[bytes] = asyncio.Queue()
    thought = b'data: {"choices":[{"index":0,"delta":{"reasoning_content":"hm, "},"finish_reason":null}]}\n\n'

    async with (
        RawUpstream(hello) as frontier,
        RawUpstream(partial(in_steps, steps)) as student,
        a_house(tmp_path, two(frontier, student, STUDENT)) as house,
    ):
        await accept(house)
        wire = house.ask(post(CHAT[:-1] + b',"stream":true}'))
        steps.put_nowait(event("hi"))
        await until(lambda: b"hi" in wire.out)
        (life,) = house.worker._lives
        for _ in range(10):
            steps.put_nowait(thought)
            heard_s = life._relay.thinks_until_s()
            await until(lambda heard_s=heard_s: life._relay.thinks_until_s() > heard_s)
            house.pass_time(14)
            assert not wire.closing
        house.pass_time(17)
        assert wire.closing
        assert tries(house.rows()[-1]) == [("candidate", "vllm", "between_tokens_timeout")]


async def test_a_stream_that_falls_silent_is_broken_off_as_the_candidates_failure(tmp_path: Path) -> None:
    """Between two tokens no app waits longer than the limit, however long it would."""

    async def stops(call: Call) -> None:
        await call.send(SSE_HEAD + chunk(event("hi")))
        await asyncio.Event().wait()

    async with (
        RawUpstream(hello) as frontier,
        RawUpstream(stops) as student,
        a_house(tmp_path, two(frontier, student, STUDENT)) as house,
    ):
        await accept(house)
        wire = house.ask(post(CHAT[:-1] + b',"stream":true}'))
        await until(lambda: b"hi" in wire.out)
        house.pass_time(29)
        assert not wire.closing
        house.pass_time(2)
        assert wire.closing
        row = house.rows()[-1]
        assert row.meta.outcome == "upstream_broken"
        assert tries(row) == [("candidate", "vllm", "between_tokens_timeout")]


async def test_one_routes_hanging_candidate_sheds_nobody(tmp_path: Path) -> None:
    """Above its share of what may be in flight the baseline answers; other routes and paths see nothing of it."""
    other = Route("s", Variant("openai"), match=Match(model=("other",)))
    async with RawUpstream(hello) as frontier, RawUpstream(never) as student:
        served = two(frontier, student, STUDENT, other)
        async with a_house(tmp_path, served, Limits(in_flight=64)) as house:
            await accept(house)
            for answered in (10, 14, 20, 20):  # the candidate holds 10 of the first, and 6 of the second
                wires = [house.ask(post(body)) for body in [CHAT, OTHER] * 10]
                await until(lambda wires=wires, n=answered: sum(b"hello" in wire.out for wire in wires) == n)
            await until(lambda: len(student.calls) == 16)
            assert house.worker.live[INDEX["shed"]] == 0
            whys = [row.meta.why for row in house.rows()[1:] if row.meta.route == "r"]
            assert whys == ["busy"] * 24
            assert house.worker.live[INDEX["fallbacks"]] == 24


async def test_an_edit_of_the_breaker_acts_and_nothing_else_clears_it(tmp_path: Path) -> None:
    """A table with the same candidate and settings keeps an open breaker, also under another route's name."""

    async def broken(call: Call) -> None:
        await call.send(answer(b"{}", status=b"500 Oops"))

    async with RawUpstream(hello) as frontier, RawUpstream(broken) as student:
        route = msgspec.structs.replace(STUDENT, breaker=Breaker(consecutive=1))
        async with a_house(tmp_path, two(frontier, student, route)) as house:
            await accept(house)
            named = msgspec.structs.replace(route, candidate=Variant("vllm", model="m"))
            steps = (
                ("fallback", named),
                ("breaker", named),
                ("breaker", msgspec.structs.replace(named, weight_ppm=PPM - 2)),
                ("breaker", msgspec.structs.replace(named, name="renamed")),
                ("fallback", msgspec.structs.replace(named, breaker=Breaker(consecutive=2))),
                ("fallback", msgspec.structs.replace(named, candidate=Variant("vllm", model="m", revision="2"))),
            )
            for version, (why, changed) in enumerate(steps, 2):
                house.publish(two(frontier, student, changed, version=version))
                await accept(house)
                wire = house.ask(post(CHAT))
                await until(lambda wire=wire: b"hello" in wire.out)
                assert (house.rows()[-1].meta.why, version) == (why, version)


async def test_a_table_that_comes_while_a_body_does_decides(tmp_path: Path) -> None:
    """A request is decided by the newest table when its body is whole, though its head came under an older one."""
    async with (
        RawUpstream(hello) as frontier,
        RawUpstream(never) as student,
        a_house(tmp_path, two(frontier, student, STUDENT)) as house,
    ):
        await accept(house)
        raw = post(CHAT)
        wire = house.ask(raw[:-10])
        moved = Upstream("elsewhere", frontier.base_url)
        back = Route("r", Variant("elsewhere"), match=Match(model=("gpt-4o",)))
        house.publish(table("", version=2, upstreams=(moved,), default_upstream="elsewhere", routes=(back,)))
        send(wire, raw[-10:])
        await until(lambda: b"hello" in wire.out)
        row = house.rows()[-1].meta
        assert (row.upstream, row.variant, row.table_version) == ("elsewhere", "baseline", 2)
        assert not student.calls


@pytest.mark.parametrize("target", [b"/v1/chat/completions", b"/v1/files"])
async def test_an_upload_has_its_own_time(tmp_path: Path, target: bytes) -> None:
    """The deadline of the answer runs from the last byte of the body, however long that took to come."""
    async with RawUpstream(hello) as upstream, a_house(tmp_path, table(upstream.base_url)) as house:
        body = b"x" * (3 * BUFFERED_BYTES)
        raw = post(body, b"x-stainless-read-timeout: 10", target=target)
        wire = house.ask(raw[:-9])
        for at in range(9):
            await until(lambda: wire.reading)
            house.pass_time(14)
            send(wire, raw[len(raw) - 9 + at :][:1])
        await until(lambda: b"hello" in wire.out)
        assert upstream.calls[0].request.body == body


async def test_an_app_that_reads_slowly_is_no_silence_of_the_upstream(tmp_path: Path) -> None:
    """While the app's own connection is full nothing is expected of the upstream; after that its time begins anew."""
    steps: asyncio.Queue[bytes] = asyncio.Queue()

    async def stepwise(call: Call) -> None:
        await call.send(SSE_HEAD)
        while piece := await steps.get():
            await call.send(chunk(piece))

    async with RawUpstream(stepwise) as upstream, a_house(tmp_path, table(upstream.base_url)) as house:
        wire = house.ask(post(CHAT, b"x-stainless-read-timeout: 10"))
        steps.put_nowait(event("one"))
        await until(lambda: b"one" in wire.out)
        wire.protocol.pause_writing()
        house.pass_time(60)
        assert not wire.closing
        wire.protocol.resume_writing()
        house.pass_time(14)
        assert not wire.closing
        steps.put_nowait(event("two"))
        await until(lambda: b"two" in wire.out)
        house.pass_time(16)
        assert wire.closing


async def test_a_mistake_of_ours_in_the_tick_costs_one_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is counted, logged with time and place, and ends the exchange it was in; the others time out as ever."""
    async with RawUpstream(never) as upstream, a_house(tmp_path, table(upstream.base_url)) as house:
        wires = [house.ask(post(CHAT, b"x-stainless-read-timeout: 30")) for _ in range(3)]
        await until(lambda: len(upstream.calls) == 3)
        real, calls = Life.time_out, list[Life]()

        def odd(self: Life) -> None:
            calls.append(self)
            if len(calls) == 1:
                raise KeyError("openai")
            real(self)

        monkeypatch.setattr(Life, "time_out", odd)
        house.pass_time(37)
        assert sorted(wire.out[:12] for wire in wires) == [b"", b"HTTP/1.1 504", b"HTTP/1.1 504"]
        assert all(wire.closing or wire.out for wire in wires)
        live = house.worker.live
        assert [live[INDEX[name]] for name in ("hook_errors", "in_flight")] == [1, 0]
        (line,) = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
        assert (line["operation"], line["kind"], line["at"][:10]) == ("deadline", "KeyError", "1970-01-12")
        assert line["place"].startswith("test_life.py:")


async def test_an_unfit_probe_does_not_keep_the_breaker_open(tmp_path: Path) -> None:
    """A request that turns out to be none for the candidate leaves the half-open breaker to the next."""

    async def broken(call: Call) -> None:
        await call.send(answer(b"{}", status=b"500 Oops"))

    async with RawUpstream(hello) as frontier, RawUpstream(broken) as student:
        route = Route(
            "r", Variant("openai"), match=Match(model=("gpt-4o",)), candidate=Variant("vllm"), weight_ppm=PPM - 1,
            breaker=Breaker(consecutive=1, open_s=5.0),
        )  # fmt: skip
        upstreams = (Upstream("openai", frontier.base_url), Upstream("vllm", student.base_url, "vllm"))
        async with a_house(tmp_path, table("", upstreams=upstreams, routes=(route,))) as house:
            unfit = CHAT.replace(b"[{", b'[{"role":"assistant","tool_calls":[{"function":{"arguments":"{"}}]},{')
            for body in (b'{"model":"other"}', CHAT, CHAT):
                wire = house.ask(post(body))
                await until(lambda wire=wire: b"hello" in wire.out)
            house.pass_time(6)
            for body in (unfit, CHAT):
                wire = house.ask(post(body))
                await until(lambda wire=wire: b"hello" in wire.out)
            told = [(row.meta.why, row.meta.reason) for row in house.rows()]
            assert told == [
                ("unrouted", ""),
                ("fallback", "server_error"),
                ("breaker", ""),
                ("ineligible", "invalid_tool_arguments"),
                ("fallback", "server_error"),
            ]


async def test_a_revoked_key_is_refused_within_a_look(tmp_path: Path) -> None:
    """In virtual mode a key works until the table says it is revoked, also on a connection that knows it."""
    digest = hmac.digest(PEPPER, b"sk-CANARY", "sha256").hex()
    async with RawUpstream(hello) as upstream:
        good = table(upstream.base_url, keys_mode="virtual", keys=(Key("k", "team", digest),))
        async with a_house(tmp_path, good) as house:
            wire = house.ask(post(CHAT))
            await until(lambda: b"hello" in wire.out)
            assert upstream.calls[0].request.all(b"authorization") == []
            revoked = (Key("k", "team", digest, revoked=True),)
            house.publish(table(upstream.base_url, version=2, keys_mode="virtual", keys=revoked))
            send(wire, post(CHAT))
            assert b"401 Error" in wire.out
            assert b"invalid_key" in wire.out
            assert house.ask(post(CHAT).replace(b"sk-CANARY", b"sk-junk")).out.startswith(b"HTTP/1.1 401 ")
            assert len(upstream.calls) == 1
            assert [row.meta.key_name for row in house.rows()] == ["team", "", ""]


async def test_a_mistake_of_ours_in_deciding_costs_no_answer(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A route that breaks the decision is counted and logged; the request goes to the baseline all the same."""
    route = Route("broken", Variant("openai"), Match(model=("gpt-4o",)))
    async with RawUpstream(hello) as upstream, a_house(tmp_path, table(upstream.base_url, routes=(route,))) as house:
        msgspec.structs.force_setattr(house.worker.serving.table.routes[0], "match", None)
        wire = house.ask(post(CHAT))
        await until(lambda: wire.out.endswith(b'{"hello":1}'))
        assert house.worker.live[INDEX["hook_errors"]] == 1
        assert '"kind": "AttributeError"' in capfd.readouterr().err


async def test_the_answers_deadline_begins_when_there_is_something_to_answer(tmp_path: Path) -> None:
    """An upload that takes longer than its app waits for an answer is not cut: the wait begins with its last byte."""
    async with RawUpstream(never) as upstream, a_house(tmp_path, table(upstream.base_url)) as house:
        request = post(CHAT * 50, b"x-stainless-read-timeout: 10")
        wire = house.app()
        send(wire, request[:-200])
        for number in range(10):
            house.pass_time(9)
            send(wire, request[-200 + 10 * number :][:10])
        assert not wire.gone
        send(wire, request[-100:])
        await until(lambda: upstream.calls)
        house.pass_time(9)
        assert not wire.out
        house.pass_time(8)
        assert wire.out.startswith(b"HTTP/1.1 504 ")


async def test_an_app_that_reads_slowly_is_not_a_silent_upstream(tmp_path: Path) -> None:
    """While the app has not caught up, it is the one that is waited for."""

    async def flood(call: Call) -> None:
        await call.send(SSE_HEAD)
        while not call.gone.is_set():
            await call.send(chunk(b"x" * 60_000))

    async with RawUpstream(flood) as upstream, a_house(tmp_path, table(upstream.base_url)) as house:
        wire = house.app()
        wire.reads = False
        send(wire, post(CHAT, b"x-stainless-read-timeout: 10"))
        await until(lambda: wire.get_write_buffer_size() > 64 * 1024)
        house.pass_time(60)
        assert not wire.gone
        wire.catch_up()
        assert not wire.gone


async def test_a_table_that_is_replaced_during_a_body_is_the_one_that_decides(tmp_path: Path) -> None:
    """A request whose body is whole after a swap is decided, sent and told by the new table alone."""
    route = Route("r", Variant("fresh"), match=Match(model=("gpt-4o",)))
    async with (
        RawUpstream(never) as old,
        RawUpstream(lambda call: call.send(answer(b"fresh"))) as fresh,
        a_house(tmp_path, table(old.base_url, routes=(Route("r", Variant("openai")),))) as house,
    ):
        request = post(b'{"model":"gpt-4o","messages":[]}')
        wire = house.app()
        send(wire, request[:-5])
        upstreams = (Upstream("openai", old.base_url), Upstream("fresh", fresh.base_url))
        house.publish(table(old.base_url, version=2, upstreams=upstreams, routes=(route,)))
        send(wire, request[-5:])
        await until(lambda: wire.out.endswith(b"fresh"))
        assert not old.calls
        (row,) = house.rows()
        assert (row.meta.table_version, row.meta.upstream) == (2, "fresh")


async def test_what_nobody_foresaw_in_a_tick_keeps_nothing_else_from_being_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One exchange's trouble in timing out is counted and told; the next one's deadline and the table are kept."""
    async with RawUpstream(never) as upstream, a_house(tmp_path, table(upstream.base_url)) as house:
        ill, well = house.app(), house.app()
        for wire in (ill, well):
            send(wire, post(CHAT, b"x-stainless-read-timeout: 10"))
        await until(lambda: len(upstream.calls) == 2)
        plain = Life.time_out

        def time_out(life: Life) -> None:
            if life.connection is ill.protocol:
                raise RuntimeError("nobody foresaw this")
            plain(life)

        monkeypatch.setattr(Life, "time_out", time_out)
        house.publish(table(upstream.base_url, version=2))
        house.pass_time(20)
        assert well.out.startswith(b"HTTP/1.1 504 ")
        assert house.worker.serving.table.version == 2
        assert house.worker.live[INDEX["hook_errors"]] > 0
        assert '"worker.own_error"' in capsys.readouterr().err


async def switch(call: Call) -> None:
    await call.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    await call.gone.wait()


UPGRADE = (
    b"GET /v1/realtime HTTP/1.1\r\nHost: g\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Authorization: Bearer %b\r\n\r\n"
)


async def test_a_tunnel_ends_with_its_key(tmp_path: Path) -> None:
    """A key that is revoked, or gone, ends the tunnels it opened; those of other keys go on."""

    def key(secret: bytes, *, revoked: bool = False) -> Key:
        return Key(secret.decode(), secret.decode(), hmac.digest(PEPPER, secret, "sha256").hex(), revoked=revoked)

    async with RawUpstream(switch) as upstream:
        keys = (key(b"one"), key(b"two"), key(b"three"))
        first = table(upstream.base_url, keys_mode="virtual", keys=keys)
        async with a_house(tmp_path, first) as house:
            one, two, three = (house.ask(UPGRADE % secret) for secret in (b"one", b"two", b"three"))
            await until(lambda: all(b" 101 " in wire.out for wire in (one, two, three)))
            keys = (key(b"one", revoked=True), key(b"three"))
            house.publish(table(upstream.base_url, version=2, keys_mode="virtual", keys=keys))
            assert (one.gone, two.gone, three.gone) == (True, True, False)
            assert [row.meta.outcome for row in house.rows()] == ["tunnel", "tunnel"]


async def test_a_tunnel_in_which_nobody_speaks_ends(tmp_path: Path) -> None:
    """What the app sends keeps it open as well as what the upstream does; silence of both for so long ends it."""
    async with RawUpstream(switch) as upstream, a_house(tmp_path, table(upstream.base_url)) as house:
        wire = house.ask(UPGRADE % b"sk")
        await until(lambda: b" 101 " in wire.out)
        for _ in range(3):
            house.pass_time(500)
            send(wire, b"ping")
        assert not wire.gone
        house.pass_time(700)
        assert wire.gone
        assert [row.meta.outcome for row in house.rows()] == ["tunnel"]
