"""A real `crossfade serve` that a service manager started: what it hears, on a real datagram socket."""

import signal
import socket
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.rooms.serving import Serving
from tests.rooms.waiting import PATIENCE_S

pytestmark = pytest.mark.slow


@dataclass(slots=True)
class Service(Serving):
    """A gateway as `Type=notify` starts it."""

    notify_socket: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """What it is started with."""
        return Serving.environment.fget(self) | {"NOTIFY_SOCKET": self.notify_socket}  # pyright: ignore[reportOptionalCall]


def test_a_service_manager_hears_when_it_serves_reloads_and_stops(tmp_path: Path) -> None:
    """Ready once it listens, reloading and ready again at SIGHUP, stopping at SIGTERM; nobody else says anything."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.settimeout(PATIENCE_S)
        with Service(tmp_path, notify_socket=str(tmp_path / "notify")) as service:
            assert ear.recv(4096) == b"READY=1"
            assert service.events("listening")
            service.await_ready()
            service.process.send_signal(signal.SIGHUP)
            assert ear.recv(4096).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert ear.recv(4096) == b"READY=1"
            assert service.events("reload.done")
            service.process.send_signal(signal.SIGTERM)
            assert ear.recv(4096) == b"STOPPING=1"
            assert service.process.wait(PATIENCE_S) == 0
        ear.settimeout(0)
        with pytest.raises(BlockingIOError):
            ear.recv(4096)
