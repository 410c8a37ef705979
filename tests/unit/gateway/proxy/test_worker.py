"""What all requests of a worker share: its table, its counters, its clock's looks, its end."""

import asyncio
from pathlib import Path

import pytest

from gateway.proxy.boot import Boot
from gateway.proxy.counters import INDEX
from gateway.proxy.worker import NoTableError, Worker, WorkerClock
from gateway.transport.limits import Limits
from tests.fakes.raw_upstream import Call, RawUpstream, answer
from tests.rooms.gateway_process import JOURNAL_KEY, PEPPER
from tests.rooms.house import House, a_house, post, table
from tests.rooms.waiting import until

CHAT = b'{"model":"gpt-4o","messages":[]}'


async def hello(call: Call) -> None:
    await call.send(answer(b"hello"))


async def never(call: Call) -> None:
    await asyncio.Event().wait()


def count(house: House, *names: str) -> list[int]:
    return [house.worker.live[INDEX[name]] for name in names]


async def test_without_a_table_nothing_is_served(tmp_path: Path) -> None:
    """A worker that has no routing table does not start, and says what would make one."""
    boot = Boot(
        worker="w", listen_fds=[], routing=str(tmp_path / "routing.json"), kill=str(tmp_path / "KILL"),
        journal=str(tmp_path / "journal"), journal_key=JOURNAL_KEY.hex(), pepper=PEPPER.hex(),
        live=str(tmp_path / "live"), limits=Limits(),
    )  # fmt: skip
    clock = WorkerClock(lambda: 0.0, lambda: 0.0, lambda end: end())
    async with asyncio.TaskGroup() as tasks:
        with pytest.raises(NoTableError):
            Worker(boot, clock, tasks=tasks, environment={})


async def test_a_new_table_is_served_at_the_next_look(tmp_path: Path) -> None:
    """Requests go by the newest table, and its version is told; one of a file that is broken changes nothing."""
    async with RawUpstream(hello) as one, RawUpstream(hello) as two, a_house(tmp_path, table(one.base_url)) as house:
        house.publish(table(two.base_url, version=2))
        (tmp_path / "routing.json").write_bytes(b"{")
        house.pass_time(1)
        wire = house.ask(post(CHAT))
        await until(lambda: b"hello" in wire.out)
        assert (len(one.calls), len(two.calls), count(house, "table_version")) == (0, 1, [2])


async def test_requests_are_counted_by_how_they_ended(tmp_path: Path) -> None:
    """Each is in flight until it is over, and then in the class of its status."""
    async with RawUpstream(hello) as upstream, a_house(tmp_path, table(upstream.base_url)) as house:
        wire = house.ask(post(CHAT))
        assert count(house, "requests", "in_flight", "responses_2xx") == [1, 1, 0]
        await until(lambda: b"hello" in wire.out)
        assert count(house, "requests", "in_flight", "responses_2xx", "responses_5xx") == [1, 0, 1, 0]


async def test_beyond_the_bound_requests_are_shed(tmp_path: Path) -> None:
    """More in flight than the limit get 503 at once, are counted, and leave the others their places."""
    limits = Limits(in_flight=1)
    async with RawUpstream(never) as upstream, a_house(tmp_path, table(upstream.base_url), limits) as house:
        held, refused = house.ask(post(CHAT)), house.ask(post(CHAT))
        assert refused.out.startswith(b"HTTP/1.1 503 ")
        assert (held.out, count(house, "shed", "in_flight")) == (b"", [1, 1])


async def test_a_body_is_not_asked_for_that_nobody_wants(tmp_path: Path) -> None:
    """Whoever waits for leave to send its body, and is refused, is told so instead, and that its connection ends."""
    limits = Limits(in_flight=1)
    async with RawUpstream(never) as upstream, a_house(tmp_path, table(upstream.base_url), limits) as house:
        house.ask(post(CHAT))
        head, _, _ = post(CHAT, b"Expect: 100-continue").partition(CHAT)
        refused = house.ask(head)
        assert refused.out.startswith(b"HTTP/1.1 503 ")
        assert b"connection: close" in refused.out
        assert b"100 Continue" not in refused.out


async def test_the_kill_file_is_seen_whoever_makes_it(tmp_path: Path) -> None:
    """A file that a person makes stops every candidate at the next look, and its removal ends that."""
    async with a_house(tmp_path, table("http://127.0.0.1:9/v1")) as house:
        (tmp_path / "KILL").touch()
        house.pass_time(2)
        assert (house.worker.killed(), count(house, "killed")) == (True, [1])
        (tmp_path / "KILL").unlink()
        house.pass_time(2)
        assert (house.worker.killed(), count(house, "killed")) == (False, [0])


async def test_a_closed_worker_leaves_a_whole_journal(tmp_path: Path) -> None:
    """What was under way when it ended is broken off and has its row."""
    async with RawUpstream(never) as upstream:
        async with a_house(tmp_path, table(upstream.base_url)) as house:
            house.ask(post(CHAT))
            await until(lambda: upstream.calls)
        (row,) = house.rows()
        assert (row.meta.outcome, house.journal().damaged) == ("upstream_broken", 0)
