"""The life of a request where time matters: deadlines, what is in the journal when, what a hang-up leaves."""

import asyncio
import hmac
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from gateway.proxy.counters import INDEX
from gateway.proxy.life import BUFFERED_BYTES, GRACE_S
from gateway.transport.limits import Limits
from policies.routing import PPM, Breaker, Capture, Key, Match, Route, Upstream, Variant
from tests.fakes.raw_upstream import DONE, LAST_CHUNK, SSE_HEAD, Call, RawUpstream, answer, chunk, event
from tests.rooms.gateway_process import PEPPER
from tests.rooms.house import a_house, post, send, table
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


async def test_a_candidate_that_is_left_alone_is_in_the_row(tmp_path: Path) -> None:
    """A hang-up or a deadline while the candidate is asked is told of the candidate, not of the baseline."""
    async with RawUpstream(hello) as frontier, RawUpstream(never) as student:
        route = Route(
            "r", Variant("openai"), match=Match(model=("gpt-4o",)), candidate=Variant("vllm"), weight_ppm=PPM - 1
        )
        upstreams = (Upstream("openai", frontier.base_url), Upstream("vllm", student.base_url, "vllm"))
        async with a_house(tmp_path, table("", upstreams=upstreams, routes=(route,))) as house:
            wire = house.ask(post(b'{"model":"other"}'))
            await until(lambda: b"hello" in wire.out)
            gone = house.ask(post(CHAT))
            await until(lambda: len(student.calls) == 1)
            gone.lose()
            late = house.ask(post(CHAT))
            await until(lambda: len(student.calls) == 2)
            house.pass_time(700)
            assert late.out.startswith(b"HTTP/1.1 504 ")
            rows = house.rows()[1:]
            tries = [[(one.variant, one.upstream, one.error) for one in row.meta.attempts] for row in rows]
            told = list(zip([row.meta.outcome for row in rows], tries, strict=True))
            assert told == [
                ("app_gone", [("candidate", "vllm", "app_gone")]),
                ("upstream_error", [("candidate", "vllm", "timeout")]),
            ]
            assert len(frontier.calls) == 1


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
