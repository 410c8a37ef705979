"""Make an environment with Ray from the lock, for the tests that run offline work on it: `make ray`.

    python tools/ray_env.py

It is kept under the hash of the lock; a second run does nothing. Prints its interpreter.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
UV = Path(sys.executable).with_name("uv")


def python_of() -> Path:
    """Its interpreter, or where it would be."""
    locked = hashlib.sha256((ROOT / "uv.lock").read_bytes()).hexdigest()[:12]
    return ROOT / ".cache" / "ray" / locked / "bin" / "python"


def main() -> None:
    """Make it, if it is not there."""
    python = python_of()
    if not python.exists():
        environment = os.environ | {"UV_PROJECT_ENVIRONMENT": str(python.parents[1])}
        command = [
            UV,
            "sync",
            "--quiet",
            "--frozen",
            "--no-default-groups",
            "--extra",
            "ray",
            "--python",
            sys.executable,
        ]
        subprocess.run(command, check=True, cwd=ROOT, env=environment)
    sys.stdout.write(f"{python}\n")


if __name__ == "__main__":
    main()
