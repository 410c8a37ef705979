"""A data port that speaks TLS: who has not shaken hands is a connection, too."""

import socket
import ssl
from pathlib import Path

import httpx

from gateway.transport.limits import Limits
from tests.fakes.thread import in_thread
from tests.fakes.upstream import FakeUpstream
from tests.rooms.certificates import Authority
from tests.rooms.gateway_process import Gateway, table_for
from tests.rooms.waiting import await_true

CONNECTIONS = 6
MANY = 30
"""Connections in a row: of a door that reads before the handshake does, one in six was lost."""
LIMITS = Limits(connections=CONNECTIONS, header_s=5.0)


def test_silent_handshakes_count_and_end(tmp_path: Path) -> None:
    """Above the limit a peer that says nothing is let go at once; those below it are in time, and apps are served."""
    authority = Authority(tmp_path)
    authority.server("127.0.0.1")
    pem = str(tmp_path / "127.0.0.1-False.pem")
    options = {"tls_cert": pem, "tls_key": pem, "limits": LIMITS}
    upstream = FakeUpstream(require_key=False)
    with in_thread(upstream):
        table = table_for(upstream.base_url)
        with Gateway(tmp_path / "gateway", table, options=options) as gateway:
            url = f"https://127.0.0.1:{gateway.port}/v1/models"
            trusting = authority.trusting()
            assert all(_is_answered(url, trusting) for _ in range(MANY)), "a first message was lost"
            silent = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(CONNECTIONS + 3)]
            await_true(lambda: all(_is_closed(peer) for peer in silent[CONNECTIONS:]), "too many are let go")
            assert not any(_is_closed(peer) for peer in silent[:CONNECTIONS])
            await_true(lambda: all(_is_closed(peer) for peer in silent), "the others are too slow")
            await_true(lambda: _is_answered(url, trusting), "apps are served again")
            for peer in silent:
                peer.close()
            assert gateway.worker.live()["hook_errors"] == 0


def _is_closed(peer: socket.socket) -> bool:
    """Whether the other end has closed."""
    peer.settimeout(0.01)
    try:
        return peer.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


def _is_answered(url: str, trusting: ssl.SSLContext) -> bool:
    try:
        return httpx.get(url, verify=trusting, timeout=20.0).status_code == 200
    except httpx.ConnectError:
        return False
