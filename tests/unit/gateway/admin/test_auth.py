import pytest

from gateway.admin.auth import Credentials, Door, digest, is_elsewhere, is_public
from gateway.admin.sessions import COOKIE, LIFETIME_S

TOKEN = "a-token-of-some-length"


@pytest.mark.parametrize(
    ("authorization", "passes"),
    [
        (f"Bearer {TOKEN}", True),
        (f"bearer  {TOKEN} ", True),
        (TOKEN, False),
        (f"Basic {TOKEN}", False),
        ("Bearer ", False),
        ("", False),
        (f"Bearer {TOKEN}x", False),
    ],
)
def test_with_a_token(authorization: str, *, passes: bool) -> None:
    """Who shows the token passes whatever the name; nobody else does, and the refusal does not hint at it."""
    reason = Door(digest(TOKEN)).refusal(Credentials("gateway.example", authorization), now=0.0)
    assert (reason is None) == passes
    assert TOKEN not in (reason or "")


@pytest.mark.parametrize(
    ("host", "passes"),
    [
        ("localhost:8081", True),
        ("127.0.0.1", True),
        ("127.8.8.8:1", True),
        ("[::1]:8081", True),
        ("[::1]", True),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example:8081", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_without_a_token(host: str, *, passes: bool) -> None:
    """Without a token only names of this machine pass: a web page cannot read the port under a name of its own."""
    assert (Door().refusal(Credentials(host), now=0.0) is None) == passes


@pytest.mark.parametrize(
    ("origin", "elsewhere"),
    [
        ("", False),
        ("http://127.0.0.1:8081", False),
        ("http://127.0.0.1:8082", True),
        ("https://evil.example", True),
        ("null", True),
    ],
)
def test_pages_of_other_sites(origin: str, *, elsewhere: bool) -> None:
    """A browser says whose page asks: only this port's own pages, and programs that are no browser, are from here."""
    assert is_elsewhere(origin=origin, host="127.0.0.1:8081") == elsewhere


def test_roles_by_token_and_by_session() -> None:
    """The admin token operates, the viewer's looks; each one's session does the same until its time is over."""
    door = Door(digest(TOKEN), digest("a-token-that-looks"))
    assert (door.role_of_token(TOKEN), door.role_of_token("a-token-that-looks")) == ("operator", "viewer")
    assert door.role_of_token("") is None
    for role in ("operator", "viewer"):
        given = Credentials("h", cookies=f"a=b; {COOKIE}={door.session(role, now=100.0)}")
        assert door.role(given, now=100.0 + LIFETIME_S - 2) == role
        assert door.role(given, now=100.0 + LIFETIME_S + 1) is None
        assert Door(digest("another-token")).role(given, now=100.0) is None
    assert door.role(Credentials("h", "Basic x", f"{COOKIE}={door.session('operator', now=1.0)}"), now=1.0) is None
    assert Door().session("operator", now=1.0) == ""


def test_public_is_the_way_in_alone() -> None:
    """Signing in and what its page is drawn with are public; a path that only begins like one is not."""
    assert is_public("/sign-in")
    assert is_public("/console/static/console.css")
    assert not any(is_public(path) for path in ("/", "/sign-in/x", "/console/live", "/console/staticx", "/sign-inx"))
