"""The door of a port that speaks TLS: who has not shaken hands yet counts among the connections, and has a deadline.

A server that shakes hands by itself tells of a connection only afterwards: silent peers would be without number. So the
door accepts by itself. What it accepts it hands on before anything is read: a first message that somebody else took
would be missing from the handshake.
"""

import asyncio
import contextlib
import socket
from typing import Any, Final, Protocol, cast

from gateway.transport.limits import Limits
from gateway.transport.server import AppConnection, Service
from gateway.transport.server_certificate import ServerCertificate

PAUSE_S: Final = 0.1
"""After a connection that could not be accepted: most often no descriptor is free."""


class TlsService(Service, Protocol):
    """A service that counts those before the door, too, and is told of mistakes."""

    limits: Limits
    handshakes: set[object]

    def met_own_error(self, operation: str, error: BaseException | None) -> None:
        """A mistake of ours was caught."""
        ...


class TlsDoor:
    """Accepts peers that are to shake hands; once one has, the connection is an app's."""

    def __init__(self, service: TlsService, certificate: ServerCertificate) -> None:
        self._service = service
        self._certificate = certificate
        self._shaking: set[asyncio.Task[None]] = set()

    async def accept(self, listening: socket.socket, backlog: int) -> None:
        """Listen and accept until cancelled; `listening` is closed then."""
        loop = asyncio.get_running_loop()
        listening.settimeout(0)
        listening.listen(backlog)
        with listening:
            while True:
                try:
                    peer, _ = await loop.sock_accept(listening)
                except OSError as error:
                    self._service.met_own_error("tls", error)
                    await asyncio.sleep(PAUSE_S)
                    continue
                if self._service.full():
                    peer.close()  # nothing can be said before hands are shaken
                    continue
                self._service.handshakes.add(peer)
                task = loop.create_task(self._shake(peer))
                self._shaking.add(task)
                task.add_done_callback(self._shaking.discard)

    async def close(self) -> None:
        """Let go who has not shaken hands by now."""
        waiting = list(self._shaking)
        for task in waiting:
            task.cancel()
        if waiting:
            await asyncio.wait(waiting)

    async def _shake(self, peer: socket.socket) -> None:
        try:
            with contextlib.suppress(OSError):  # too slow, gone, or no TLS: its own business
                await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: cast(Any, AppConnection(self._service)),
                    peer,
                    ssl=self._certificate.context,
                    ssl_handshake_timeout=self._service.limits.header_s,
                )
        except Exception as error:  # noqa: BLE001 -- the fence "tls": one connection's, and nobody else's
            self._service.met_own_error("tls", error)
            peer.close()
        finally:
            self._service.handshakes.discard(peer)
