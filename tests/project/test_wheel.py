"""The wheel that is published: it has all that a clone has, and says that it is typed."""

import subprocess
import zipfile
from pathlib import Path

import pytest

from tools import wheel

ROOT = Path(__file__).parents[2]
PACKAGES = ("gateway", "policies", "records", "shadow")


@pytest.mark.slow
def test_the_wheel_has_every_file_of_the_packages(tmp_path: Path) -> None:
    """Templates, recipes and examples too; `py.typed` in each package; and one command. `make wheel` installs it."""
    names = set(zipfile.ZipFile(wheel.build(tmp_path)).namelist())
    kept = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *PACKAGES],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert {name for name in kept.stdout.splitlines() if (ROOT / name).exists()} - names == set()
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    (entry,) = [name for name in names if name.endswith("entry_points.txt")]
    assert "crossfade = gateway.cli.main:main" in zipfile.ZipFile(next(tmp_path.glob("*.whl"))).read(entry).decode()
