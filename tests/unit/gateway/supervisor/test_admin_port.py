import asyncio
import datetime
import io
import os
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.config.settings import Settings
from gateway.log import Log
from gateway.node.datadir import prepare
from gateway.supervisor.admin_port import AdminPort, exposed_ages, health, metrics, readiness
from gateway.supervisor.programs import Modules, Programs, read_secrets
from gateway.supervisor.sockets import BindError
from gateway.telemetry.metrics import Sample
from tests.rooms.waiting import PATIENCE_S

NOW = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)


def plan(tmp_path: Path, **server: object) -> Programs:
    settings = Settings.model_validate({"server": {"admin": "127.0.0.1:0", **server}})
    data = prepare(tmp_path / "data")
    return Programs(settings, data, read_secrets(settings, data, {}), Modules(), {}, data.run)


def certificate(folder: Path) -> dict[str, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = (
        builder.not_valid_before(NOW)
        .not_valid_after(NOW + datetime.timedelta(days=36500))
        .add_extension(names, critical=False)
    )
    found = {"cert": folder / "cert.pem", "key": folder / "key.pem"}
    found["cert"].write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    found["key"].write_bytes(pem)
    return found


@pytest.fixture
async def port() -> AsyncIterator[AdminPort]:
    pages = {"/healthz": lambda: health("1"), "/metrics": lambda: metrics([], [])}
    found = AdminPort(pages, Log("test"))
    yield found
    found.close()


async def get(url: str, *, verify: ssl.SSLContext | bool = False, token: str = "") -> int:
    async with httpx.AsyncClient(verify=verify, trust_env=False) as client:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return (await client.get(url, headers=headers)).status_code


async def test_a_token_that_is_configured_later_is_asked_for(port: AdminPort, tmp_path: Path) -> None:
    """A change of settings is in force on the same socket: the token is asked for from then on."""
    await port.serve(plan(tmp_path))
    before = port.where
    assert await get(f"http://{before}/metrics") == 200
    (tmp_path / "token").write_text("a-token-of-some-length")
    await port.serve(plan(tmp_path, admin_token_file=tmp_path / "token"))
    assert port.where == before
    assert await get(f"http://{before}/metrics") == 401
    assert await get(f"http://{before}/metrics", token="a-token-of-some-length") == 200
    assert await get(f"http://{before}/healthz") == 200


async def test_tls(port: AdminPort, tmp_path: Path) -> None:
    """With a certificate the port speaks TLS, and who does not is dropped."""
    files = certificate(tmp_path)
    await port.serve(plan(tmp_path, admin_tls=files))
    assert port.where is not None
    context = ssl.create_default_context(cafile=files["cert"])
    assert await get(f"https://localhost:{port.where.port}/healthz", verify=context) == 200
    with pytest.raises(httpx.TransportError):
        await get(f"http://localhost:{port.where.port}/healthz")


async def test_a_renewed_certificate_is_shown(port: AdminPort, tmp_path: Path) -> None:
    """Its files are looked at while it serves: another pair is shown, what is none is told once."""
    said = io.StringIO()
    port.log = Log("test", stream=said)
    files = certificate(tmp_path)
    await port.serve(plan(tmp_path, admin_tls=files))
    assert port.where is not None
    files["key"].write_text("half of a renewal")
    port.renew_certificate()
    port.renew_certificate()
    renewed = certificate(tmp_path)
    port.renew_certificate()
    context = ssl.create_default_context(cafile=renewed["cert"])
    assert await get(f"https://localhost:{port.where.port}/healthz", verify=context) == 200
    assert ["not_renewed" in line for line in said.getvalue().splitlines()] == [True, False]


@pytest.mark.parametrize("passes", range(5))
async def test_a_connection_of_the_moment_of_a_reload_is_answered(port: AdminPort, tmp_path: Path, passes: int) -> None:
    """Whoever connects just before the settings are switched is answered, however far the event loop is with it."""
    await port.serve(plan(tmp_path))
    assert port.where is not None
    change = await port.prepare(plan(tmp_path))
    with socket.create_connection((port.where.host, port.where.port)) as app:
        app.sendall(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
        for _ in range(passes):
            await asyncio.sleep(0)
        await port.switch(change)
        app.settimeout(PATIENCE_S)
        answer = await asyncio.to_thread(app.recv, 64)
    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_what_cannot_be_served_changes_nothing(port: AdminPort, tmp_path: Path) -> None:
    """A certificate that is none and an address that is taken are refused, and the port serves on as before."""
    await port.serve(plan(tmp_path))
    (tmp_path / "cert").write_text("none")
    with pytest.raises(BindError, match="both are PEM"):
        await port.serve(plan(tmp_path, admin_tls={"cert": tmp_path / "cert", "key": tmp_path / "cert"}))
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(BindError, match="in use"):
        await port.serve(plan(tmp_path, admin=f"127.0.0.1:{taken.getsockname()[1]}"))
    assert await get(f"http://{port.where}/healthz") == 200


@pytest.mark.parametrize(
    ("workers", "stopping", "has_table", "status", "reasons"),
    [
        (1, False, True, 200, []),
        (0, False, True, 503, ["no worker accepts requests"]),
        (1, True, True, 503, ["shutting down"]),
        (0, False, False, 503, ["no worker accepts requests", "no routing table"]),
    ],
)
def test_readiness(workers: int, status: int, reasons: list[str], *, stopping: bool, has_table: bool) -> None:
    """New traffic may come when a worker accepts it, there is a table, and nothing shuts down; else it says why."""
    answer = readiness(workers=workers, stopping=stopping, has_table=has_table)
    assert answer.status == status
    assert all(reason.encode() in answer.body for reason in reasons)


def test_parts_of_metrics_say_how_old_they_are(tmp_path: Path) -> None:
    """A process that hangs leaves what it said last: its age says so. One that has said nothing yet has none."""
    (tmp_path / "old.prom").write_text("a 1\n")
    os.utime(tmp_path / "old.prom", (100.0, 100.0))
    found = exposed_ages({name: tmp_path / f"{name}.prom" for name in ("old", "missing")}, now=175.0)
    assert [(each.labels, each.value) for each in found] == [(("old",), 75.0)]


def test_parts_of_metrics_that_are_not_whole_are_left_out(tmp_path: Path) -> None:
    """What another process has not written, or not whole, costs its own part only."""
    (tmp_path / "good.prom").write_text("# TYPE a gauge\na 1\n")
    (tmp_path / "torn.prom").write_text("b 1")
    (tmp_path / "binary.prom").write_bytes(b"\xff\xfe\n")
    names = ("good", "torn", "binary", "missing")
    answer = metrics([Sample("crossfade_killed", 0)], [tmp_path / f"{name}.prom" for name in names])
    assert answer.body.endswith(b"crossfade_killed 0\n# TYPE a gauge\na 1\n")
