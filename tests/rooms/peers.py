"""Addresses where somebody listens, nobody does, or nobody answers."""

import contextlib
import socket
from collections.abc import Iterator

from gateway.transport.names import ResolvedAddress


@contextlib.contextmanager
def listening() -> Iterator[ResolvedAddress]:
    """An address where somebody is."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield ResolvedAddress(socket.AF_INET, server.getsockname())


@contextlib.contextmanager
def black_hole() -> Iterator[ResolvedAddress]:
    """An address that does not answer: its queue is full, and whoever knocks is not heard."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(3):
            knocking = stack.enter_context(socket.socket())
            knocking.settimeout(0)
            knocking.connect_ex(server.getsockname())
        yield ResolvedAddress(socket.AF_INET, server.getsockname())


def refusing() -> ResolvedAddress:
    """An address where nobody is."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return ResolvedAddress(socket.AF_INET, unused.getsockname())
