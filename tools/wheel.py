"""`make wheel`: the wheel built, installed into empty environments as users do it, and its command run there.

python tools/wheel.py
"""

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
LIMIT_S = 600.0


def build(folder: Path) -> Path:
    """The wheel, of the sources as they are, not compiled."""
    _run([BIN / "python", "-m", "hatchling", "build", "-t", "wheel", "-d", folder], HATCH_BUILD_HOOKS_ENABLE="0")
    (wheel,) = folder.glob("crossfade-*.whl")
    return wheel


def with_uv(wheel: Path, folder: Path) -> Path:
    """`uv tool install`, in a folder of its own. Returns the command."""
    _run(
        [BIN / "uv", "tool", "install", "--quiet", wheel], UV_TOOL_DIR=folder / "tools", UV_TOOL_BIN_DIR=folder / "bin"
    )
    return folder / "bin" / "crossfade"


def with_pip(wheel: Path, folder: Path) -> Path:
    """An empty virtual environment and its own pip, as pipx does it. Returns the command."""
    venv.create(folder, with_pip=True)
    _run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel])
    return folder / "bin" / "crossfade"


def main() -> int:
    """Build, install both ways, and run the command in each; raises where one fails."""
    with tempfile.TemporaryDirectory(prefix="crossfade-wheel-") as temporary:
        folder = Path(temporary)
        wheel = build(folder / "dist")
        print(f"{wheel.name}: {wheel.stat().st_size / 2**20:.1f} MiB")
        for name, install in (("uv tool install", with_uv), ("pip install", with_pip)):
            command = install(wheel, folder / name.partition(" ")[0])
            version = _run([command, "--version"], cwd=folder).strip()
            _run([command, "--help"], cwd=folder)
            _run([command, "init", folder / f"{name.partition(' ')[0]}-project"], cwd=folder)
            print(f"{name}: {version}")
    return 0


def _run(command: list[Path | str], *, cwd: Path = ROOT, **environment: Path | str) -> str:
    """Run it to its end; what it printed."""
    told = os.environ | {name: str(value) for name, value in environment.items()}
    told.pop("PYTHONPATH", None)
    ended = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=told, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    if ended.returncode:
        sys.exit(f"{' '.join(map(str, command))} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}")
    return ended.stdout


if __name__ == "__main__":
    sys.exit(main())
