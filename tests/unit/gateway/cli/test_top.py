"""`crossfade top`: a screen in a terminal, `status` where there is none."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from gateway import clock
from gateway.cli.main import main
from gateway.control.state.sqlite import SqliteState
from gateway.node.datadir import DataDir
from policies.routing import Lease, Route, Table, Upstream, Variant, encode
from tests.rooms.looks import look
from tests.rooms.rollouts import UNSURE
from tests.rooms.waiting import PATIENCE_S, await_true

_ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[()][A-Z0-9]|\x1b[=>78]|[\x0e\x0f]")


@dataclass(slots=True)
class Screen:
    """A terminal of 80 columns and 24 lines, and what was written on it since the last key."""

    fd: int
    written: bytearray = field(default_factory=bytearray)

    def press(self, keys: bytes) -> None:
        self.written.clear()
        os.write(self.fd, keys)

    def has(self, *words: str) -> bool:
        while select.select([self.fd], [], [], 0)[0]:
            try:
                self.written += os.read(self.fd, 65536)
            except OSError:
                break
        text = b" ".join(_ESCAPES.sub(b" ", bytes(self.written)).split()).decode("utf-8", "replace")
        return all(word in text for word in words)


@contextmanager
def top(*words: str, terminal: str = "xterm") -> Generator[tuple[Screen, subprocess.Popen[bytes]]]:
    """`crossfade top` on a terminal of its own."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = [sys.executable, "-m", "gateway.cli.main", "top", *words]
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    environment = kept | {"TERM": terminal, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    try:
        yield Screen(ours), process
    finally:
        process.kill()
        process.wait(PATIENCE_S)
        os.close(ours)


@pytest.fixture
def routes(data: DataDir, state: SqliteState) -> None:
    """`triage` at 5 %, looked at, and `billing`, of which nothing is known."""
    look(state, UNSURE)
    made = [Route(name, Variant("openai"), candidate=Variant("vllm", "m", "r1")) for name in ("triage", "billing")]
    upstreams = (Upstream("openai", "http://h"), Upstream("vllm", "http://h"))
    data.routing.write_bytes(encode(Table(7, Lease(clock.wall()), upstreams, "openai", routes=tuple(made))))


@pytest.mark.slow
def test_a_terminal_shows_routes_and_their_checks(routes: None) -> None:
    """The table, a filter, a route's gates behind Enter, back with Esc; `q` ends it with 0."""
    with top() as (screen, process):
        await_true(lambda: screen.has("nothing serves from", "ROUTE", "billing", "triage", "q quit"), "a first look")
        screen.press(b"/tri\r")
        await_true(lambda: screen.has("1 of 2"), "a filter")
        screen.press(b"\r")
        await_true(lambda: screen.has("VERDICT", "INCONCLUSIVE", "LOG10", "Esc back"), "the checks")
        screen.press(b"\x1b")
        await_true(lambda: screen.has("ROUTE", "/ filter"), "the table again")
        screen.press(b"q")
        assert process.wait(PATIENCE_S) == 0
        assert screen.has()  # nothing waits to be read: the terminal is as it was


@pytest.mark.slow
def test_a_terminal_that_is_not_known_is_told(routes: None) -> None:
    """Where no screen can be shown, it says so, and what `status` says is printed once."""
    with top(terminal="nothing-we-know") as (screen, process):
        await_true(lambda: screen.has("cannot show a screen", "set TERM", "nothing serves from"), "words")
        assert process.wait(PATIENCE_S) == 1


def test_without_a_terminal_status_is_printed_once(
    data: DataDir, state: SqliteState, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pipe gets what `status` says, as often as it is told, and once if it is not."""
    assert main(["top"]) == 1
    once = capsys.readouterr().out
    assert once.count("nothing serves from") == 1
    assert "\x1b" not in once
    assert main(["top", "--times", "2", "--every", "0.2"]) == 1
    assert capsys.readouterr().out.count("nothing serves from") == 2
