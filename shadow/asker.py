"""Who asks, and what a conversation begins with: the hashes by which evidence knows that they come again. Pure."""

from dataclasses import dataclass

from policies.assignment import unit
from policies.request.body import Call, read_body
from records.exchange import Exchange

MOST_BYTES = 1024 * 1024
"""A longer request is not looked into: it is known by its unit alone."""


@dataclass(frozen=True, slots=True)
class AskedBy:
    """Of one exchange."""

    user: str = ""
    """A hash of the key and of the user it names; empty: the request names none."""
    prompt: str = ""
    """A hash of what the conversation begins with, whoever asks it; empty: not known."""


NOBODY = AskedBy()


def asked_by(exchange: Exchange) -> AskedBy:
    """Whose request it is; of one that is not kept nothing is known."""
    raw, meta = exchange.request_body, exchange.meta
    if not raw or len(raw) > MOST_BYTES:
        return NOBODY
    body = read_body(raw)
    if body is None:
        return NOBODY
    path = meta.target.partition("?")[0]
    user = unit(("user",), Call(path, {}, body, body_bytes=len(raw), key_id=meta.key_id))
    if user is not None:
        return AskedBy(user=user.hash)
    prompt = unit(("conversation",), Call(path, {}, body, body_bytes=len(raw)))
    return NOBODY if prompt is None else AskedBy(prompt=prompt.hash)
