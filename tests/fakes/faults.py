"""What can go wrong with an upstream's answer, as a value that a test, a header or a command line can state."""

from typing import Literal

import msgspec


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One answer's faults; the default is none. They combine where that makes sense."""

    delay_s: float = 0.0
    """Before the head."""
    before: Literal["", "reset", "close", "hang", "garbage"] = ""
    """Instead of a head."""
    early: bool = False
    """Answer at the request's head, before its body is read."""
    interim: tuple[int, ...] = ()
    """1xx answers before the head: 100, 103."""
    status: int = 200
    """Anything but 200 answers with `body`, or an error object of that status."""
    body: str | None = None
    """Instead of what the API would answer."""
    content_type: str | None = None
    headers: dict[str, str] = {}
    gzip: bool = False
    framing: Literal["", "close", "bad_chunk", "short"] = ""
    """`close`: no length, no chunks. `bad_chunk`: a chunk size that is no number, after `after` events.
    `short`: the connection closes before the promised content-length."""
    after: int = 0
    """Events sent in full before `cut` or `bad_chunk`; of a whole answer: bytes."""
    cut: Literal["", "reset", "close", "half_close", "hang", "error_event", "garbage", "no_done"] = ""
    """How the answer breaks: `close` ends the connection, `half_close` only our side of it, `no_done` ends the body
    as if all were well."""
    endless: bool = False
    """Content for as long as somebody listens."""
    piece_bytes: int = 0
    """Write so many bytes at a time, each in a chunk of its own."""
    gap_s: float = 0.0
    """Between events, or pieces."""


NONE = Fault()
HEADER = "x-evilup"
"""A request may carry its fault in this header, as JSON."""


def read_fault(text: bytes) -> Fault:
    """The fault that a header or an argument states.

    Raises:
        msgspec.MsgspecError: no such fault.
    """
    return msgspec.json.decode(text, type=Fault)
