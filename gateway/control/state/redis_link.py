"""One connection to a Redis or Valkey server, with a deadline on everything. Nothing is asked twice by itself.

A command that may have been carried out is never repeated here: whoever asked sees `StateDownError` and looks again.
"""

import contextlib
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol, cast

from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ConnectionError as LinkLostError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as LinkSlowError
from redis.retry import Retry

from gateway.config.state_url import StateServer
from gateway.control.state.port import StateDownError
from records.named_file import require_file

ANSWER_S = 0.25
"""Longest wait for each piece of an answer."""
CONNECT_S = 0.5
"""Longest wait for a connection, looking up the server's name and signing in included."""
CALL_S = 1.0
"""Longest a call may take, however many answers it needs."""
PAUSE_S = 1.0
"""After a server could not be reached it is left alone for so long: calls fail at once."""
TRIES = 3
"""How often a change is tried that another one got ahead of."""

Command = tuple[str | bytes | int | float, ...]
Reply = Any


_TYPES = {"H": "hash", "S": "set", "X": "stream", "Z": "zset"}
"""A key's type, by the first letter of the commands for it."""


class WrongTypeError(Exception):
    """A key of ours holds something of another type: somebody else wrote there."""

    def __init__(self, command: Command) -> None:
        super().__init__(f"{command[1]} is of another type")
        self.name = str(command[1])
        """The key."""
        verb = str(command[0])
        self.type = "string" if verb in ("GET", "SET") else _TYPES.get(verb[0], "string")
        """What it should be."""


class Wire(Protocol):
    """What is used of redis-py's connections, which know the protocol, TLS and how to sign in."""

    def connect(self) -> None:
        """Connect and sign in."""
        ...

    def disconnect(self) -> None:
        """Hang up."""
        ...

    def pack_commands(self, commands: Sequence[Command]) -> list[bytes]:
        """The bytes of commands."""
        ...

    def send_packed_command(self, command: list[bytes]) -> None:
        """Send them."""
        ...

    def read_response(self, *, timeout: float) -> Reply:
        """The next answer; an error that the server answers is raised."""
        ...


@dataclass(slots=True)
class Link:
    """Asks one server."""

    server: StateServer
    password: str | None = field(repr=False)
    ca_file: str | None
    monotonic: Callable[[], float]
    _connection: Wire | None = field(default=None, init=False)
    _connecting: threading.Thread | None = field(default=None, init=False)
    _until: float = field(default=0.0, init=False)
    """The call's deadline."""
    _paused_until: float = field(default=float("-inf"), init=False)
    _reason: str = field(default="", init=False)

    @contextlib.contextmanager
    def call(self) -> Generator[None]:
        """One call of the port: all that is asked within shares one deadline.

        Raises:
            StateDownError: anything went wrong with the server.
        """
        now = self.monotonic()
        if now < self._paused_until:
            raise StateDownError(self._reason)  # the same words: whoever logs changes has nothing new to say
        self._until = now + CALL_S
        try:
            yield
        except (LinkLostError, LinkSlowError, OSError) as error:
            self.close()
            self._reason = f"{self.server.name}: {_words(error)}"
            self._paused_until = self.monotonic() + PAUSE_S
            raise StateDownError(self._reason) from error
        except RedisError as error:
            self.close()
            raise StateDownError(f"{self.server.name}: {_words(error)}") from error

    def ask(self, *commands: Command) -> list[Reply]:
        """The answers, in one round trip.

        Raises:
            RedisError: to be caught by `call`.
            WrongTypeError: a key is of another type; the connection is of no more use.
        """
        connection = self._connected()
        connection.send_packed_command(connection.pack_commands(commands))
        found: list[Reply] = []
        for command in commands:
            try:
                found.append(self._read(connection))
            except ResponseError as error:
                self._refuse(error, command)
            if command == ("EXEC",) and found[-1] is not None:
                self._check(found[-1], commands[commands.index(("MULTI",)) + 1 :])
        return found

    def _check(self, done: list[Reply], commands: Sequence[Command]) -> None:
        """See that every command of a transaction was carried out."""
        for command, each in zip(commands, done, strict=False):
            if isinstance(each, ResponseError):
                self._refuse(each, command)

    def _refuse(self, error: ResponseError, command: Command) -> NoReturn:
        """Raise the error that a server's refusal means; unread answers go with the connection."""
        if not str(error).startswith("WRONGTYPE") or len(command) < 2:
            raise error
        self.close()
        raise WrongTypeError(command) from error

    def change(
        self, watched: Sequence[str], reads: Sequence[Command], decide: Callable[[list[Reply]], list[Command] | None]
    ) -> bool:
        """Read, decide and write as one: nothing of it counts if what is watched changed in between.

        `decide` gets the answers to `reads` and says what to write; None: nothing, and the change is refused.

        Raises:
            StateDownError: others were faster each time.
            RedisError: to be caught by `call`.
        """
        for _ in range(TRIES):
            _, *found = self.ask(("WATCH", *watched), *reads)
            try:
                writes = decide(found)
            except BaseException:  # whatever it is, nothing stays watched; it is raised again
                self.close()
                raise
            if writes is None:
                self.ask(("UNWATCH",))
                return False
            *_, done = self.ask(("MULTI",), *writes, ("EXEC",))
            if done is not None:
                return True
        raise StateDownError(f"{self.server.name}: others wrote each time. hint: it will be tried again")

    def close(self) -> None:
        """Hang up; the next call connects anew."""
        if self._connection is not None:
            self._connection.disconnect()
            self._connection = None

    def _connected(self) -> Wire:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> Wire:
        """A connection, in a thread of its own: looking up a name has no deadline, and may hang for a minute.

        Raises:
            LinkSlowError: not within CONNECT_S; it is left to itself, and until it ends no other is begun.
        """
        if self._connecting is not None and self._connecting.is_alive():
            raise LinkSlowError("no connection yet")
        attempt = _Attempt(self._make())
        self._connecting = threading.Thread(target=attempt.run, daemon=True)
        self._connecting.start()
        self._connecting.join(CONNECT_S)
        return attempt.taken()

    def _make(self) -> Wire:
        options: dict[str, Any] = {
            "db": self.server.database,
            "username": self.server.username,
            "password": self.password,
            "socket_timeout": ANSWER_S,
            "retry": Retry(NoBackoff(), 0),
            "driver_info": None,
            "protocol": 2,
        }
        if self.server.socket is not None:
            return cast(Wire, UnixDomainSocketConnection(path=self.server.socket, **options))
        options |= {"host": self.server.host, "port": self.server.port, "socket_connect_timeout": ANSWER_S}
        if self.server.tls:
            if self.ca_file is not None:
                require_file(self.ca_file)  # whom the driver would wait for, if it is a pipe
            return cast(Wire, SSLConnection(ssl_ca_certs=self.ca_file, **options))
        return cast(Wire, Connection(**options))

    def _read(self, connection: Wire) -> Reply:
        left_s = self._until - self.monotonic()
        if left_s <= 0:
            raise LinkSlowError(f"no whole answer within {CALL_S:g} s")
        return connection.read_response(timeout=min(ANSWER_S, left_s))


@dataclass(slots=True)
class _Attempt:
    """One attempt to connect, which its owner may give up."""

    wire: Wire
    _lock: threading.Lock = field(default_factory=threading.Lock)  # guards the fields below
    _done: bool = False
    _given_up: bool = False
    _error: Exception | None = None

    def run(self) -> None:
        """Connect; what nobody waits for any more is hung up."""
        error: Exception | None = None
        try:
            self.wire.connect()
        except (RedisError, OSError) as failure:
            error = failure
        with self._lock:
            self._done, self._error = True, error
            if self._given_up:
                self.wire.disconnect()

    def taken(self) -> Wire:
        """The connection.

        Raises:
            LinkSlowError: there is none yet, and it is given up.
            RedisError, OSError: there is none.
        """
        with self._lock:
            if not self._done:
                self._given_up = True
                raise LinkSlowError(f"no connection within {CONNECT_S:g} s")
            if self._error is not None:
                raise self._error
            return self.wire


def _words(error: Exception) -> str:
    """What went wrong, on one line; a server's own words are cut short."""
    return " ".join(str(error).split())[:200] or type(error).__name__
