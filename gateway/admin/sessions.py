"""A browser's session on the admin port: an admin token, exchanged for a signed cookie. No state is kept.

Rules:
1. The cookie says which role until when, under a key made of that role's token: a token that is changed ends them all.
2. A cookie is never enough to change anything: a form also carries a word that only our own pages know (`form_word`).
"""

import hashlib
import hmac
import secrets
from typing import Literal

COOKIE = "crossfade_session"
LIFETIME_S = 12 * 3600.0
Role = Literal["viewer", "operator"]
_ROLES: tuple[Role, ...] = ("viewer", "operator")


def sealed(token_sha256: str, role: Role, *, now: float) -> str:
    """A session's cookie."""
    told = f"{role}.{int(now + LIFETIME_S)}.{secrets.token_urlsafe(12)}"
    return f"{told}.{_mac(token_sha256, told)}"


def role_of(value: str, token_sha256: str, *, now: float) -> Role | None:
    """Whose cookie it is, under this token; None: nobody's, or its time is over."""
    told, _, mac = value.rpartition(".")
    if not hmac.compare_digest(mac.encode(), _mac(token_sha256, told).encode()):
        return None
    role, until, _ = told.split(".")
    return next((each for each in _ROLES if each == role and now < int(until)), None)


def read(cookies: str) -> str:
    """The session's value in a Cookie header; empty: none, or several."""
    found = [pair.partition("=")[2] for pair in cookies.split("; ") if pair.partition("=")[0] == COOKIE]
    return found[0] if len(found) == 1 else ""


def header(value: str, *, is_secure: bool) -> str:
    """The Set-Cookie of a session; of an empty one, its end."""
    age_s = int(LIFETIME_S) if value else 0
    secure = "; Secure" if is_secure else ""
    return f"{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age_s}{secure}"


def form_word(key: bytes, session: str) -> str:
    """What a form of ours carries: other sites' pages cannot know it."""
    return hmac.digest(key, session.encode("utf-8", "surrogateescape"), "sha256").hex()


def _mac(token_sha256: str, told: str) -> str:
    key = hashlib.sha256(b"crossfade console session\n" + token_sha256.encode()).digest()
    return hmac.digest(key, told.encode("utf-8", "surrogateescape"), "sha256").hex()
