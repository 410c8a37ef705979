"""Who asks, and what a conversation begins with: the hashes by which evidence knows that they come again. Pure."""

from dataclasses import dataclass

from policies.assignment import unit
from policies.request.body import Call, endpoint_of, read_body
from records.exchange import Exchange
from records.prompt_dates import without_dates
from shadow.request_slices import slices_of

MOST_BYTES = 1024 * 1024
"""A longer request is not looked into: it is known by its unit alone."""


@dataclass(frozen=True, slots=True)
class AskedBy:
    """Who asked, and with which first prompt: hashes of one exchange."""

    user: str = ""
    """A hash of the key and of the user it names; empty: the request names none."""
    prompt: str = ""
    """A hash of what the conversation begins with, whoever asks it; empty: not known."""

    slices: tuple[str, ...] = ()
    """What slices of the traffic it is of, as `language=german`."""


NOBODY = AskedBy()


def asked_by(exchange: Exchange, sliced_by: tuple[str, ...] = ()) -> AskedBy:
    """Whose request it is, and of which slices; of one that is not kept nothing is known."""
    raw, meta = exchange.request_body, exchange.meta
    body = read_body(raw) if raw and len(raw) <= MOST_BYTES else None
    slices = slices_of(exchange, body, sliced_by)
    if body is None:
        return AskedBy(slices=slices)
    path = endpoint_of(meta.target)
    user = unit(("user",), Call(path, {}, body, body_bytes=len(raw), key_id=meta.key_id))
    if user is not None:
        return AskedBy(user=user.hash, slices=slices)
    prompt = unit(("conversation",), Call(path, {}, body, body_bytes=len(raw)), without_dates)
    return AskedBy(prompt="" if prompt is None else prompt.hash, slices=slices)
