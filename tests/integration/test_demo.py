"""`crossfade demo` as a person starts it. That it plays to its end is for tests/acceptance/test_demo.py."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rooms.serving import ROOT

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
        text, _ = process.communicate(timeout=60)
    assert process.returncode == 130, text
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", int(found[1])), timeout=2)


def test_a_pace_beyond_reason_is_refused():
    """Paces that are none are bad usage, with the range."""
    told = subprocess.run([*COMMAND, "--pace", "0"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert told.returncode == 2
    assert "between 1 and 1000" in told.stderr
