"""An upstream whose TLS a script can break at any byte: records are made here, and sent whole, in part or not at all.

with TlsUpstream(authority.server("127.0.0.1"), script) as upstream:      # a script answers one request of a `TlsPeer`
    ...ask upstream.base_url...
"""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeVar

_READ = 65536
_END_S = 60.0
"""How long a thread's end is waited for."""
_T = TypeVar("_T")


@dataclass(slots=True)
class TlsPeer:
    """One connection, at the upstream's end."""

    sock: socket.socket
    context: ssl.SSLContext
    number: int
    """Of the connection, from 0."""
    requests: int = 0
    """How many it has carried, this one included."""
    _incoming: ssl.MemoryBIO = field(default_factory=ssl.MemoryBIO)
    _outgoing: ssl.MemoryBIO = field(default_factory=ssl.MemoryBIO)
    _tls: ssl.SSLObject = field(init=False)

    def __post_init__(self) -> None:
        self._tls = self.context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def shake(self) -> None:
        """Shake hands."""
        self._until_done(self._tls.do_handshake)

    def read(self) -> bytes:
        """What the gateway says next; empty: it has gone.

        Raises:
            OSError: it has gone without a word.
        """
        return self._until_done(lambda: self._tls.read(_READ))

    def read_request(self) -> bytes:
        """A whole request; empty: there is none."""
        got = b""
        while b"\r\n\r\n" not in got or len(got) < _whole(got):
            piece = self.read()
            if not piece:
                return b""
            got += piece
        self.requests += 1
        return got

    def sealed(self, data: bytes) -> bytes:
        """The records that carry `data`; nothing is sent."""
        self._tls.write(data)
        return self._outgoing.read()

    def send(self, data: bytes) -> None:
        """Send it, as one does."""
        self.sock.sendall(self.sealed(data))

    def notify(self) -> None:
        """Say that nothing more will come (`close_notify`)."""
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        self.sock.sendall(self._outgoing.read())

    def alert(self) -> None:
        """Send a fatal alert, as a server does that could not read what it got."""
        self._incoming.write(b"\x17\x03\x03\x00\x20" + bytes(32))
        with contextlib.suppress(ssl.SSLError):
            self._tls.read(1)
        self.sock.sendall(self._outgoing.read())

    def reset(self) -> None:
        """Go without a word of either layer."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def _until_done(self, act: Callable[[], _T]) -> _T:
        while True:
            try:
                found = act()
            except ssl.SSLWantReadError:
                self._flush()
                data = self.sock.recv(_READ)
                if not data:
                    raise ConnectionError("gone") from None
                self._incoming.write(data)
            else:
                self._flush()
                return found

    def _flush(self) -> None:
        if out := self._outgoing.read():
            self.sock.sendall(out)


def _whole(got: bytes) -> int:
    head, _, _ = got.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return len(head) + 4 + int(value)
    return len(head) + 4


TlsScript = Callable[[TlsPeer], None]


@dataclass(slots=True)
class TlsUpstream:
    """Listens while entered, on 127.0.0.1; each connection has a thread, and each of its requests runs `script`."""

    context: ssl.SSLContext
    script: TlsScript
    connections: int = 0
    gone: int = 0
    """Connections that have ended."""
    requests: int = 0
    _socket: socket.socket = field(init=False)
    _peers: list[socket.socket] = field(default_factory=list[socket.socket])
    _threads: list[threading.Thread] = field(default_factory=list[threading.Thread])

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._begin(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sock in (self._socket, *self._peers):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(_END_S)

    @property
    def base_url(self) -> str:
        """Where it is."""
        return f"https://127.0.0.1:{self._socket.getsockname()[1]}/v1"

    def _begin(self, act: Callable[..., None], *told: object) -> None:
        thread = threading.Thread(target=act, args=told, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._socket.accept()
                self._peers.append(sock)
                self.connections += 1
                self._begin(self._serve, TlsPeer(sock, self.context, self.connections - 1))

    def _serve(self, peer: TlsPeer) -> None:
        """Run the script for each request, until one of both goes."""
        with peer.sock, contextlib.suppress(OSError):  # an SSLError is one
            peer.shake()
            while peer.sock.fileno() >= 0 and peer.read_request():
                self.requests += 1
                self.script(peer)
        self.gone += 1
