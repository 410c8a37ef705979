"""The URL of a server that keeps the shared state."""

from urllib.parse import unquote, urlsplit

import msgspec


class StateServer(msgspec.Struct, frozen=True):
    """A URL's parts."""

    host: str = "localhost"
    port: int = 6379
    database: int = 0
    username: str | None = None
    tls: bool = False
    socket: str | None = None
    """A Unix socket; then host and port mean nothing."""

    @property
    def name(self) -> str:
        """The server's URL for messages, without secrets."""
        return self.socket if self.socket is not None else f"{self.host}:{self.port}/{self.database}"


def server(url: str) -> StateServer:
    """The parts of a state URL.

    Raises:
        ValueError: it is none, or holds what it may not.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise ValueError("sqlite, redis://host:6379/0, rediss://host:6379/0 or unix:///path/to/socket")
    if parts.password is not None:
        raise ValueError("no password in a URL: name a file as `state_password_file`")
    if parts.query or parts.fragment:
        raise ValueError("a state URL ends with the database's number: redis://host:6379/0")
    if parts.scheme == "unix":
        if not parts.path or parts.netloc:
            raise ValueError("write a socket as unix:///path/to/socket")
        return StateServer(socket=unquote(parts.path))
    database = parts.path.strip("/") or "0"
    if not parts.hostname or parts.port == 0 or not database.isdecimal():
        raise ValueError("write a server as redis://host:6379/0, its database's number last")
    return StateServer(
        host=parts.hostname,
        port=parts.port or 6379,
        database=int(database),
        username=unquote(parts.username) if parts.username else None,
        tls=parts.scheme == "rediss",
    )
