"""Who started us: a person's terminal, which may be closed, or a service manager, which is told how it goes.

Source: sd_notify(3), "Standalone Implementations": one datagram for each change.
"""

import contextlib
import os
import socket
from collections.abc import Mapping
from typing import Final

from gateway import clock

ADDRESS: Final = "NOTIFY_SOCKET"
"""The variable with the socket's path; one that begins with `@` has no place in the file system."""
READY: Final = "READY=1"
STOPPING: Final = "STOPPING=1"


def reloading() -> str:
    """That the settings are read again; `READY` ends it."""
    return f"RELOADING=1\nMONOTONIC_USEC={int(clock.monotonic() * 1e6)}"


def notify(environment: Mapping[str, str], state: str) -> None:
    """Say it to whoever asks to be told; nobody who does not take it at once holds us up."""
    address = environment.get(ADDRESS, "")
    if not address:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.settimeout(0)
        sock.sendto(state.encode(), f"\0{address[1:]}" if address.startswith("@") else address)


def has_terminal() -> bool:
    """Whether a terminal could send us signals."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
