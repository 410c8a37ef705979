"""The door of a port that speaks TLS: who has not shaken hands yet counts among the connections, and has a deadline.

A server that shakes hands by itself tells of a connection only afterwards: silent peers would be without number.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Protocol, cast

from gateway.transport.limits import Limits
from gateway.transport.server import AppConnection, Service


class TlsService(Service, Protocol):
    """A service that counts those before the door, too, and is told of mistakes."""

    limits: Limits
    handshakes: set[object]

    def met_own_error(self, operation: str, error: BaseException | None) -> None:
        """A mistake of ours was caught."""
        ...


class TlsDoor(asyncio.Protocol):
    """One peer that is to shake hands; once it has, the connection is an app's."""

    def __init__(
        self, service: TlsService, context: ssl.SSLContext, tasks: asyncio.TaskGroup,
        admitted: Callable[[Service], AppConnection] = AppConnection,
    ) -> None:  # fmt: skip
        self._service = service
        self._context = context
        self._tasks = tasks
        self._admitted = admitted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody connected."""
        told = cast("asyncio.Transport", transport)  # uvloop's are, without saying so
        if self._service.full():
            told.abort()  # nothing can be said before hands are shaken
            return
        told.pause_reading()  # what it says is for the handshake
        self._service.handshakes.add(self)
        self._tasks.create_task(self._shake(told))

    async def _shake(self, transport: asyncio.Transport) -> None:
        early = _Early()
        try:
            secured = await asyncio.get_running_loop().start_tls(
                transport, early, self._context, server_side=True, ssl_handshake_timeout=self._service.limits.header_s
            )
        except OSError:  # too slow, gone, or no TLS: its own business
            return
        finally:
            self._service.handshakes.discard(self)
        try:
            if secured is not None:
                self._admit(secured, early)
        except Exception as error:  # noqa: BLE001 -- the fence "tls": one connection's, and nobody else's
            self._service.met_own_error("tls", error)
            transport.abort()

    def _admit(self, secured: asyncio.Transport, early: "_Early") -> None:
        connection = self._admitted(self._service)
        secured.set_protocol(cast("asyncio.Protocol", connection))
        connection.connection_made(secured)
        for data in early.data:
            connection.data_received(data)
        if early.is_lost:
            connection.connection_lost(None)


class _Early(asyncio.Protocol):
    """Keeps what comes together with the end of the handshake: a request may."""

    def __init__(self) -> None:
        self.data: list[bytes] = []
        self.is_lost = False

    def data_received(self, data: bytes) -> None:
        """The app was fast."""
        self.data.append(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- the transport's signature
        """The app is gone already."""
        self.is_lost = True
