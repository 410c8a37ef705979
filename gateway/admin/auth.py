"""Who may use the admin port: one door, asked by the supervisor's front and again by the admin process."""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

Access = Literal["probe", "viewer", "operator"]
"""What a page of the admin port asks for: `probe` nothing (an orchestrator calls it), `viewer` the right to look,
`operator` the right to change what is in force. The admin token gives both; another site's page never operates."""

PROBES = frozenset({"/healthz", "/readyz"})


@dataclass(frozen=True, slots=True)
class Door:
    """The admin port's token, or without one the names it may be called by."""

    token_sha256: str | None = None
    """Hex. None: no token is configured, and the port is on a loopback address."""

    def refusal(self, *, authorization: str, host: str) -> str | None:
        """Why a request may not pass, or None. Says nothing about the token it wants."""
        if self.token_sha256 is None:
            # A web page may point a name of its own at 127.0.0.1, and the browser would let it read what is here.
            return None if _is_local(host) else "without a token the admin port answers to a loopback address only"
        scheme, _, given = authorization.partition(" ")
        known = scheme.lower() == "bearer" and hmac.compare_digest(digest(given.strip()), self.token_sha256)
        return None if known else "send the admin token: Authorization: Bearer TOKEN"


def is_elsewhere(*, origin: str, host: str) -> bool:
    """Whether a browser sends this for a page of another site: then it must change nothing, whatever it carries."""
    return bool(origin) and urlsplit(origin).netloc.lower() != host.lower()


def digest(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def _is_local(host: str) -> bool:
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    return name in ("localhost", "[::1]") or (name.startswith("127.") and name.replace(".", "").isdecimal())
