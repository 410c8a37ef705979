"""What a service manager is told, heard on a real datagram socket."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import clock
from gateway.supervisor.starter import READY, STOPPING, has_terminal, notify, reloading


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(0)
        yield sock


def test_who_asks_is_told(ear: socket.socket) -> None:
    """One datagram for each change, in order."""
    for state in (READY, STOPPING):
        notify({"NOTIFY_SOCKET": ear.getsockname()}, state)
    assert [ear.recv(4096) for _ in range(2)] == [b"READY=1", b"STOPPING=1"]


def test_a_reload_has_its_moment() -> None:
    """A service manager is told since when, by the clock that never jumps, in microseconds."""
    before = clock.monotonic()
    name, _, since = reloading().partition("\n")
    assert name == "RELOADING=1"
    assert before <= int(since.removeprefix("MONOTONIC_USEC=")) / 1e6 + 1e-6 <= clock.monotonic() + 1e-6


def test_a_socket_without_a_file_is_reached() -> None:
    """An address that begins with @ is one of the kernel's own names."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("")  # the kernel chooses a name
        sock.settimeout(0)
        notify({"NOTIFY_SOCKET": "@" + sock.getsockname()[1:].decode()}, READY)
        assert sock.recv(4096) == b"READY=1"


def test_nobody_who_does_not_listen_is_waited_for(tmp_path: Path, ear: socket.socket) -> None:
    """No variable, no such socket, one that is full: nothing happens, at once."""
    notify({}, READY)
    notify({"NOTIFY_SOCKET": str(tmp_path / "gone")}, READY)
    ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    for _ in range(10_000):
        notify({"NOTIFY_SOCKET": ear.getsockname()}, READY)
    assert ear.recv(4096) == b"READY=1"


def test_a_session_of_its_own_has_no_terminal() -> None:
    """A process that left its session, as a service's has, can get no signal of a terminal."""
    ours, theirs = os.pipe()
    if os.fork() == 0:
        os.setsid()
        os.write(theirs, b"y" if has_terminal() else b"n")
        os._exit(0)
    os.wait()
    assert os.read(ours, 1) == b"n"
