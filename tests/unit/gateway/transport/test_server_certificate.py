"""A port's certificate is what stands in its files, and never a pair that does not fit."""

import asyncio
import os
import ssl
from pathlib import Path

import pytest

from gateway.transport.server_certificate import ServerCertificate
from tests.rooms.certificates import Authority
from tests.rooms.waiting import PATIENCE_S


def issued(directory: Path) -> tuple[Path, bytes, bytes]:
    """An authority's file, and a certificate and its key of it."""
    directory.mkdir()
    authority = Authority(directory)
    authority.server("127.0.0.1")
    both = (directory / "127.0.0.1-False.pem").read_bytes()
    at = both.index(b"-----BEGIN PRIVATE")
    return authority.ca_file, both[:at], both[at:]


async def is_trusted(shown: ServerCertificate, ca_file: Path) -> bool:
    """Whether a client that trusts this authority alone can shake hands."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=shown.context)
    async with server, asyncio.timeout(PATIENCE_S):
        where = server.sockets[0].getsockname()
        try:
            _, writer = await asyncio.open_connection(*where, ssl=ssl.create_default_context(cafile=str(ca_file)))
        except ssl.SSLError:
            return False
        writer.close()
        return True


async def test_a_renewed_certificate_is_shown_without_a_word(tmp_path: Path) -> None:
    """Half of a new pair changes nothing and is told; the other half makes it the one that is shown."""
    old_ca, old_cert, old_key = issued(tmp_path / "old")
    new_ca, new_cert, new_key = issued(tmp_path / "new")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_bytes(old_cert)
    key.write_bytes(old_key)
    shown = ServerCertificate(cert, key)
    assert not shown.renew()
    assert await is_trusted(shown, old_ca)

    replaced(cert, new_cert)
    assert not shown.renew()
    assert str(cert) in shown.problem
    assert (shown.news(), shown.news()) == (shown.problem, "")
    assert await is_trusted(shown, old_ca)

    replaced(key, new_key)
    assert shown.renew()
    assert (shown.problem, shown.renew()) == ("", False)
    assert await is_trusted(shown, new_ca)
    assert not await is_trusted(shown, old_ca)


def replaced(path: Path, content: bytes) -> None:
    """As renewers do it: another file in its place."""
    fresh = path.with_suffix(".fresh")
    fresh.write_bytes(content)
    os.replace(fresh, path)


def test_what_is_no_pair_is_refused_at_the_start(tmp_path: Path) -> None:
    """A missing file, a pipe that nobody writes to, and a key that is another's."""
    _, cert, _ = issued(tmp_path / "one")
    _, _, key = issued(tmp_path / "other")
    (tmp_path / "cert").write_bytes(cert)
    (tmp_path / "key").write_bytes(key)
    os.mkfifo(tmp_path / "pipe")
    for name in ("key", "none", "pipe"):
        with pytest.raises(OSError, match=r"."):
            ServerCertificate(tmp_path / "cert", tmp_path / name)
