"""A candidate's answer, as the app is to see it: like the frontier's, from its first byte to its last.

`adapt_whole` is for an answer that comes in one piece. `StreamAdapter` is given the bytes of a stream and gives those
for the app. It keeps the stream's head back until the first real token: engines say 200 and a role before they
generate, and only until then can the baseline still take over unseen.

    out = adapter.feed(data)            # b"" until the first token
    if adapter.failure:                 # before `begun`: ask the baseline; after: send out + broken(), then abort
    if adapter.done:                    # the last bytes are in `out`: end the body now

Source: wire.md finding 6 and B5 in words.
"""

from typing import Final

from gateway.rewrite import chat, embeddings, responses
from gateway.rewrite.chat import ChatStream
from gateway.rewrite.problem import CandidateFailure
from gateway.rewrite.responses import ResponseStream
from gateway.rewrite.shapes import AnswerShape, WireUsage
from policies.routing import Variant
from records.wire.event import StreamEvent
from records.wire.sse import Decoder

_HEAD_BYTES: Final = 1024 * 1024
"""A head that is longer without a token is no answer."""


def adapt_whole(body: bytes, asked: AnswerShape, variant: Variant) -> bytes | CandidateFailure:
    """The whole answer `body` for the app, or why the baseline has to give it."""
    if asked.surface == "responses":
        return responses.adapt_whole(body, asked, variant)
    if asked.surface == "embeddings":
        return embeddings.adapt_whole(body, asked, variant)
    return chat.adapt_whole(body, asked, variant)


def is_empty(out: bytes, asked: AnswerShape) -> bool:
    """Whether `out`, of `adapt_whole`, has neither words nor calls. Completions may be empty: nothing follows there."""
    if asked.surface == "responses":
        return b'"output":[]' in out
    return asked.surface == "chat" and chat.is_mute(out)


class StreamAdapter:
    """One candidate's stream on its way to the app."""

    def __init__(self, asked: AnswerShape, variant: Variant) -> None:
        self.failure: CandidateFailure | None = None
        """Why the answer cannot be had, or not be finished."""
        self._decoder = Decoder()
        self._stream = (ResponseStream if asked.surface == "responses" else ChatStream)(asked, variant)
        self._head = b""

    @property
    def begun(self) -> bool:
        """The first real token has come: from here on the answer is the candidate's."""
        return self._stream.begun

    @property
    def done(self) -> bool:
        """The stream has ended as it should; what follows is nothing to the app."""
        return self._stream.done

    @property
    def is_said(self) -> bool:
        """All of the answer is there, and only its end is missing."""
        return self._stream.is_said

    @property
    def said_bytes(self) -> int:
        """How much was said so far: words, thoughts and calls, whether or not the app is shown them."""
        return self._stream.said_bytes

    @property
    def is_empty(self) -> bool:
        """What was said so far has neither words nor calls."""
        return self._stream.is_empty

    @property
    def usage(self) -> WireUsage | None:
        """The tokens that the engine counted, whether or not the app is told."""
        return self._stream.usage if isinstance(self._stream, ChatStream) else None

    def feed(self, data: bytes) -> bytes:
        """What the app gets for the next `data` of a stream; b"" until the first real token, and after a failure."""
        return self._take(self._decoder.feed(data))

    def end(self) -> bytes:
        """What the app still gets when the upstream's body has ended cleanly. Sets `failure` if that was too early."""
        last = self._take(self._decoder.finish())
        return last if self.failure else last + self._show(self._stream.cut())

    def broken(self) -> bytes:
        """The event that tells an SDK that the begun stream failed; the connection is to be aborted after it."""
        return self._stream.broken()

    def _take(self, events: list[StreamEvent]) -> bytes:
        out = b"".join([self._told(event) for event in events if not (self.done or self._stream.failure)])
        if self._decoder.overflowed and not self.done:
            self._stream.failure = self._stream.failure or CandidateFailure("failure", "too_large")
        return self._show(out)

    def _told(self, event: StreamEvent) -> bytes:
        stream = self._stream
        return stream.take(event.data) if isinstance(stream, ChatStream) else stream.take(event.data, event.event)

    def _show(self, out: bytes) -> bytes:
        self.failure = self._stream.failure
        if self.begun:
            head, self._head = self._head, b""
            return head + out
        self._head += out
        if len(self._head) > _HEAD_BYTES:
            self.failure = CandidateFailure("failure", "empty")
        return b""
