"""HTTP/1.1 towards upstreams: the only file that speaks to them.

`Client.send` starts a request and returns a `Sending`; what comes of it is told to a `Listener`. No coroutine stands
between an upstream's bytes and the app's: a read is parsed, handed over once, and forwarded in the same turn.

Rules:
1. A connection carries one request at a time and belongs to one pool key: no two callers' credentials share one.
2. A connection is used again only after a whole answer to a wholly sent request, with nothing left over.
3. No cookie jar, no redirects, no proxy from the environment, no retry: each would change what the app asked for.
4. `Sending.cancel` closes the connection at once, in every phase.
Source: RFC 9112.
"""

import asyncio
import contextlib
import errno
import ipaddress
import socket
import ssl
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.transport.connection import Connection
from gateway.transport.dial import first_connected
from gateway.transport.failure import Failure
from gateway.transport.names import ForbiddenAddressError, Lookup, NameResolver, ResolvedAddress, look_up
from gateway.transport.outgoing import Listener, PoolKey, Sending, Target
from gateway.transport.write_batch import WriteBatch, report

MAX_IDLE: Final = 1024
"""Connections that are kept unused, unless said otherwise."""
_NO_SOCKET: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
"""What the system says where it has no socket left, whomever it is for. Source: socket(2), connect(2)."""
LOOK_AFTER_S: Final = 0.1
"""A connection that was idle for so long is looked at before it is used: its end may have come in this very turn of the
loop, and a request that is written to it then is lost. One that is busy is not closed for being idle."""
LEFT_S: Final = 1.0
"""How long an answer that its asker has left may still take to end."""
SLOW_S: Final = 1.0
"""Whoever does not answer a new connection for so long may be gone, and its name elsewhere."""
UNHEARD_S: Final = 2.0
"""Whoever has said nothing for so long to somebody who then gave up may be gone. A slow answer looks the same: it costs
idle connections, no request."""
PROXY_HEAD_BYTES: Final = 64 * 1024
"""Longest answer of a forward proxy to CONNECT."""


@dataclass(slots=True)
class _Pool:
    """The connections of one key."""

    idle: list[Connection] = field(default_factory=list[Connection])
    """Newest last; the newest is used first, so that the oldest can go."""


class Client:
    """Sends requests over pooled connections. Owns them; `close` ends them all."""

    def __init__(
        self,
        *,
        now: Callable[[], float],
        tasks: asyncio.TaskGroup,
        turn: WriteBatch | None = None,
        max_idle: int = MAX_IDLE,
        most: int = sys.maxsize,
        lookup: Lookup = look_up,
    ) -> None:
        """`turn`: at whose end requests are sent; None: one of the client's own. `most`: of connections, to whomever;
        `lookup`: who knows names.
        """
        self.turn = turn or WriteBatch(asyncio.get_running_loop().call_soon)
        self._now = now
        self._tasks = tasks
        self._max_idle = max_idle
        self._most = most
        self._names = NameResolver(now=now, lookup=lookup)
        self._pools: dict[PoolKey, _Pool] = {}
        self._open: dict[Target, set[Connection]] = {}
        self._connecting: dict[Target, int] = {}
        self._idle = 0
        self._left: dict[Sending, float] = {}
        self.starved = 0
        """Requests for which the system had no socket left, or we have as many as we take; whoever tells of them sets
        it back."""
        self.full: dict[Target, int] = {}
        """Requests for which there were as many connections as may be, by whom they were for; likewise."""

    @property
    def connections(self) -> int:
        """Open connections, idle ones included."""
        return sum(map(len, self._open.values()))

    def send(
        self, target: Target, credential: bytes, method: bytes, head: bytes, listener: Listener, *, last: bool
    ) -> Sending:
        """Start a request: `head` is its head and as much of its body as there is; `last`: that is all of it.

        Connections are shared only between requests of the same `credential`.
        """
        key = (target, credential)
        sending = Sending(self, key, method, listener, ended=last)
        sending.began_s = self._now()
        connection = self._idle_connection(key)
        if connection is not None:
            connection.carry_on(sending, head)
            return sending
        sending.write(head)
        if not self._has_room(target):
            asyncio.get_running_loop().call_soon(_fail_later, sending, Failure.SATURATED)
        else:
            self._connecting[target] = self._connecting.get(target, 0) + 1
            self._tasks.create_task(self._connect(sending))
        return sending

    def _idle_connection(self, key: PoolKey) -> Connection | None:
        pool = self._pools.get(key)
        while pool is not None and pool.idle:
            connection = pool.idle.pop()
            self._idle -= 1
            if connection.is_closing():
                continue
            idle_s = self._now() - connection.idle_since_s
            if idle_s < connection.keep_idle_s and not (idle_s >= LOOK_AFTER_S and connection.has_news()):
                return connection
            self.closed(connection)  # nobody has come round to it yet; its server may be about to, or it has ended
            connection.drop()
        return None

    def _has_room(self, target: Target) -> bool:
        """Whether one more connection to `target` may be made; an idle one is closed for it where it takes that."""
        if len(self._open.get(target, ())) + self._connecting.get(target, 0) >= target.max_connections:
            has_room = self._make_room(target)
            if not has_room:
                self.full[target] = self.full.get(target, 0) + 1
            return has_room
        is_full = self.connections + sum(self._connecting.values()) >= self._most
        has_room = not is_full or self._make_room(None)
        self.starved += not has_room
        return has_room

    def _make_room(self, target: Target | None) -> bool:
        """Close the connection, to `target` or else to whomever, that has been idle for longest; False: none is."""
        oldest = [pool.idle[0] for (to, _), pool in self._pools.items() if pool.idle and (to is target or not target)]
        if not oldest:
            return False
        connection = min(oldest, key=lambda found: found.idle_since_s)
        self.closed(connection)
        connection.drop()
        return True

    async def _connect(self, sending: Sending) -> None:
        """Make a connection for `sending`, or tell its listener why there is none."""
        try:
            await self._carry(sending)
        except Exception as error:  # noqa: BLE001 -- the fence "connect": one request's trouble is no other's
            report(error)
            if not sending.cancelled:
                listener = sending.listener
                sending.cancel()
                asyncio.get_running_loop().call_soon(listener.on_failure, Failure.UNREACHABLE)

    async def _carry(self, sending: Sending) -> None:
        target = sending.key[0]
        try:
            if target.out:
                _fail_later(sending, Failure.NOT_READY)
                return
            async with asyncio.timeout(target.connect_s):
                connection = await self._open_connection(sending.key)
        except ssl.SSLError:
            _fail_later(sending, Failure.TLS)
        except ForbiddenAddressError:
            _fail_later(sending, Failure.FORBIDDEN_ADDRESS)
        except (OSError, ValueError) as error:  # TimeoutError is an OSError; a ValueError: a host that is no name
            is_ours = isinstance(error, OSError) and error.errno in _NO_SOCKET
            self.starved += is_ours
            _fail_later(sending, Failure.NO_SOCKET if is_ours else Failure.UNREACHABLE)
        else:
            if sending.cancelled:
                connection.drop()
            else:
                connection.carry(sending, reused=False)
        finally:
            self._connecting[target] -= 1

    async def _open_connection(self, key: PoolKey) -> Connection:
        """A new connection.

        Raises:
            OSError: none could be had; ssl.SSLError: none that can be trusted; ForbiddenAddressError: not to be had.
        """
        loop = asyncio.get_running_loop()
        target = key[0]

        def factory() -> Any:  # asyncio's types ask for a base, asyncio for the methods
            return Connection(self, key)

        if target.uds is not None:
            _, connection = await loop.create_unix_connection(factory, target.uds)
            return connection
        if target.proxy is not None:
            return await _through_proxy(target, factory, await self._dial(*target.proxy))
        name = target.host if target.tls is not None else None
        sock = await self._dial(target.host, target.port)
        try:
            _, connection = await loop.create_connection(factory, sock=sock, ssl=target.tls, server_hostname=name)
        except BaseException:  # a deadline or a cancel, too, must not leave it behind; it is raised again
            sock.close()
            raise
        return connection

    async def _dial(self, host: str, port: int) -> socket.socket:
        """A socket that is connected to `host`.

        Raises:
            OSError: it is not known, or not there. ForbiddenAddressError: it is where no upstream may be.
        """
        addresses = await self._names.addresses(host, port)
        try:
            return await self._dial_one_of(host, port, addresses)
        except OSError:
            anew = await self._names.addresses(host, port)
            if set(anew) == set(addresses):
                raise
        return await self._dial_one_of(host, port, anew)  # the name has moved; nothing was sent yet

    async def _dial_one_of(self, host: str, port: int, addresses: Sequence[ResolvedAddress]) -> socket.socket:
        """A socket that is connected to one of these. While none answers, others ask for the name anew.

        Raises:
            OSError: none answered.
        """
        slow = asyncio.get_running_loop().call_later(SLOW_S, self._names.doubt, host, port)
        try:
            sock = await first_connected(addresses)
        except (OSError, asyncio.CancelledError):  # cancelled: by the deadline
            self._names.doubt(host, port)
            raise
        finally:
            slow.cancel()
        if len(addresses) > 1:
            with contextlib.suppress(OSError):  # it is gone already
                self._names.answered(host, port, addresses, sock.getpeername()[:2])
        return sock

    def unheard(self, sending: Sending) -> None:
        """Nothing had come for a request that is given up now.

        Where its server is gone without a word, so are the other connections to it, and each would cost a request of
        its own: those that nothing has come on since are closed, and its name is asked anew.
        """
        if self._now() - sending.began_s < UNHEARD_S:
            return
        target = sending.key[0]
        for (to, _), pool in list(self._pools.items()):
            for connection in list(pool.idle) if to is target else ():
                if connection.idle_since_s < sending.began_s:
                    self.closed(connection)
                    connection.drop()
        if target.uds is None:
            self._names.doubt(*(target.proxy or (target.host, target.port)))

    def leave(self, sending: Sending) -> None:
        """Give a sending that was left a little time to end by itself."""
        self._left[sending] = self._now() + LEFT_S

    # Connections tell us ------------------------------------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        """A connection is there."""
        connection.opened_s = self._now()
        self._open.setdefault(connection.key[0], set()).add(connection)

    def closed(self, connection: Connection) -> None:
        """A connection is gone."""
        self._open.get(connection.key[0], set()).discard(connection)
        pool = self._pools.get(connection.key)
        if pool is not None and connection in pool.idle:
            pool.idle.remove(connection)
            self._idle -= 1
            if not pool.idle:
                del self._pools[connection.key]

    def release(self, connection: Connection) -> None:
        """A connection is free again."""
        now = self._now()
        if self._idle >= self._max_idle or now - connection.opened_s >= connection.key[0].age_s:
            connection.drop()
            return
        connection.idle_since_s = now
        pool = self._pools.get(connection.key)
        if pool is None:
            pool = self._pools[connection.key] = _Pool()
        pool.idle.append(connection)
        self._idle += 1

    # Housekeeping -------------------------------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        """Close what has been idle, or left, for too long. To be called every second or so."""
        for sending in [sending for sending, until_s in self._left.items() if now >= until_s or sending.cancelled]:
            del self._left[sending]
            sending.cancel()
        stale = [
            connection
            for pool in self._pools.values()
            for connection in pool.idle
            if now - connection.idle_since_s >= connection.keep_idle_s
        ]
        for connection in stale:
            self.closed(connection)
            connection.drop()
        for key in [key for key, pool in self._pools.items() if not pool.idle]:
            del self._pools[key]
        for target in [target for target, connections in self._open.items() if not connections]:
            del self._open[target]
            if not self._connecting.get(target):
                self._connecting.pop(target, None)

    def close(self) -> None:
        """End all connections."""
        for connections in list(self._open.values()):
            for connection in list(connections):
                connection.drop()


def _fail_later(sending: Sending, failure: Failure) -> None:
    if not sending.cancelled:
        sending.detach().on_failure(failure)


async def _through_proxy(target: Target, factory: Callable[[], Any], sock: socket.socket) -> Connection:
    """A connection through the forward proxy to which `sock` is connected (RFC 9110 §9.3.6).

    Raises:
        OSError: the proxy is not there or does not let us through.
    """
    loop = asyncio.get_running_loop()
    transport, asking = await loop.create_connection(lambda: _AskingProxy(loop.create_future()), sock=sock)
    try:
        host = f"[{target.host}]" if _is_ipv6(target.host) else target.host
        transport.write(f"CONNECT {host}:{target.port} HTTP/1.1\r\nHost: {host}:{target.port}\r\n\r\n".encode())
        await asking.connected
        connection = factory()
        transport.set_protocol(connection)
        secured: asyncio.BaseTransport | None = transport
        if target.tls is not None:
            secured = await loop.start_tls(transport, connection, target.tls, server_hostname=target.host)
    except BaseException:  # a deadline or a cancel, too, must not leave the connection behind; it is raised again
        transport.abort()
        raise
    if secured is None:
        raise ConnectionError("the connection ended during the TLS handshake")
    connection.connection_made(secured)
    return connection


class _AskingProxy(asyncio.Protocol):
    """Reads a forward proxy's answer to CONNECT."""

    def __init__(self, connected: asyncio.Future[None]) -> None:
        self.connected = connected
        self._head = b""

    def data_received(self, data: bytes) -> None:
        """The proxy answers; nothing may follow its head before we have spoken."""
        self._head += data
        if self.connected.done() or (b"\r\n\r\n" not in self._head and len(self._head) < PROXY_HEAD_BYTES):
            return
        if self._head.split(b" ", 2)[1:2] == [b"200"] and self._head.endswith(b"\r\n\r\n"):
            self.connected.set_result(None)
        else:
            self.connected.set_exception(ConnectionError("the proxy refused CONNECT"))

    def connection_lost(self, exc: Exception | None) -> None:
        """The proxy hung up."""
        if not self.connected.done():
            self.connected.set_exception(ConnectionError("the proxy did not answer CONNECT") if exc is None else exc)


def _is_ipv6(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).version == 6
    return False
