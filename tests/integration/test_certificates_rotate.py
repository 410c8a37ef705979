"""Certificates that are renewed under traffic: the port's own, and whom an upstream is trusted by."""

import contextlib
import json
import os
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import msgspec
import pytest

from policies.routing import Upstream
from tests.fakes.raw_upstream import answer
from tests.fakes.tls_upstream import TlsUpstream
from tests.rooms.certificates import Authority
from tests.rooms.gateway_process import Gateway, table_for
from tests.rooms.waiting import PATIENCE_S, await_true

pytestmark = pytest.mark.slow


@dataclass
class Asking:
    """Apps that ask over and over, one on a kept connection, one on a new one each time."""

    url: str
    trusts: ssl.SSLContext
    answered: int = 0
    failures: list[str] = field(default_factory=list[str])
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self, *, keeps: bool) -> None:
        client = httpx.Client(verify=self.trusts, timeout=PATIENCE_S)
        while not self.stopped.is_set():
            if not keeps:
                client.close()
                client = httpx.Client(verify=self.trusts, timeout=PATIENCE_S)
            try:
                status = client.get(self.url).status_code
            except httpx.HTTPError as error:
                self.failures.append(repr(error))
            else:
                self.answered += 1
                if status != 200:
                    self.failures.append(str(status))
        client.close()

    def goes_on(self) -> None:
        """Wait until some more were answered."""
        before = self.answered
        await_true(lambda: self.answered > before + 5, "apps are answered")


@contextlib.contextmanager
def asking(url: str, trusts: ssl.SSLContext) -> Iterator[Asking]:
    """Asks while this lasts."""
    found = Asking(url, trusts)
    threads = [threading.Thread(target=found.run, kwargs={"keeps": keeps}, daemon=True) for keeps in (True, False)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        found.stopped.set()
        for thread in threads:
            thread.join(PATIENCE_S)


def put(path: Path, content: bytes) -> None:
    """Another file in its place."""
    fresh = path.with_suffix(".fresh")
    fresh.write_bytes(content)
    os.replace(fresh, path)


def events(gateway: Gateway, name: str) -> list[dict[str, str]]:
    lines = [json.loads(line) for line in gateway.worker.log().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == name]


def is_shown(port: int, authority: Authority) -> bool:
    """Whether the port shows a certificate of this authority."""
    try:
        httpx.get(f"https://127.0.0.1:{port}/v1/models", verify=authority.trusting(), timeout=PATIENCE_S)
    except httpx.ConnectError:
        return False
    return True


@dataclass
class Renewing:
    """A worker that speaks TLS on both sides, apps that ask it, and two authorities with a certificate of each."""

    gateway: Gateway
    apps: Asking
    upstream: TlsUpstream
    folder: Path
    old: Authority
    new: Authority
    shown: tuple[ssl.SSLContext, ssl.SSLContext]
    pairs: tuple[tuple[bytes, bytes], tuple[bytes, bytes]]


def issued(authority: Authority) -> tuple[ssl.SSLContext, tuple[bytes, bytes]]:
    """What a server shows; and the same as a certificate and its key."""
    context = authority.server("127.0.0.1")
    both = (authority.directory / "127.0.0.1-False.pem").read_bytes()
    at = both.index(b"-----BEGIN PRIVATE")
    return context, (both[:at], both[at:])


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Renewing]:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    old, new = Authority(tmp_path / "old"), Authority(tmp_path / "new")
    before, after = issued(old), issued(new)
    cert, key, ca_file = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "ca.pem"
    put(cert, before[1][0])
    put(key, before[1][1])
    old.trusted_by(ca_file)
    trusts = old.trusting()
    trusts.load_verify_locations(new.ca_file)
    options: dict[str, object] = {"tls_cert": str(cert), "tls_key": str(key)}
    with TlsUpstream(before[0], lambda peer: peer.send(answer(b"{}"))) as upstream:
        tls = Upstream("tls", upstream.base_url, ca_file=str(ca_file))
        table = msgspec.structs.replace(table_for("http://127.0.0.1:9/v1", upstreams=(tls,)), default_upstream="tls")
        with Gateway(tmp_path / "gateway", table, options=options) as gateway:
            with asking(f"https://127.0.0.1:{gateway.port}/v1/models", trusts) as apps:
                apps.goes_on()
                shown, pairs = (before[0], after[0]), (before[1], after[1])
                yield Renewing(gateway, apps, upstream, tmp_path, old, new, shown, pairs)
                apps.goes_on()
            assert apps.failures == []
            assert gateway.worker.live()["hook_errors"] == 0


def test_the_ports_certificate_is_renewed_without_a_lost_request(place: Renewing) -> None:
    """A new certificate with the key of the one before keeps the old pair, and is told; the new pair is shown."""
    gateway, (certificate, key) = place.gateway, place.pairs[1]
    put(place.folder / "cert.pem", certificate)
    await_true(lambda: events(gateway, "tls.not_renewed"), "it is told that they do not fit")
    (told,) = events(gateway, "tls.not_renewed")
    assert "cert.pem" in told["reason"]
    assert "mend the files" in told["hint"]
    assert is_shown(gateway.port, place.old)
    place.apps.goes_on()
    put(place.folder / "key.pem", key)
    await_true(lambda: is_shown(gateway.port, place.new), "the new pair is shown")
    assert not is_shown(gateway.port, place.old)


def test_an_upstreams_authority_is_renewed_without_a_lost_request(place: Renewing) -> None:
    """Half of a file keeps whom it named before, and is told; a whole one is in force without a word."""
    gateway, upstream, ca_file = place.gateway, place.upstream, place.folder / "ca.pem"
    ca_file.write_bytes(place.old.ca_file.read_bytes()[:99])
    await_true(lambda: events(gateway, "upstream.not_ready"), "it is told that it is no CA file")
    place.apps.goes_on()
    put(ca_file, place.old.ca_file.read_bytes() + place.new.ca_file.read_bytes())
    await_true(lambda: events(gateway, "upstream.ready"), "it is taken up")
    place.apps.goes_on()
    connections = upstream.connections
    upstream.context = place.shown[1]
    upstream.script = lambda peer: peer.send(answer(b"{}", b"Connection: close"))
    await_true(lambda: upstream.connections > connections + 2, "the upstream shows the new one")
    assert place.apps.failures == []
