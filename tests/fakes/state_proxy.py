"""A proxy before a server of the shared state, that passes bytes on late, answers nonsense, or hangs up."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.redis_server import RedisServer


@dataclass(slots=True)
class Proxy:
    """Stands before the server: passes bytes on late, answers nonsense, or hangs up."""

    target: Path
    delay_s: float = 0.0
    nonsense: bytes = b""
    cut: bool = False
    tls: ssl.SSLContext | None = None
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    _open: list[socket.socket] = field(default_factory=list[socket.socket])

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def serve(self) -> None:
        """Take connections until closed."""
        with contextlib.suppress(OSError):
            while True:
                app, _ = self.listener.accept()
                if self.tls is not None:
                    try:
                        app = self.tls.wrap_socket(app, server_side=True)
                    except OSError:  # it does not trust us
                        continue
                server = socket.socket(socket.AF_UNIX)
                try:
                    server.connect(str(self.target))
                except OSError:
                    app.close()
                    continue
                self._open += [app, server]
                threading.Thread(target=self._pass, args=(app, server), daemon=True).start()
                threading.Thread(target=self._pass, args=(server, app, True), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, back: bool = False) -> None:  # noqa: FBT001, FBT002 -- a thread's
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if back and self.cut:
                    data = data[: len(data) // 2]
                if back and self.nonsense:
                    data = self.nonsense
                if back and self.delay_s:
                    time.sleep(self.delay_s)
                sink.sendall(data)
                if back and self.cut:
                    break
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for each in (self.listener, *self._open):
            with contextlib.suppress(OSError):
                each.close()


@contextlib.contextmanager
def behind(server: RedisServer, *, tls: ssl.SSLContext | None = None) -> Iterator[Proxy]:
    """A proxy before the server."""
    proxy = Proxy(server.socket, tls=tls)
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
