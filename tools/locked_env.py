"""An environment of its own for a tool that the project's does not hold: made once from a lock with hashes.

It is kept in .cache under the hash of its lock, and it is whole once it has its mark.
"""

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOLS = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class LockedEnvironment:
    """What `tools/NAME.lock` lists."""

    name: str
    """With hyphens where the lock's name has underscores."""

    @property
    def lock(self) -> Path:
        """What is in it."""
        return TOOLS / f"{self.name.replace('-', '_')}.lock"

    @property
    def place(self) -> Path:
        """Where it is, or would be."""
        return ROOT / ".cache" / f"{self.name}-{hashlib.sha256(self.lock.read_bytes()).hexdigest()[:12]}"

    @property
    def is_made(self) -> bool:
        """Whether it is here, whole."""
        return (self.place / ".made").exists()

    def command(self, name: str) -> Path:
        """One of its commands."""
        return self.place / "bin" / name

    def make(self) -> None:
        """Make it, unless it is here.

        The project's cooldown against bad releases is no concern of it: its versions are pinned by their hashes.

        Raises:
            subprocess.CalledProcessError: something of it is not to be had; uv has said what.
        """
        if self.is_made:
            return
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, self.place], check=True)
        install = [uv, "--no-config", "pip", "install", "--quiet", "--python", self.place, "--require-hashes"]
        subprocess.run([*install, "-r", self.lock], check=True)
        (self.place / ".made").touch()
