import pytest

from gateway.config.state_url import StateServer, server


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://cache", StateServer("cache")),
        ("redis://cache:6380/3", StateServer("cache", 6380, 3)),
        ("redis://me%40home@cache/0", StateServer("cache", username="me@home")),
        ("rediss://cache/1", StateServer("cache", database=1, tls=True)),
        ("redis://[::1]:7000/", StateServer("::1", 7000)),
        ("unix:///run/my%20redis.sock", StateServer(socket="/run/my redis.sock")),
    ],
)
def test_what_a_url_says(url: str, expected: StateServer) -> None:
    """Host, port, database, user and TLS come from the URL; a socket stands for all of them."""
    assert server(url) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mysql://cache/0", "sqlite, redis://"),
        ("cache:6379", "sqlite, redis://"),
        ("redis://:planted@cache", "state_password_file"),
        ("redis://cache/0?db=1", "ends with the database"),
        ("redis://cache/0#x", "ends with the database"),
        ("redis:///0", "redis://host:6379/0"),
        ("redis://cache/zero", "redis://host:6379/0"),
        ("redis://cache:0/0", "redis://host:6379/0"),
        ("unix://cache/run/s", "unix:///"),
        ("unix://", "unix:///"),
    ],
)
def test_what_is_no_url_of_a_state(url: str, expected: str) -> None:
    """What cannot be used is refused with how to write it, and no password is repeated."""
    with pytest.raises(ValueError, match=expected) as error:
        server(url)
    assert "planted" not in str(error.value)


def test_a_server_is_named_without_secrets() -> None:
    """Messages name the place, and nobody's name or password."""
    assert server("redis://me@cache:6380/3").name == "cache:6380/3"
    assert server("unix:///run/s").name == "/run/s"
