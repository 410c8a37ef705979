"""Dialling: which of several addresses is connected to, and how long a dead one takes."""

import asyncio
import socket

import pytest

from gateway import clock
from gateway.transport.dial import STAGGER_S, first_connected, keep_alive
from gateway.transport.names import ResolvedAddress
from tests.rooms.peers import black_hole, listening, refusing
from tests.rooms.waiting import PATIENCE_S


async def test_a_dead_address_does_not_cost_the_good_one() -> None:
    """Behind one that refuses and one that is silent, a good one is connected to after a moment."""
    with black_hole() as silent, listening() as good:
        began_s = clock.monotonic()
        async with asyncio.timeout(PATIENCE_S):
            with await first_connected([refusing(), silent, good]) as found:
                assert found.getpeername() == good.where
        assert clock.monotonic() - began_s >= STAGGER_S


async def test_the_first_address_is_preferred() -> None:
    """Where all are good, the first is taken and no other is asked."""
    with listening() as first, socket.create_server(("127.0.0.1", 0)) as second:
        with await first_connected([first, ResolvedAddress(socket.AF_INET, second.getsockname())]) as found:
            assert found.getpeername() == first.where
        second.settimeout(0)
        with pytest.raises(BlockingIOError):
            second.accept()


@pytest.mark.parametrize("count", [1, 3])
async def test_where_nobody_is_the_last_one_tells_why(count: int) -> None:
    """No address answers: the error is an OSError, as of a single one."""
    with pytest.raises(ConnectionRefusedError):
        await first_connected([refusing() for _ in range(count)])


async def test_a_deadline_ends_the_trying() -> None:
    """Silent addresses are waited for as long as the caller likes, and nothing is left of them."""
    with black_hole() as one, black_hole() as two, pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await first_connected([one, two])


async def test_what_is_connected_is_kept_alive_by_the_kernel() -> None:
    """A peer that vanished without a word is found out."""
    with listening() as good, await first_connected([good]) as found:
        assert found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


def test_what_is_accepted_inherits_it() -> None:
    """A listening socket has the option for all that it accepts."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        keep_alive(server)
        with socket.create_connection(server.getsockname()), server.accept()[0] as accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
