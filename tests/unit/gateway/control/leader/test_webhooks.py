"""Webhooks, against a server that answers as the test says."""

import io
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gateway import clock
from gateway.control.leader.webhooks import QUEUE, Notifier, word_of
from gateway.control.state.port import Decided
from gateway.log import Log
from policies.schema import Webhook
from policies.terms import Move, Outcome
from tests.rooms.waiting import PATIENCE_S

WAIT_S = PATIENCE_S
TWICE = (0.0, 0.0)
TRICKLE_S = 0.02
DECIDED = Decided(
    "d1", 1_800_000_000.0, "triage", Move.ADVANCE, Outcome.PROMOTE, "ROUTE triage  DECISION PROMOTE", b"{}"
)


@dataclass
class Receiver:
    """A chat system: keeps what came, and answers with `statuses` in turn, the last for ever."""

    statuses: list[int] = field(default_factory=lambda: [204])
    posts: list[tuple[str, str, bytes]] = field(default_factory=list[tuple[str, str, bytes]])
    """Path, content type, body."""
    came: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    answers: threading.Event = field(default_factory=threading.Event)
    """While it is not set, nobody gets an answer."""
    over: threading.Event = field(default_factory=threading.Event)
    trickles: bool = False
    """It never comes to the end of its answer's head."""
    port: int = 0

    def hook(self, path: str = "/x") -> Webhook:
        return Webhook(webhook=f"http://127.0.0.1:{self.port}{path}")

    def await_posts(self, count: int) -> None:
        for _ in range(count):
            assert self.came.acquire(timeout=WAIT_S), f"{len(self.posts)} came, {count} were due"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    found.answers.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = found.statuses[min(len(found.posts), len(found.statuses) - 1)]
            found.posts.append((self.path, self.headers["content-type"], body))
            found.came.release()
            assert found.answers.wait(WAIT_S)
            if found.trickles:
                self._trickle()
            self.send_response(status)
            self.send_header("content-length", "0")
            self.send_header("location", "/elsewhere")
            self.end_headers()

        def _trickle(self) -> None:
            self.wfile.write(b"HTTP/1.1 204 No Content\r\nx: ")
            while not found.over.wait(TRICKLE_S):
                self.wfile.write(b"x")

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass  # who asked is gone

    with Server(("127.0.0.1", 0), Handler) as server:
        found.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield found
        found.answers.set()
        found.over.set()
        server.shutdown()
        thread.join(WAIT_S)


@pytest.fixture
def lines() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def notifier(receiver: Receiver, lines: io.StringIO) -> Iterator[Notifier]:
    found = Notifier(Log("controller", lambda: 0.0, lines), pauses_s=TWICE, deadline_s=WAIT_S)
    yield found
    receiver.answers.set()
    found.close()


def said(lines: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def is_telling() -> bool:
    return any(thread.name == "webhooks" for thread in threading.enumerate())


def test_the_decision_arrives_as_json(receiver: Receiver, notifier: Notifier, lines: io.StringIO) -> None:
    """One POST of the decision, to the address with its query; a 2xx counts as sent and is no news."""
    notifier.offer(DECIDED, [receiver.hook("/hooks/a?to=ops")])
    receiver.await_posts(1)
    notifier.close()
    [(path, kind, body)] = receiver.posts
    assert (path, kind) == ("/hooks/a?to=ops", "application/json")
    assert json.loads(body) == {
        "id": "d1", "at": 1_800_000_000.0, "route": "triage", "move": "advance", "outcome": "PROMOTE",
        "text": "ROUTE triage  DECISION PROMOTE",
    }  # fmt: skip
    assert (notifier.sent, notifier.failed, said(lines)) == (1, 0, [])


def test_only_those_are_told_who_asked(receiver: Receiver, notifier: Notifier) -> None:
    """Each address is told of the decisions its policy names, and of no other."""
    deaf = Webhook(webhook=receiver.hook("/deaf").webhook, on=("rollback",))
    notifier.offer(DECIDED, [deaf, receiver.hook("/hears")])
    receiver.await_posts(1)
    notifier.close()
    assert [path for path, _, _ in receiver.posts] == ["/hears"]


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_that_fails_is_tried_again(receiver: Receiver, notifier: Notifier, status: int) -> None:
    """What may pass is tried again, and sent once it has passed."""
    receiver.statuses = [status, 200]
    notifier.offer(DECIDED, [receiver.hook()])
    receiver.await_posts(2)
    notifier.close()
    assert (notifier.sent, notifier.failed) == (1, 0)


def test_an_answer_without_end_is_not_waited_for(receiver: Receiver, lines: io.StringIO) -> None:
    """A try has a deadline as a whole: a byte now and then buys the receiver nothing."""
    receiver.trickles = True
    notifier = Notifier(Log("controller", lambda: 0.0, lines), pauses_s=TWICE, deadline_s=10 * TRICKLE_S)
    notifier.offer(DECIDED, [receiver.hook()])
    receiver.await_posts(2)
    notifier.close()
    assert not is_telling()
    assert (notifier.sent, notifier.failed) == (0, 1)


def test_a_server_that_goes_on_failing_is_given_up(receiver: Receiver, notifier: Notifier, lines: io.StringIO) -> None:
    """After as many tries as there are pauses it is counted and said, and the next decision has its turn."""
    receiver.statuses = [500, 500, 200]
    notifier.offer(DECIDED, [receiver.hook("/first"), receiver.hook("/second")])
    receiver.await_posts(3)
    notifier.close()
    assert [path for path, _, _ in receiver.posts] == ["/first", "/first", "/second"]
    assert (notifier.sent, notifier.failed) == (1, 1)
    [line] = said(lines)
    assert (line["event"], line["host"], line["reason"]) == ("webhook.failed", "127.0.0.1", "status 500")


@pytest.mark.parametrize("status", [400, 404, 302])
def test_a_server_that_refuses_is_not_asked_again(receiver: Receiver, notifier: Notifier, status: int) -> None:
    """A refusal stays one, and a redirect is not followed: one try, counted as failed."""
    receiver.statuses = [status]
    notifier.offer(DECIDED, [receiver.hook()])
    receiver.await_posts(1)
    notifier.close()
    assert (len(receiver.posts), notifier.sent, notifier.failed) == (1, 0, 1)


def test_a_slow_server_holds_nobody_up(receiver: Receiver, notifier: Notifier, lines: io.StringIO) -> None:
    """While nobody answers, offers return at once; what exceeds the queue's bound is dropped, counted and said."""
    receiver.answers.clear()
    notifier.offer(DECIDED, [receiver.hook()])
    receiver.await_posts(1)
    notifier.offer(DECIDED, [receiver.hook("/s3cret")] * (QUEUE + 2))
    assert (notifier.dropped, notifier.sent, len(receiver.posts)) == (2, 0, 1)
    assert [line["event"] for line in said(lines)] == ["webhook.dropped"] * 2
    assert "s3cret" not in lines.getvalue()


def test_a_server_that_never_answers_is_given_up(receiver: Receiver, lines: io.StringIO) -> None:
    """A try ends at its deadline, and counts as failed."""
    receiver.answers.clear()
    notifier = Notifier(Log("controller", lambda: 0.0, lines), pauses_s=(0.0,), deadline_s=0.02)
    notifier.offer(DECIDED, [receiver.hook()])
    receiver.await_posts(1)
    notifier.close()
    assert (notifier.failed, said(lines)[0]["reason"], is_telling()) == (1, "TimeoutError", False)


@pytest.mark.parametrize(
    ("url", "said_of_it"),
    [
        ("http://ada:s3cret@127.0.0.1:1/s3cret?token=s3cret", ("127.0.0.1", "ConnectionRefusedError")),
        ("http://127.0.0.1:99999/s3cret", ("127.0.0.1", "ValueError")),
        ("http://[:::::]/s3cret", ("", "ValueError")),
    ],
)
def test_an_address_that_cannot_be_reached(
    receiver: Receiver, notifier: Notifier, lines: io.StringIO, url: str, said_of_it: tuple[str, str]
) -> None:
    """It is given up, the log has its host and no path, query, port or password, and the next has its turn."""
    notifier.offer(DECIDED, [Webhook(webhook=url), receiver.hook()])
    receiver.await_posts(1)
    notifier.close()
    assert (notifier.sent, notifier.failed) == (1, 1)
    [line] = said(lines)
    assert (line["host"], line["reason"]) == said_of_it
    assert "s3cret" not in lines.getvalue()


def test_closing_waits_for_no_pause(receiver: Receiver, lines: io.StringIO) -> None:
    """Between two tries `close` ends the thread at once, and nothing later is told."""
    receiver.statuses = [500]
    notifier = Notifier(Log("controller", lambda: 0.0, lines), pauses_s=(0.0, 3600.0), deadline_s=WAIT_S)
    notifier.offer(DECIDED, [receiver.hook()])
    receiver.await_posts(1)
    notifier.close()
    notifier.offer(DECIDED, [receiver.hook()])
    assert (len(receiver.posts), is_telling()) == (1, False)


def test_closing_who_never_told_anything(notifier: Notifier) -> None:
    """Without a decision there is no thread, and nothing to wait for."""
    assert not is_telling()
    notifier.close()
    assert (notifier.sent, notifier.failed, notifier.dropped) == (0, 0, 0)


@pytest.mark.parametrize(
    ("move", "outcome", "word"),
    [
        (Move.ADVANCE, Outcome.PROMOTE, "advance"),
        (Move.ROLL_BACK, Outcome.ROLLBACK, "rollback"),
        (Move.SUSPEND, Outcome.SUSPEND, "suspend"),
        (Move.RETURN, Outcome.RETURN, "return"),
        (Move.REJECT, Outcome.REJECTED, "reject"),
        (Move.AWAIT, Outcome.HOLD, "await"),
        (Move.PAUSE, Outcome.INCONCLUSIVE, "inconclusive"),
        (Move.PAUSE, Outcome.HOLD, ""),
        (Move.HOLD, Outcome.HOLD, ""),
        (Move.RESTART, Outcome.HOLD, ""),
    ],
)
def test_the_words_of_the_policy_file(move: Move, outcome: Outcome, word: str) -> None:
    """A decision is called what `notify: on:` calls it; an operator's pause is nothing one asks to be told of."""
    assert word_of(Decided("d", 0.0, "r", move, outcome, "", b"")) == word


def test_what_is_queued_at_the_end_is_told(receiver: Receiver, notifier: Notifier) -> None:
    """Each gets a try; nobody who stops the controller loses the news of its last decisions."""
    receiver.answers.clear()
    for _ in range(5):
        notifier.offer(DECIDED, [receiver.hook()])
    receiver.await_posts(1)  # under way, and not answered yet
    receiver.answers.set()
    notifier.close()
    assert (len(receiver.posts), notifier.sent, notifier.dropped) == (5, 5, 0)
    assert not is_telling()


def test_the_end_waits_for_no_receiver_that_hangs(receiver: Receiver, lines: io.StringIO) -> None:
    """What cannot be told in time is counted and said: the supervisor waits no longer."""
    notifier = Notifier(Log("controller", lambda: 0.0, lines), pauses_s=TWICE, close_s=0.2)
    receiver.answers.clear()
    for _ in range(3):
        notifier.offer(DECIDED, [receiver.hook()])
    receiver.await_posts(1)
    began_s = clock.monotonic()
    notifier.close()
    assert clock.monotonic() - began_s < PATIENCE_S
    assert notifier.sent == 0
