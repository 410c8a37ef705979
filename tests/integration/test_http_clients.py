"""HTTP clients of the field that ask for more than they need: a request that offers HTTP/2 is answered all the same."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.raw_upstream import answer
from tests.rooms.origin import Origin, an_app, get, origin
from tests.rooms.waiting import PATIENCE_S

pytestmark = pytest.mark.slow

JDK = """
import java.net.URI;
import java.net.http.*;

public class Ask {
    public static void main(String[] words) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        for (int number = 0; number < 3; number++) {
            HttpRequest request = HttpRequest.newBuilder(URI.create(words[0]))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString("{\\"model\\":\\"gpt-4o\\",\\"messages\\":[]}")).build();
            HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
            System.out.print(response.statusCode() + response.body() + " ");
        }
    }
}
"""
CURL = ["curl", "-sS", "--http2", "-d", '{"model":"gpt-4o","messages":[]}']
BODY = b'{"model":"gpt-4o","messages":[]}'
AB = (
    b"POST /v1/chat/completions HTTP/1.0\r\nConnection: Keep-Alive\r\nContent-length: %d\r\n"
    b"Content-type: application/json\r\nHost: 127.0.0.1\r\nUser-Agent: ApacheBench/2.3\r\nAccept: */*\r\n\r\n"
)
"""What ApacheBench sends with `-k -p`."""
HERE = [name for name in ("java", "curl") if shutil.which(name)]
"""What this machine has."""


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    """One worker for the module."""
    with origin(tmp_path_factory.mktemp("clients")) as found:
        yield found


async def said(*command: str) -> str:
    """What a program prints."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(PATIENCE_S):
        out, _ = await process.communicate()
    return out.decode()


@pytest.mark.parametrize("client", HERE)
async def test_a_client_that_offers_http_2_is_answered(there: Origin, client: str, tmp_path: Path) -> None:
    """The JDK's HttpClient and `curl --http2` offer `h2c` on every plain request: it is served as HTTP/1.1."""
    there.reset()
    url = f"http://127.0.0.1:{there.port}/v1/chat/completions"
    if client == "java":
        (tmp_path / "Ask.java").write_text(JDK, "utf-8")
        assert await said("java", str(tmp_path / "Ask.java"), url) == '200{"hello":1} ' * 3
    else:
        assert await said(*CURL, url) == '{"hello":1}'
    assert {call.request.body for call in there.upstream.calls} == {b'{"model":"gpt-4o","messages":[]}'}
    assert not any(call.request.get(b"upgrade") or call.request.get(b"http2-settings") for call in there.upstream.calls)


async def test_an_app_of_http_1_0_keeps_its_connection(there: Origin) -> None:
    """`ab -k` and its like go on only where they are told that they may."""
    there.reset()
    async with an_app(there.port) as app:
        for _ in range(3):
            message = await app.ask(get(b"/v1/models", b"Connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0"))
            assert (message.status, message.get(b"connection").lower()) == (200, b"keep-alive")


@pytest.mark.parametrize("kind", ["whole", "streamed", *(["ab"] if shutil.which("ab") else [])])
async def test_a_benchmark_of_http_1_0_keeps_its_connections(there: Origin, kind: str, tmp_path: Path) -> None:
    """`ab -k` posts over HTTP/1.0 and reads on only behind a length and a `keep-alive`: without both, it is closed."""
    there.reset()
    if kind == "ab":
        (tmp_path / "body").write_bytes(BODY)
        url = f"http://127.0.0.1:{there.port}/v1/chat/completions"
        told = await said(
            "ab", "-k", "-n", "40", "-c", "4", "-p", str(tmp_path / "body"), "-T", "application/json", url
        )
        counts = {line.partition(":")[0]: line.partition(":")[2].split() for line in told.splitlines()}
        assert (counts["Complete requests"], counts["Failed requests"]) == (["40"], ["0"])
        assert counts["Keep-Alive requests"] == ["40"]
        return
    if kind == "streamed":
        there.says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    reader, writer = await asyncio.open_connection("127.0.0.1", there.port)
    async with asyncio.timeout(PATIENCE_S):
        for _ in range(3):
            writer.write(AB % len(BODY) + BODY)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if kind == "streamed":
                assert b"\r\nconnection: close" in head
                assert b"transfer-encoding" not in head
                assert await reader.read() == b"hello"
                break
            assert b"\r\nconnection: keep-alive" in head
            assert await reader.readexactly(int(head.partition(b"content-length:")[2].split()[0])) == b'{"hello":1}'
    writer.close()
    await writer.wait_closed()


async def test_the_servers_options_and_whole_urls_are_the_upstreams_to_answer(there: Origin) -> None:
    """`OPTIONS *` goes on as it is, and a whole URL as its path, with the upstream's own host."""
    there.reset()
    async with an_app(there.port) as app:
        assert (await app.ask(get(b"*", method=b"OPTIONS"))).status == 200
        assert there.call.request.target == b"*"
        assert (await app.ask(get(b"http://elsewhere.example/v1/models?x=1"))).status == 200
        assert there.call.request.target.endswith(b"/models?x=1")
        assert there.call.request.get(b"host") == b"127.0.0.1:%d" % there.upstream.port


async def test_early_hints_reach_the_app(there: Origin) -> None:
    """A 103 goes on before the answer, without what is of one hop; an app of HTTP/1.0 gets none."""
    there.reset()
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\nX: 1\r\n\r\n"
    there.says(hints, answer(b"hello"))
    async with an_app(there.port) as app:
        app.writer.write(get(b"/v1/models"))
        assert await app.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        assert (await app.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    async with an_app(there.port) as app:
        assert (await app.ask(get(b"/v1/models").replace(b"HTTP/1.1", b"HTTP/1.0"))).status == 200


async def test_answers_of_our_own_say_when(there: Origin) -> None:
    """A Date is on every answer that no upstream made."""
    async with an_app(there.port) as app:
        message = await app.ask(b"GET nothing HTTP/1.1\r\nHost: g\r\n\r\n")
        assert message.status == 400
        assert message.get(b"date").endswith(b" GMT")
