"""Connects to the first of several addresses that answers: a dead one costs a moment, not the connection.

Source: RFC 8305 §5 (the next is tried when one has failed, or after a quarter of a second beside it).
"""

import asyncio
import socket
from collections.abc import Sequence
from typing import Final

from gateway.transport.names import ResolvedAddress

STAGGER_S: Final = 0.25
KEEP_ALIVE: Final = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
"""A peer that is gone without a word is noticed within two minutes; seconds, seconds, probes. Source: tcp(7)."""


def keep_alive(sock: socket.socket) -> None:
    """Have the kernel find out whether the peer is still there; what a listening socket accepts inherits it."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEP_ALIVE:
        option = getattr(socket, name, None)  # each system has some of them
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


async def first_connected(addresses: Sequence[ResolvedAddress]) -> socket.socket:
    """A socket that is connected to one of `addresses`, tried in their order.

    Raises:
        OSError: none answered; the last one's.
    """
    if len(addresses) == 1:
        return await _connected(addresses[0])
    waiting = list(reversed(addresses))
    won: list[socket.socket] = []
    error = OSError("there is no address")
    async with asyncio.TaskGroup() as racing:
        running: set[asyncio.Task[socket.socket | OSError]] = set()
        while not won and (waiting or running):
            if waiting:
                running.add(racing.create_task(_tried(waiting.pop())))
            stagger_s = STAGGER_S if waiting else None
            done, running = await asyncio.wait(running, timeout=stagger_s, return_when=asyncio.FIRST_COMPLETED)
            for found in (task.result() for task in done):
                if isinstance(found, OSError):
                    error = found
                else:
                    won.append(found)
        for task in running:
            task.add_done_callback(_close_late)
            task.cancel()
    for late in won[1:]:
        late.close()
    if not won:
        raise error
    return won[0]


def _close_late(task: asyncio.Task[socket.socket | OSError]) -> None:
    """Close what connected in the moment in which it was given up."""
    if not task.cancelled() and isinstance(found := task.result(), socket.socket):
        found.close()


async def _tried(address: ResolvedAddress) -> socket.socket | OSError:
    try:
        return await _connected(address)
    except OSError as error:
        return error


async def _connected(address: ResolvedAddress) -> socket.socket:
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        sock.settimeout(0)
        keep_alive(sock)
        await asyncio.get_running_loop().sock_connect(sock, address.where)
    except BaseException:  # a deadline or a cancel, too, must not leave it behind; it is raised again
        sock.close()
        raise
    return sock
