"""Who calls: the credential as an HMAC, the gateway's own keys, and which callers the frontier has accepted.

A raw key lives in a request's headers, and in the bounded memory of heads and credentials seen lately; it is never
written, logged or sent to a candidate.
"""

import hmac
from collections import OrderedDict
from typing import Final

from gateway.transport.message import Head
from gateway.transport.upstreams import CREDENTIALS
from policies.routing import Key

VERIFIED_S: Final = 15 * 60.0
REVERIFY_SHARE: Final = 64
"""One request in so many asks the frontier again although its key is known to be good."""
NOTED_S: Final = 1.0
"""A caller who was accepted so lately is not noted again."""
MOST_CALLERS: Final = 65_536


def credential(head: Head) -> bytes:
    """What the caller shows: its Authorization, or the header that stands for it. Empty: nothing."""
    for name in CREDENTIALS:
        found = head.get(name)
        if found:
            return found
    return b""


class Caller:
    """A credential, as far as it is kept: `id` is 16 hex digits of its HMAC."""

    __slots__ = ("id", "key", "pool")

    def __init__(self, id_: str, key: Key | None) -> None:
        self.id = id_
        self.key = key
        self.pool = id_.encode()
        """Upstream connections are shared by requests of the same caller only."""


NOBODY: Final = Caller("", None)


class Callers:
    """Finds the caller of a credential; remembers, within a bound, which credentials the frontier has accepted."""

    def __init__(self, pepper: bytes, *, most: int = MOST_CALLERS) -> None:
        """`most`: accepted callers that are remembered; of credentials a sixteenth of it."""
        self._pepper = pepper
        self._most = most
        self._keys: dict[str, Key] = {}
        self._known: OrderedDict[bytes, Caller] = OrderedDict()
        self._accepted: OrderedDict[tuple[str, str], float] = OrderedDict()
        """When, by upstream and caller: what one server takes for a good key says nothing of another's."""

    def set_keys(self, keys: tuple[Key, ...]) -> None:
        """The gateway's keys, as the routing table lists them."""
        self._keys = {key.hmac: key for key in keys}
        self._known.clear()

    def find(self, shown: bytes) -> Caller:
        """Whose credential this is; `key` is None for one that is no live gateway key."""
        if not shown:
            return NOBODY
        caller = self._known.get(shown)
        if caller is None:
            secret = shown[7:].strip() if shown[:7].lower() == b"bearer " else shown
            digest = hmac.digest(self._pepper, secret, "sha256").hex()
            key = self._keys.get(digest)
            caller = Caller(digest[:16], key if key is not None and not key.revoked else None)
            self._known[shown] = caller
            if len(self._known) > self._most // 16:
                self._known.popitem(last=False)
        return caller

    def is_revoked(self, key: Key) -> bool:
        """Whether a key that was good is so no longer."""
        found = self._keys.get(key.hmac)
        return found is None or found.revoked

    def accepted(self, upstream: str, caller: Caller, now: float) -> bool:
        """Whether the frontier `upstream` has answered this caller lately."""
        at = self._accepted.get((upstream, caller.id))
        return at is not None and now - at < VERIFIED_S

    def note(self, upstream: str, caller: Caller, status: int, now: float) -> None:
        """The frontier `upstream` answered this caller with `status`."""
        known = (upstream, caller.id)
        if 200 <= status < 300:
            at = self._accepted.get(known)
            if at is not None and 0 <= now - at < NOTED_S:
                return
            self._accepted[known] = now
            self._accepted.move_to_end(known)
            if len(self._accepted) > self._most:
                self._accepted.popitem(last=False)
        elif status in (401, 403):
            self._accepted.pop(known, None)
