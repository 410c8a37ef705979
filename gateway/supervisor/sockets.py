"""The listening sockets."""

import errno
import socket

from gateway.config.quantities import Address
from gateway.transport.dial import keep_alive

BACKLOG = 4096


class BindError(Exception):
    """An address cannot be listened on; the message says why and what to do."""


def listen(address: Address) -> socket.socket:
    """A listening socket.

    Raises:
        BindError: taken, not ours to take, or no address of this machine.
    """
    try:
        family, *_, where = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
        sock = socket.create_server(where[:2], family=family, backlog=BACKLOG, dualstack_ipv6=address.host == "::")
        keep_alive(sock)  # every connection that it accepts inherits it
    except OSError as error:
        raise BindError(f"{address}: {_why(error)}") from error
    return sock


def bound(sock: socket.socket) -> Address:
    """Where a socket really listens (a port 0 has become one)."""
    host, port, *_ = sock.getsockname()
    return Address(host, port)


def _why(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "in use. hint: stop what listens there, or choose another port under `server` in the settings"
        case errno.EACCES:
            return "this user may not listen there. hint: choose a port above 1023"
        case errno.EADDRNOTAVAIL:
            return "no address of this machine. hint: 127.0.0.1 is this machine alone, 0.0.0.0 every address of it"
        case _:
            return error.strerror or str(error)
