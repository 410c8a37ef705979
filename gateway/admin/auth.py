"""Who may use the admin port: one door, asked by the supervisor's front and again by the admin process."""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from gateway.admin import sessions
from gateway.admin.sessions import Role

Access = Literal["probe", "public", "viewer", "operator"]
"""What a page of the admin port asks for: `probe` nothing (an orchestrator calls it), `public` nothing either (signing
in, and what its page is drawn with), `viewer` the right to look, `operator` the right to change what is in force. The
admin token gives both, the viewer's token the first; another site's page never operates."""

PROBES = frozenset({"/healthz", "/readyz"})
SIGN_IN = "/sign-in"
STATIC = "/console/static/"


class Credentials(NamedTuple):
    """What a request says of its sender."""

    host: str
    authorization: str = ""
    cookies: str = ""


def is_public(path: str) -> bool:
    """Whether a page shows nothing but how to sign in."""
    return path == SIGN_IN or path.startswith(STATIC)


@dataclass(frozen=True, slots=True)
class Door:
    """The admin port's tokens, or without one the names it may be called by."""

    token_sha256: str | None = None
    """Hex. None: no token is configured, and the port is on a loopback address."""
    viewer_sha256: str | None = None
    """Hex, of a token that only looks. None: there is none such."""

    def role(self, given: Credentials, *, now: float) -> Role | None:
        """What a request may do; None: nothing."""
        if self.token_sha256 is None:
            # A web page may point a name of its own at 127.0.0.1, and the browser would let it read what is here.
            return "operator" if _is_local(given.host) else None
        scheme, _, token = given.authorization.partition(" ")
        if scheme:
            return self.role_of_token(token.strip()) if scheme.lower() == "bearer" else None
        session = sessions.read(given.cookies)
        return self._role_of_session(session, now) if session else None

    def role_of_token(self, token: str) -> Role | None:
        """Which role a token gives."""
        found: Role | None = None
        known: tuple[tuple[Role, str | None], ...] = (("viewer", self.viewer_sha256), ("operator", self.token_sha256))
        for role, expected in known:
            if expected is not None and hmac.compare_digest(digest(token), expected):
                found = role
        return found

    def session(self, role: Role, *, now: float) -> str:
        """A cookie for who has shown the role's token; empty where no token is asked for."""
        key = self.viewer_sha256 if role == "viewer" else self.token_sha256
        return "" if key is None else sessions.sealed(key, role, now=now)

    def refusal(self, given: Credentials, *, now: float) -> str | None:
        """Why a request may not even look, or None. Says nothing about the token it wants."""
        if self.role(given, now=now) is not None:
            return None
        if self.token_sha256 is None:
            return "without a token the admin port answers to a loopback address only"
        return "send the admin token: Authorization: Bearer TOKEN"

    def _role_of_session(self, session: str, now: float) -> Role | None:
        for key in (self.viewer_sha256, self.token_sha256):
            if key is not None and (role := sessions.role_of(session, key, now=now)) is not None:
                return role
        return None


def is_elsewhere(*, origin: str, host: str) -> bool:
    """Whether a browser sends this for a page of another site: then it must change nothing, whatever it carries."""
    return bool(origin) and urlsplit(origin).netloc.lower() != host.lower()


def digest(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def _is_local(host: str) -> bool:
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    return name in ("localhost", "[::1]") or (name.startswith("127.") and name.replace(".", "").isdecimal())
