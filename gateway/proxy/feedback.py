"""POST /v1/feedback: the one path of the data port that is ours."""

from typing import Annotated, Protocol

import msgspec

from gateway import errors
from gateway.proxy.callers import Caller
from gateway.proxy.feedback_budget import FeedbackBudget
from gateway.transport.limits import Limits
from gateway.transport.message import RequestHead, head_bytes, http_date
from gateway.transport.server import AppConnection
from records.exchange import FeedbackFrame
from records.journal.writer import JournalWriter

MOST_BYTES = 256 * 1024


class FeedbackFields(msgspec.Struct):
    """What may be said of an answer."""

    request_id: str
    score: Annotated[float, msgspec.Meta(ge=-1, le=1)] | None = None
    label: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    comment: str | None = None
    corrected_output: msgspec.Raw = msgspec.Raw()


class Desk(Protocol):
    """What taking feedback needs of the worker."""

    journal: JournalWriter
    limits: Limits
    votes: FeedbackBudget

    def now(self) -> float:
        """Monotonic seconds."""
        ...

    def wall(self) -> float:
        """Unix seconds."""
        ...

    def is_ours(self, request_id: str) -> bool:
        """Whether a request id is one of our making."""
        ...

    def feedback_ended(self) -> None:
        """The request is over."""
        ...


class FeedbackLife:
    """One feedback request: gathered, looked at, put into the journal, answered with 202."""

    __slots__ = ("_body", "_bytes", "_caller", "_connection", "_desk", "_done", "_refused", "_request")

    def __init__(self, desk: Desk, request: RequestHead, connection: AppConnection, caller: Caller) -> None:
        self._desk = desk
        self._request = request
        self._connection = connection
        self._caller = caller
        self._body: list[bytes] = []
        self._bytes = 0
        self._done = False
        self._refused = ""

    def on_body(self, data: bytes) -> None:
        """More of the body."""
        self._bytes += len(data)
        if self._bytes <= MOST_BYTES:
            if not self._refused:
                self._body.append(data)
        elif not self._done:
            self._answer("body_too_large")

    def on_whole(self, body: bytes) -> None:
        """The body, in one piece."""
        self.on_body(body)
        self.on_body_end()

    def on_body_end(self) -> None:
        """The body is whole."""
        if self._done:
            return
        if self._refused:
            self._answer(self._refused)
            return
        body = b"".join(self._body)
        try:
            said = msgspec.json.decode(body, type=FeedbackFields)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._answer("bad_feedback", str(error))
            return
        if said.score is None and said.label is None and said.comment is None and not said.corrected_output:
            self._answer("bad_feedback", "none of them is there")
        elif not self._desk.is_ours(said.request_id):
            self._answer("unknown_request")
        elif not self._desk.votes.take(self._caller.id, self._bytes, self._desk.now()):
            self._answer("feedback_limit")
        else:
            kept = self._desk.journal.feedback(FeedbackFrame(said.request_id, self._desk.wall(), self._caller.id, body))
            self._answer("" if kept else "overloaded")

    def refuse(self, code: str) -> None:
        """Answer with an error of ours once the body was passed over: its connection can go on."""
        self._refused = code

    def on_gone(self) -> None:
        """The app hung up."""
        if not self._done:
            self._done = True
            self._desk.feedback_ended()

    def has_begun(self) -> bool:
        """The answer is one small write, and the last thing that happens."""
        return False

    def on_blocked(self) -> None:
        """The answer is one small write."""

    def on_ready(self) -> None:
        """See `on_blocked`."""

    def _answer(self, code: str, detail: str = "") -> None:
        self._done = True
        if code:
            status, body = errors.CODES[code].status, errors.body(code, detail)
            told = errors.headers(code, retry_after_s=self._desk.limits.retry_after_s)
        else:
            status, body, told = 202, b'{"object":"crossfade.feedback","accepted":true}', []
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *told]
        headers.append((b"date", http_date(self._desk.wall())))
        head = head_bytes(b"HTTP/1.1 %d %b" % (status, b"Error" if code else b"Accepted"), headers)
        self._connection.write(b"%b\r\n\r\n%b" % (head, body))
        self._connection.finish()
        self._desk.feedback_ended()
