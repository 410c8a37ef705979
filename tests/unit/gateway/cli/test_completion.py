"""`crossfade completion`: what a shell completes."""

import subprocess
from pathlib import Path

import pytest

from gateway.cli.arguments import COMMANDS
from gateway.cli.main import main


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_every_command_is_completed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each shell is told of every command."""
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert [name for name in COMMANDS if name not in script] == []


def test_bash_takes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is a script that bash reads without a word."""
    assert main(["completion", "bash"]) == 0
    (tmp_path / "c").write_text(capsys.readouterr().out)
    read = subprocess.run(["bash", "-n", tmp_path / "c"], capture_output=True, text=True, check=False, timeout=60)
    assert (read.returncode, read.stderr) == (0, "")
