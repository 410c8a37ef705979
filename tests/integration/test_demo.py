"""`crossfade demo` as a person starts it. That it plays to its end is for tests/acceptance/test_demo.py."""

import io
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import clock
from gateway.demo import story
from gateway.demo.sandbox import HouseError
from gateway.demo.screen import Paint, Terminal
from gateway.demo.story import StuckError
from tests.rooms.serving import ROOT
from tests.rooms.waiting import PATIENCE_S

COMMAND = [sys.executable, "-m", "gateway.cli.main", "demo"]


@pytest.mark.slow
def test_an_interrupted_demo_leaves_nothing_behind(tmp_path: Path):
    """Ctrl-C ends the demo with 130; its folder is gone, and nobody listens any more."""
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        found = next(filter(None, (re.search(r"127\.0\.0\.1:(\d+)/metrics", line) for line in process.stdout)))
        assert list(tmp_path.glob("crossfade-demo-*"))
        process.send_signal(signal.SIGINT)
        text, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, text
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", int(found[1])), timeout=2)


def test_a_pace_beyond_reason_is_refused():
    """Paces that are none are bad usage, with the range."""
    told = subprocess.run([*COMMAND, "--pace", "0"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert told.returncode == 2
    assert "--pace: '0' is out of range. hint: a number, 1 to 1000" in told.stderr


async def test_a_gateway_that_cannot_start_ends_the_demo_with_its_own_error(tmp_path):
    """What a user sees is why the gateway ended, and no group of errors."""
    (tmp_path / "data").touch()  # where its data directory should be
    shown = io.StringIO()
    terminal = Terminal(shown, live=False)
    with pytest.raises(HouseError, match="ended with 1"):
        await story.run(tmp_path, pace=1.0, terminal=terminal, paint=Paint(on=False), now=clock.monotonic)
    assert "TaskGroup" not in shown.getvalue()


async def test_an_act_that_goes_nowhere_says_what_it_waited_for(tmp_path, monkeypatch):
    """An act without a move for too long names its wait, the app's pace, and what the controller last decided."""
    monkeypatch.setattr(story, "ACT_S", 0.0)
    terminal = Terminal(io.StringIO(), live=False)
    with pytest.raises(StuckError) as error:
        await story.run(tmp_path, pace=1.0, terminal=terminal, paint=Paint(on=False), now=clock.monotonic)
    text = str(error.value)
    assert "nothing moved for 0 s. Waited for r1 at 100 %." in text
    assert "a second of 1" in text
    assert "decided last:\n   it has looked at nothing yet" in text
    assert max(map(len, text.splitlines())) <= 120
