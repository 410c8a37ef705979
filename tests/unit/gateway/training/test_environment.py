"""Where the environment for training is, and when it is made."""

import re
from pathlib import Path

import pytest

from gateway.training.environment import TORCH, EnvironmentBrokenError, folder, home, make, ready
from gateway.training.render import LOCK


def test_the_cache_is_where_it_was_said_to_be(tmp_path: Path):
    """CROSSFADE_CACHE, else the desktop's own rule."""
    assert home({"CROSSFADE_CACHE": str(tmp_path)}) == tmp_path
    assert home({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "crossfade"
    assert home({}) == Path.home() / ".cache" / "crossfade"


def test_what_is_made_is_not_made_again(tmp_path: Path):
    """An environment without its mark was cut off and does not count; with it, nothing is installed."""
    made = folder(tmp_path)
    (made / "bin").mkdir(parents=True)
    assert ready(tmp_path) is None
    (made / ".made").touch()
    assert make(tmp_path) == ready(tmp_path) == made / "bin" / "python"


def test_making_says_what_is_waited_for_and_why_it_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    """Minutes without a word look like a hang; without an index it is no environment, and says so."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    with pytest.raises(EnvironmentBrokenError, match="is there a package index"):
        make(tmp_path)
    assert f"once: 2 GB into {folder(tmp_path)}, some minutes" in capfd.readouterr().err
    assert ready(tmp_path) is None


def test_every_package_is_locked_by_hash():
    """All but torch: its version is pinned, its build is the machine's own matter."""
    lines = LOCK.read_text("utf-8").splitlines()
    packages = [line for line in lines if re.match(r"[a-z0-9]", line)]
    assert len(packages) > 40
    assert all("==" in line and line.endswith("\\") for line in packages)
    assert not [line for line in packages if line.startswith(("torch==", "nvidia-", "triton"))]
    assert re.fullmatch(r"torch==[0-9.]+", TORCH)
