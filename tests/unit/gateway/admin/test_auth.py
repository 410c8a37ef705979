import pytest

from gateway.admin.auth import Door, digest, is_elsewhere

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
    reason = Door(digest(TOKEN)).refusal(authorization=authorization, host="gateway.example")
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
    assert (Door().refusal(authorization="", host=host) is None) == passes


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
