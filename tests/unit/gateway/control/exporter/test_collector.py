import os
import threading
from pathlib import Path

import pytest

from gateway.control.exporter.collector import LONGEST_PAUSE_S, Collector, HeadersFileError, PostResult, read_headers
from gateway.control.exporter.otlp import rejected
from tests.fakes.otlp import FakeCollector
from tests.fakes.raw_upstream import answer
from tests.fakes.tls_upstream import TlsUpstream
from tests.rooms.certificates import Authority
from tests.rooms.serving import free_port


async def post(collector: Collector, body: bytes = b"") -> PostResult:
    try:
        return await collector.post(body)
    finally:
        await collector.close()


async def test_a_post_is_taken(tmp_path: Path) -> None:
    """It comes as protobuf, packed, with the file's headers; what the collector rejects of it can be read."""
    (tmp_path / "headers").write_text("# of the team\n\nAuthorization: Bearer t:1\n")
    fake = FakeCollector(rejects=2)
    with fake.serving() as url:
        result = await post(Collector(url, tmp_path / "headers"), b"\x0a\x00")
    assert (result.fate, rejected(result.answer), fake.posts) == ("taken", 2, [b"\x0a\x00"])
    assert fake.headers[0]["authorization"] == "Bearer t:1"


@pytest.mark.parametrize(
    ("status", "fate"),
    [(400, "refused"), (413, "refused"), (500, "refused"), (401, "later"), (404, "later"), (307, "later"),
     (429, "later"), (503, "later")],
)  # fmt: skip
async def test_what_is_not_taken(status: int, fate: str) -> None:
    """What is wrong with the spans is refused for good; what is wrong with the collector or the key is tried again."""
    with FakeCollector(status=status).serving() as url:
        assert await post(Collector(url)) == PostResult(fate, f"status {status}")  # type: ignore[arg-type]


@pytest.mark.parametrize(("asked", "pause_s"), [("7", 7.0), ("86400", LONGEST_PAUSE_S), ("Wed, 21 Oct", 0.0)])
async def test_a_collector_may_ask_to_be_left_alone(asked: str, pause_s: float) -> None:
    """For as long as it says in seconds, up to a bound."""
    with FakeCollector(status=429, retry_after=asked).serving() as url:
        assert (await post(Collector(url))).pause_s == pause_s


async def test_a_certificate_authority_that_was_renewed_is_followed(tmp_path: Path) -> None:
    """A CA file that was replaced is read again, and half of one changes nothing: spans are posted on."""
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    old, new = Authority(tmp_path / "old"), Authority(tmp_path / "new")
    ca_file = tmp_path / "ca.pem"
    old.trusted_by(ca_file)
    with TlsUpstream(new.server("127.0.0.1"), lambda peer: peer.send(answer(b""))) as upstream:
        collector = Collector(upstream.base_url, ca_file=ca_file)
        assert (await collector.post(b"")).fate == "later"
        new.trusted_by(ca_file)
        assert (await collector.post(b"")).fate == "taken"
        ca_file.write_bytes(new.ca_file.read_bytes()[:99])
        assert (await post(collector)).fate == "taken"


async def test_nobody_is_waited_for_without_end() -> None:
    """A collector that hangs costs the deadline, one that is not there nothing; both may be there later."""
    with FakeCollector(hangs=threading.Event()).serving() as url:
        assert await post(Collector(url, deadline_s=0.05)) == PostResult("later", "timeout")
    assert await post(Collector(f"http://127.0.0.1:{free_port()}/v1/traces")) == PostResult("later", "ConnectError")


@pytest.mark.parametrize("content", ["sk-123 planted\n", "a b: planted\n", "name: planted\x07\n", None])
async def test_headers_that_cannot_be_used_make_no_post(tmp_path: Path, content: str | None) -> None:
    """The file and line are named, and nothing of what stands there; once it is mended the spans go out."""
    path = tmp_path / "headers"
    if content is not None:
        path.write_text(content)
    fake = FakeCollector()
    with fake.serving() as url:
        collector = Collector(url, path)
        result = await collector.post(b"")
        assert (result.fate, str(path) in result.reason, fake.asked) == ("later", True, 0)
        assert "planted" not in result.reason
        path.write_text("x-key: 1\n")
        assert (await post(collector)).fate == "taken"


def test_a_file_of_headers_that_is_not_text(tmp_path: Path) -> None:
    """It is refused with its name."""
    (tmp_path / "headers").write_bytes(b"\xff\xfe")
    with pytest.raises(HeadersFileError, match="not UTF-8"):
        read_headers(tmp_path / "headers")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(HeadersFileError, match="pipe: it is no file"):
        read_headers(tmp_path / "pipe")
