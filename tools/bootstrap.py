"""Make the virtual environment from the lock, with nothing but Python and a package index.

    python3 tools/bootstrap.py .venv

Uses uv, installed into the environment itself. Runs again whenever the lock changes.
"""

import os
import subprocess
import sys
import venv
from pathlib import Path

UV = "uv==0.13.*"


def main(target: Path) -> None:
    """Create or update the environment at `target`."""
    if sys.version_info < (3, 11):  # noqa: UP036 -- an older one runs this far, and must be told
        sys.exit(f"Crossfade needs Python 3.11 or newer; this is {sys.version.split()[0]}. Try: make PYTHON=python3.12")
    python = target / "bin" / "python"
    if not python.exists():
        venv.create(target, with_pip=True)
    if not (target / "bin" / "uv").exists():
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", UV], check=True)
    environment = os.environ | {"UV_PROJECT_ENVIRONMENT": str(target.resolve()), "VIRTUAL_ENV": str(target.resolve())}
    command = [target / "bin" / "uv", "sync", "--frozen", "--inexact", "--quiet", "--all-groups"]
    subprocess.run(command, check=True, env=environment)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
