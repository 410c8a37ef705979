"""Requests over real sockets: whose connection is whose, what is used again, and what a cancel leaves behind."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway import clock
from gateway.transport import client as client_module
from gateway.transport.client import LEFT_S, LOOK_AFTER_S, UNHEARD_S, Client
from gateway.transport.failure import Failure
from gateway.transport.names import ResolvedAddress
from gateway.transport.outgoing import LEFT_BYTES, Sending, Target
from tests.fakes.raw_upstream import LAST_CHUNK, SSE_HEAD, Call, RawUpstream, answer, chunk
from tests.rooms.certificates import Authority
from tests.rooms.ears import Ear
from tests.rooms.no_files import no_files_left
from tests.rooms.peers import black_hole
from tests.rooms.waiting import PATIENCE_S, until

HEAD = b"GET /v1/x HTTP/1.1\r\nHost: upstream\r\n\r\n"


@asynccontextmanager
async def a_client(now: Callable[[], float] = clock.monotonic, **options: Any) -> AsyncIterator[Client]:
    async with asyncio.TaskGroup() as tasks:
        client = Client(now=now, tasks=tasks, **options)
        yield client
        client.close()


def ask(client: Client, target: Target, credential: bytes = b"", head: bytes = HEAD, **how: Any) -> tuple[Ear, Sending]:
    ear = Ear()
    method = head.partition(b" ")[0]
    return ear, client.send(target, credential, method, head, ear, last=how.get("last", True))


async def hello(call: Call) -> None:
    await call.send(answer(b"hello"))


async def forever(call: Call) -> None:
    await call.send(SSE_HEAD)
    while True:
        await call.send(chunk(b"more"))
        await asyncio.sleep(0.001)


async def never(call: Call) -> None:
    await asyncio.Event().wait()


def target_of(upstream: RawUpstream, **options: Any) -> Target:
    return Target("127.0.0.1", upstream.port, **{"connect_s": PATIENCE_S, **options})


async def test_a_connection_is_used_again_after_a_whole_answer() -> None:
    """Requests of one credential follow each other over one connection; the sending says whether it was used before."""
    async with RawUpstream(hello) as upstream, a_client() as client:
        target = target_of(upstream)
        for number in range(5):
            ear, sending = ask(client, target, b"key")
            assert bytes((await ear.end()).data) == b"hello"
            assert sending.reused is (number > 0)
        assert upstream.connections == 1
        assert client.connections == 1


async def test_a_connection_that_is_old_makes_room_for_another() -> None:
    """Busy as it may be: where its server is balanced onto by connection, a replica that was added gets its share."""
    times = [0.0]
    async with RawUpstream(hello) as upstream, a_client(now=lambda: times[0]) as client:
        target = target_of(upstream, age_s=60.0)
        reused: list[bool] = []
        for _ in range(5):
            ear, sending = ask(client, target)
            await ear.end()
            reused.append(sending.reused)
            times[0] += 25.0
        assert reused == [False, True, True, True, False]
        assert upstream.connections == 2


async def test_no_two_credentials_share_a_connection() -> None:
    """A connection that carried one caller's credential never carries another's."""
    async with RawUpstream(hello) as upstream, a_client() as client:
        target = target_of(upstream)
        for number in range(30):
            mark = b"k%d" % (number % 3)
            ear, _ = ask(client, target, mark, HEAD[:-2] + b"Authorization: " + mark + b"\r\n\r\n")
            await ear.end()
        seen: dict[int, set[bytes]] = {}
        for call in upstream.calls:
            seen.setdefault(call.connection, set()).add(call.request.get(b"authorization"))
        assert sorted(map(len, seen.values())) == [1, 1, 1]


async def test_requests_at_once_have_connections_of_their_own() -> None:
    """No request waits for another's answer."""
    async with RawUpstream(hello) as upstream, a_client() as client:
        ears = [ask(client, target_of(upstream))[0] for _ in range(10)]
        for ear in ears:
            await ear.end()
        assert upstream.connections == 10


async def test_connections_to_all_upstreams_together_have_a_bound() -> None:
    """At the bound the one that was idle for longest makes room, wherever it leads; with none idle nothing is sent.

    Whoever opens more files than there are would be told that the upstream is not there.
    """
    async with RawUpstream(hello) as upstream, RawUpstream(never) as other, a_client(most=2) as client:
        for target in (target_of(upstream), target_of(upstream)):
            await ask(client, target)[0].end()
        held = [ask(client, target_of(other))[1] for _ in range(2)]
        await until(lambda: other.connections == 2)
        ear, _ = ask(client, target_of(upstream))
        assert (await ear.end()).failure is Failure.SATURATED
        assert (client.connections, client.starved, client.full) == (2, 1, {})
        for sending in held:
            sending.cancel()


async def test_more_requests_than_connections_are_refused_at_once() -> None:
    """Beyond the bound nothing queues: the request fails as saturated, having sent nothing."""
    async with RawUpstream(never) as upstream, a_client() as client:
        target = target_of(upstream, max_connections=3)
        held = [ask(client, target)[1] for _ in range(3)]
        ear, _ = ask(client, target)
        assert (await ear.end()).failure is Failure.SATURATED
        assert Failure.SATURATED.nothing_sent
        assert (client.starved, client.full) == (0, {target: 1})
        for sending in held:
            sending.cancel()


async def test_idle_connections_of_others_make_room() -> None:
    """What other credentials left idle is no reason to refuse: the oldest of it is closed."""
    async with RawUpstream(hello) as upstream, a_client() as client:
        target = target_of(upstream, max_connections=3)
        for number in range(10):
            ear, _ = ask(client, target, b"%d" % number)
            assert not (await ear.end()).failure
            assert client.connections <= 3
        ear, sending = ask(client, target, b"9")
        await ear.end()
        assert sending.reused


async def test_no_more_than_so_many_connections_are_kept_idle() -> None:
    """Beyond the bound a free connection is closed instead of kept."""
    async with RawUpstream(hello) as upstream, a_client(max_idle=2) as client:
        ears = [ask(client, target_of(upstream))[0] for _ in range(5)]
        assert [(await ear.end()).failure for ear in ears] == [None] * 5
        await until(lambda: upstream.open == 2)
        assert client.connections == 2


async def test_idle_connections_are_closed_in_time() -> None:
    """What has been idle for as long as told is closed, and nothing of it is remembered."""
    async with RawUpstream(hello) as upstream, a_client() as client:
        for key in (b"a", b"b"):
            await ask(client, target_of(upstream, idle_s=10.0), key)[0].end()
        client.expire(clock.monotonic() + 9.0)
        assert client.connections == 2
        client.expire(clock.monotonic() + 11.0)
        assert client.connections == 0
        await until(lambda: upstream.open == 0)
        client.expire(clock.monotonic() + 11.0)
        assert (client._pools, client._open, client._connecting) == ({}, {}, {})


async def test_a_connection_that_has_been_idle_for_too_long_is_not_used() -> None:
    """Its server may be about to close it: it is dropped when its turn comes, and makes room for a new one."""
    times = [0.0]
    async with RawUpstream(hello) as upstream, a_client(lambda: times[0]) as client:
        target = target_of(upstream, idle_s=2.0, max_connections=1)
        for now, reused in ((0.0, False), (1.9, True), (3.9, False)):
            times[0] = now
            ear, sending = ask(client, target)
            assert bytes((await ear.end()).data) == b"hello"
            assert sending.reused is reused
        await until(lambda: upstream.open == client.connections == 1)


async def test_a_connection_that_was_closed_while_idle_is_not_used() -> None:
    """The upstream's own close of an idle connection is seen; the next request makes a new one."""
    async with RawUpstream(hello) as upstream, a_client() as client:
        await ask(client, target_of(upstream))[0].end()
        upstream.drop_connections()
        await until(lambda: client.connections == 0)
        ear, sending = ask(client, target_of(upstream))
        assert bytes((await ear.end()).data) == b"hello"
        assert not sending.reused


@pytest.mark.parametrize("secure", [True, False], ids=["tls", "plain"])
async def test_an_end_that_the_loop_has_not_brought_yet_costs_no_request(tmp_path: Path, *, secure: bool) -> None:
    """The server closed a kept connection, and the next request comes in the same turn: it is sent on a new one."""
    authority = Authority(tmp_path)
    listening = socket.create_server(("127.0.0.1", 0))
    tls = authority.server("127.0.0.1") if secure else None
    accepted: list[socket.socket] = []

    def serve() -> None:
        for _ in range(2):
            peer = listening.accept()[0]
            wrapped = peer if tls is None else tls.wrap_socket(peer, server_side=True)
            wrapped.recv(4096)
            wrapped.sendall(answer(b"hello"))
            accepted.append(wrapped)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    now = 0.0
    with listening:
        async with a_client(lambda: now) as client:
            target = Target("127.0.0.1", listening.getsockname()[1], tls=authority.trusting() if secure else None)
            assert bytes((await ask(client, target)[0].end()).data) == b"hello"
            now = LOOK_AFTER_S
            await until(lambda: accepted)
            accepted[0].shutdown(socket.SHUT_RDWR)  # and no turn of the loop until the next request
            ear, sending = ask(client, target)
            assert bytes((await ear.end()).data) == b"hello"
            assert not sending.reused
    for peer in accepted:
        peer.close()
    thread.join(PATIENCE_S)


async def test_a_connection_that_ends_as_it_is_used_gave_no_answer() -> None:
    """A request whose kept connection dies under it fails, and is not sent twice."""

    async def once(call: Call) -> None:
        if call.request.target.endswith(b"/second"):
            call.writer.transport.abort()
        else:
            await hello(call)

    async with RawUpstream(once) as upstream, a_client() as client:
        target = target_of(upstream)
        await ask(client, target)[0].end()
        ear, sending = ask(client, target, head=HEAD.replace(b"/x", b"/second"))
        assert (await ear.end()).failure is Failure.NO_ANSWER
        assert sending.reused
        assert len(upstream.calls) == 2


# Connecting -----------------------------------------------------------------------------------------------------------


async def test_a_closed_port_and_a_name_that_is_none_are_unreachable() -> None:
    """Nothing listens, nothing resolves, no name at all: unreachable, and nothing was sent."""
    async with a_client() as client:
        async with RawUpstream(hello) as upstream:
            port = upstream.port
        for host in ("127.0.0.1", "nowhere.invalid", "", "a" * 300, "\udcff"):
            ear, _ = ask(client, Target(host, port))
            assert (await ear.end()).failure is Failure.UNREACHABLE
        assert Failure.UNREACHABLE.nothing_sent
        assert client.connections == 0
        assert not any(client._connecting.values())


async def test_a_connection_that_takes_too_long_is_unreachable() -> None:
    """The time to connect is bounded: a listener that never completes a handshake does not hold the request."""
    gone = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()
        gone.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, a_client() as client:
        proxied = Target("upstream", 80, proxy=("127.0.0.1", port), connect_s=0.05)
        ear, _ = ask(client, proxied)
        assert (await ear.end()).failure is Failure.UNREACHABLE
        async with asyncio.timeout(PATIENCE_S):
            await gone.wait()


async def test_a_metadata_service_is_no_upstream() -> None:
    """A name that leads to a cloud's metadata address, however it is spelt, is refused before anybody is asked."""
    for spelt in ("169.254.169.254", "::ffff:169.254.169.254"):
        address = ResolvedAddress(socket.AF_INET, (spelt, 80))
        async with a_client(lookup=lambda *_: [address]) as client:  # noqa: B023 -- used up within this round
            ear, _ = ask(client, Target("innocent.example", 80))
            assert (await ear.end()).failure is Failure.FORBIDDEN_ADDRESS
            assert client.connections == 0


async def test_a_name_that_does_not_resolve_costs_no_other_upstream_anything() -> None:
    """While forty requests wait for a name whose servers are silent, another name's requests are answered."""
    silence = threading.Event()
    asked: list[str] = []

    def lookup(host: str, port: int) -> Sequence[ResolvedAddress]:
        asked.append(host)
        if host == "silent.example":
            silence.wait(PATIENCE_S)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return [ResolvedAddress(socket.AF_INET, ("127.0.0.1", port))]

    async with RawUpstream(hello) as upstream, a_client(lookup=lookup) as client:
        silent = Target("silent.example", 80)
        waiting = [ask(client, silent)[0] for _ in range(40)]
        for number in range(10):
            ear, _ = ask(client, Target("good.example", upstream.port), b"%d" % number)
            assert bytes((await ear.end()).data) == b"hello"
        assert not any(ear.over.is_set() for ear in waiting)
        silence.set()
        assert {(await ear.end()).failure for ear in waiting} == {Failure.UNREACHABLE}
    assert asked == ["silent.example", "good.example"]


async def test_a_name_that_does_not_resolve_is_given_up_in_time() -> None:
    """A look-up that hangs is waited for as long as a connection may take."""
    silence = threading.Event()

    def lookup(host: str, port: int) -> Sequence[ResolvedAddress]:
        silence.wait(PATIENCE_S)
        return []

    async with a_client(lookup=lookup) as client:
        ear, _ = ask(client, Target("silent.example", 80, connect_s=0.05))
        assert (await ear.end()).failure is Failure.UNREACHABLE
        silence.set()


async def test_a_name_that_has_moved_is_followed_by_the_very_request_that_finds_out() -> None:
    """The address that is known refuses: the name is asked anew at once, and nothing is lost."""
    where: list[int] = []

    def lookup(*_: object) -> Sequence[ResolvedAddress]:
        return [ResolvedAddress(socket.AF_INET, ("127.0.0.1", port)) for port in where]

    async with RawUpstream(hello) as old, RawUpstream(hello) as new, a_client(lookup=lookup) as client:
        where[:] = [old.port]
        target = Target("moves.example", 80)
        assert (await ask(client, target, b"one")[0].end()).failure is None
        old.stop()
        await until(lambda: client.connections == 0)
        where[:] = [new.port]
        for caller in (b"one", b"two", b"three"):
            assert bytes((await ask(client, target, caller)[0].end()).data) == b"hello"
        assert len(new.calls) == 3
        new.stop()
        assert (await ask(client, target, b"four")[0].end()).failure is Failure.UNREACHABLE


async def test_while_an_address_is_silent_others_ask_for_the_name_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes after a dial that hangs goes where the name is now, and does not wait for the first one's end."""
    monkeypatch.setattr(client_module, "SLOW_S", 0.0)
    found: list[ResolvedAddress] = []
    asked: list[str] = []

    def lookup(host: str, _: int) -> Sequence[ResolvedAddress]:
        asked.append(host)
        return list(found)

    async with RawUpstream(hello) as new, a_client(lambda: 0.0, lookup=lookup) as client:
        target = Target("moves.example", 80, connect_s=PATIENCE_S)
        with black_hole() as silent:
            found.append(silent)
            first, _ = ask(client, target, b"first")
            await until(lambda: asked)
            found[:] = [ResolvedAddress(socket.AF_INET, ("127.0.0.1", new.port))]
            later: list[Ear] = []

            def is_answered() -> bool:
                if len(asked) == 1 or not later:
                    later.append(ask(client, target, b"%d" % len(later))[0])
                return any(bytes(ear.data) == b"hello" for ear in later)

            await until(is_answered)
            assert not first.over.is_set()


async def test_where_a_server_is_silent_no_second_request_waits_on_a_kept_connection() -> None:
    """It is gone without a word: when one who waited gives up, its other idle connections are not used any more."""
    now = 0.0
    silent = False

    async def script(call: Call) -> None:
        await (never(call) if silent and call.connection <= 3 else hello(call))

    async with RawUpstream(script) as upstream, a_client(lambda: now) as client:
        target = target_of(upstream)
        for ear, _ in [ask(client, target) for _ in range(3)]:
            await ear.end()
        assert (upstream.connections, client.connections) == (3, 3)
        silent = True
        now = 1.0
        _, waiting = ask(client, target)
        assert waiting.reused
        now += UNHEARD_S
        waiting.cancel()
        ear, sending = ask(client, target)
        assert (await ear.end()).failure is None
        assert not sending.reused


async def test_a_mistake_of_ours_in_connecting_ends_one_request() -> None:
    """What nobody foresaw is that request's failure and is reported; the client goes on."""
    met: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: met.append(told))

    class Odd(Ear):
        def on_send_ready(self) -> None:
            raise RuntimeError("nobody foresaw this")

    async with RawUpstream(hello) as upstream, a_client() as client:
        ear = Odd()
        client.send(target_of(upstream), b"", b"GET", HEAD, ear, last=False)
        assert (await ear.end()).failure is Failure.UNREACHABLE
        assert [str(told["exception"]) for told in met] == ["nobody foresaw this"]
        await until(lambda: client.connections == 0)
        assert bytes((await ask(client, target_of(upstream))[0].end()).data) == b"hello"


async def test_an_upstream_that_is_out_is_not_asked() -> None:
    """What could not be made ready fails as such, and nothing was sent."""
    async with a_client() as client:
        ear, _ = ask(client, Target("", 0, out=True))
        assert (await ear.end()).failure is Failure.NOT_READY
        assert Failure.NOT_READY.nothing_sent


async def test_without_a_socket_nothing_is_said_of_the_upstream() -> None:
    """Where the system has no file left for a connection, that is told, and counted; a kept one still serves."""
    async with RawUpstream(hello) as upstream, a_client() as client:
        target = target_of(upstream)
        assert bytes((await ask(client, target)[0].end()).data) == b"hello"
        with no_files_left():
            kept, refused = ask(client, target)[0], ask(client, target)[0]
            assert (await refused.end()).failure is Failure.NO_SOCKET
            assert bytes((await kept.end()).data) == b"hello"
        assert Failure.NO_SOCKET.nothing_sent
        assert client.starved == 1


async def test_a_unix_socket_is_connected_to(tmp_path: Path) -> None:
    """With `uds` the request goes to the socket, whatever the host."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(b"by file"))
        await writer.drain()
        writer.close()

    path = str(tmp_path / "s")
    async with await asyncio.start_unix_server(serve, path), a_client() as client:
        ear, _ = ask(client, Target("ignored.invalid", 80, uds=path))
        assert bytes((await ear.end()).data) == b"by file"
        ear, _ = ask(client, Target("ignored.invalid", 80, uds=path + "-not"))
        assert (await ear.end()).failure is Failure.UNREACHABLE


async def serve_hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One answer per request, until the peer is gone."""
    try:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer(b"hello"))
            await writer.drain()
    except (asyncio.IncompleteReadError, OSError):
        writer.close()


@pytest.mark.parametrize(
    ("shown", "expired", "trusted", "failure"),
    [
        ("127.0.0.1", False, True, None),
        ("127.0.0.1", True, True, Failure.TLS),
        ("other.example", False, True, Failure.TLS),
        ("127.0.0.1", False, False, Failure.TLS),
    ],
    ids=["good", "expired", "wrong host", "unknown authority"],
)
async def test_only_a_trusted_certificate_is_spoken_to(
    tmp_path: Path, shown: str, *, expired: bool, trusted: bool, failure: Failure | None
) -> None:
    """TLS is verified against the upstream's authority, name and dates; a failure never falls back to plain."""
    authority = Authority(tmp_path)
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer(b"hello"))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=authority.server(shown, expired=expired))
    async with server, a_client() as client:
        port = server.sockets[0].getsockname()[1]
        other = tmp_path / "other"
        other.mkdir()
        context = authority.trusting() if trusted else Authority(other).trusting()
        ear, _ = ask(client, Target("127.0.0.1", port, tls=context))
        await ear.end()
        assert ear.failure is failure
        assert bytes(ear.data) == (b"" if failure else b"hello")
        assert len(heard) == (failure is None)


async def test_a_plain_server_is_no_tls_server() -> None:
    """Something else than TLS on the other end is a TLS failure."""
    server = await asyncio.start_server(serve_hello, "127.0.0.1", 0)
    async with server, a_client() as client:
        port = server.sockets[0].getsockname()[1]
        ear, _ = ask(client, Target("127.0.0.1", port, tls=ssl.create_default_context(), connect_s=0.5))
        assert (await ear.end()).failure in (Failure.TLS, Failure.UNREACHABLE)
        assert ear.failure is not None
        assert ear.failure.nothing_sent


class Proxy:
    """A forward proxy that answers CONNECT as told, and then passes bytes."""

    def __init__(self, says: bytes, port: int) -> None:
        self.says = says
        self.port = port
        self.asked: list[bytes] = []
        self.over = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self.says)
        if self.says.count(b"200") != 1:
            writer.close()
            return
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.port)

        async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while data := await source.read(65536):
                    sink.write(data)
            sink.close()

        async with asyncio.TaskGroup() as group:
            group.create_task(pass_on(reader, there_writer))
            group.create_task(pass_on(there_reader, writer))
        self.over.set()


@pytest.mark.parametrize("secure", [True, False], ids=["tls", "plain"])
async def test_a_forward_proxy_is_asked_to_connect(tmp_path: Path, *, secure: bool) -> None:
    """Through a proxy the certificate is still the upstream's own, and connections are used again."""
    authority = Authority(tmp_path)
    tls = authority.server("upstream.example") if secure else None
    server = await asyncio.start_server(serve_hello, "127.0.0.1", 0, ssl=tls)
    proxy = Proxy(b"HTTP/1.1 200 Connection established\r\n\r\n", server.sockets[0].getsockname()[1])
    middle = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    async with server, middle, a_client() as client:
        through = ("127.0.0.1", middle.sockets[0].getsockname()[1])
        context = authority.trusting() if secure else None
        target = Target("upstream.example", 443, tls=context, proxy=through)
        for number in range(3):
            ear, sending = ask(client, target)
            assert bytes((await ear.end()).data) == b"hello"
            assert sending.reused is (number > 0)
        assert proxy.asked == [b"CONNECT upstream.example:443 HTTP/1.1\r\nHost: upstream.example:443\r\n\r\n"]
        client.close()
        await until(lambda: client.connections == 0)
        async with asyncio.timeout(PATIENCE_S):
            await proxy.over.wait()


@pytest.mark.parametrize(
    "says",
    [
        b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\nbody",
        b"nonsense\r\n\r\n",
        b"",
        b"HTTP/1.1 502\r\n",
        b"x" * 70_000,
    ],
)
async def test_a_proxy_that_refuses_is_unreachable(says: bytes) -> None:
    """Anything but a 200 from the proxy, and the request has not been sent."""
    middle = await asyncio.start_server(Proxy(says, 1).serve, "127.0.0.1", 0)
    async with middle, a_client() as client:
        target = Target("::1", 80, proxy=("127.0.0.1", middle.sockets[0].getsockname()[1]))
        ear, _ = ask(client, target)
        assert (await ear.end()).failure is Failure.UNREACHABLE


# Bodies ---------------------------------------------------------------------------------------------------------------


async def test_a_body_that_gathered_while_connecting_arrives_whole() -> None:
    """What is written before there is a connection waits, is counted, and its writer is told to go on."""
    async with RawUpstream(hello) as upstream, a_client() as client:
        head = b"POST /v1/x HTTP/1.1\r\nHost: u\r\nContent-Length: 300000\r\n\r\n"
        ear, sending = ask(client, target_of(upstream), head=head, last=False)
        sending.write(b"x" * 200_000)
        assert sending.waiting_bytes == len(head) + 200_000
        await until(lambda: "ready" in ear.told)
        assert sending.waiting_bytes == 0
        sending.write(b"y" * 99_999)
        sending.end(b"z")
        await ear.end()
        assert upstream.calls[0].request.body == b"x" * 200_000 + b"y" * 99_999 + b"z"
        assert client.connections == 1


async def test_an_upstream_that_does_not_read_is_told_of() -> None:
    """A body faster than its upstream blocks the sender, and lets it go on when the upstream reads."""
    go_on = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await go_on.wait()
        await reader.readexactly(size)
        writer.write(answer(b"ok"))
        await writer.drain()
        writer.close()

    body = b"x" * 1_000_000
    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1024)
    async with server, a_client() as client:
        head = b"POST / HTTP/1.1\r\nHost: u\r\nContent-Length: 50000000\r\n\r\n"
        size = len(head) + 50 * len(body)
        ear, sending = ask(client, Target("127.0.0.1", server.sockets[0].getsockname()[1]), head=head, last=False)
        for _ in range(50):
            sending.write(body)
        sending.end()
        await until(lambda: "blocked" in ear.told)
        go_on.set()
        await ear.end()
        assert ear.told[-2:] == ["head", "data"]
        assert ear.told.index("ready", ear.told.index("blocked")) > 0


# Leaving and cancelling -----------------------------------------------------------------------------------------------


async def test_an_answer_that_was_left_may_end_by_itself() -> None:
    """The rest of an answer nobody waits for is read if it is short, and its connection is kept."""
    go_on = asyncio.Event()

    async def slow_end(call: Call) -> None:
        await call.send(SSE_HEAD + chunk(b"data: [DONE]\n\n"))
        await go_on.wait()
        await call.send(LAST_CHUNK)

    async with RawUpstream(slow_end) as upstream, a_client() as client:
        ear, sending = ask(client, target_of(upstream))
        await until(lambda: bool(ear.data))
        told = list(ear.told)
        sending.leave()
        go_on.set()
        await until(lambda: client._idle == 1)
        assert ear.told == told
        client.expire(clock.monotonic() + LEFT_S + 1)
        assert client.connections == 1


@pytest.mark.parametrize("how", ["late", "long"])
async def test_an_answer_that_was_left_and_does_not_end_is_closed(how: str) -> None:
    """What takes too long, or is too much, costs the connection."""
    go_on = asyncio.Event()

    async def endless(call: Call) -> None:
        await call.send(SSE_HEAD + chunk(b"first"))
        await go_on.wait()
        await call.send(chunk(b"x" * (LEFT_BYTES + 1)))
        await asyncio.Event().wait()

    async with RawUpstream(endless) as upstream, a_client() as client:
        ear, sending = ask(client, target_of(upstream))
        await until(lambda: bool(ear.data))
        sending.leave()
        if how == "long":
            go_on.set()
        else:
            client.expire(clock.monotonic() + LEFT_S + 0.1)
        await until(lambda: client.connections == 0)
        await until(lambda: upstream.open == 0)
        client.expire(clock.monotonic())
        assert client._left == {}


async def test_leaving_what_has_no_connection_is_nothing() -> None:
    """A request that is still connecting cannot be left; it can be cancelled."""
    async with RawUpstream(hello) as upstream, a_client() as client:
        ear, sending = ask(client, target_of(upstream))
        sending.leave()
        sending.pause_reading()
        sending.resume_reading()
        assert bytes((await ear.end()).data) == b"hello"


@pytest.mark.parametrize("script", [never, forever, hello])
async def test_a_cancel_ends_the_upstreams_work_in_every_phase(script: Callable[[Call], Any]) -> None:
    """While connecting, waiting, streaming or idle: the upstream sees the end, the listener hears nothing."""
    async with RawUpstream(script) as upstream, a_client() as client:
        target = target_of(upstream)
        for turns in range(12):
            ear, sending = ask(client, target)
            for _ in range(turns):
                await asyncio.sleep(0)
            told = list(ear.told)
            sending.cancel()
            sending.write(b"late")
            await asyncio.sleep(0.002)
            assert ear.told == told
        await until(lambda: client.connections == client._idle)
        await until(lambda: upstream.open == client._idle)


async def test_a_storm_of_cancels_leaves_the_pool_healthy() -> None:
    """Thousands of cancels at every moment, with the pool at its bound: nothing leaks and the next requests are served.

    The shape of httpcore#1093, where a pool never recovered.
    """

    async def quick(call: Call) -> None:
        await asyncio.sleep(0)
        await hello(call)

    async with RawUpstream(quick, keep_calls=False) as upstream, a_client() as client:
        target = target_of(upstream, max_connections=10)
        outcomes: set[Failure | None] = set()

        async def caller(number: int) -> None:
            for turn in range(100):
                ear, sending = ask(client, target, b"%d" % (number % 3))
                for _ in range((number * 7 + turn * 13) % 23):
                    await asyncio.sleep(0)
                outcomes.add(ear.failure)
                sending.cancel()

        async with asyncio.TaskGroup() as group:
            for number in range(30):
                group.create_task(caller(number))
        await until(lambda: not any(client._connecting.values()))
        await until(lambda: client.connections == client._idle <= 10)
        assert outcomes <= {None, Failure.SATURATED}
        for _ in range(20):
            ear, _ = ask(client, target, b"0")
            assert bytes((await ear.end()).data) == b"hello"
        client.expire(clock.monotonic() + 100)
        await until(lambda: upstream.open == 0)


async def test_closing_the_client_ends_everything() -> None:
    """Idle and busy connections are closed, and nobody is told."""
    async with RawUpstream(never) as upstream, a_client() as client:
        ears = [ask(client, target_of(upstream))[0] for _ in range(3)]
        await until(lambda: len(upstream.calls) == 3)
        client.close()
        await until(lambda: upstream.open == 0)
        assert [ear.told for ear in ears] == [[], [], []]
