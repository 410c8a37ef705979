"""The environment that training scripts run in: made from `train.lock`, hash-checked, cached under the lock's hash.

It cannot be the gateway's (TRL and the gateway want other versions), nor vLLM's. Torch is the only package that is not
in the lock: which build of it a machine needs (CPU, CUDA) is its index's matter; its version is pinned here.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path

from gateway.training.render import LOCK

TORCH = "torch==2.13.0"
_MADE = ".made"


class EnvironmentBrokenError(Exception):
    """The environment could not be made; the message says why and what to do."""


def home(environ: Mapping[str, str]) -> Path:
    """The folder in which environments are cached."""
    base = environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(environ.get("CROSSFADE_CACHE") or Path(base) / "crossfade")


def folder(cache: Path) -> Path:
    """The folder of this version's environment, which may not exist yet."""
    made_of = b"\0".join([LOCK.read_bytes(), TORCH.encode(), sys.version.split()[0].encode()])
    return cache / f"train-{hashlib.sha256(made_of).hexdigest()[:12]}"


def ready(cache: Path) -> Path | None:
    """The Python of the environment, if it is made."""
    made = folder(cache)
    return made / "bin" / "python" if (made / _MADE).exists() else None


def make(cache: Path) -> Path:
    """Make the environment, once; somebody else who makes it is waited for. Returns its Python.

    That it is being made is said on stderr: it takes minutes in which nothing else would be seen.

    Raises:
        OSError: the cache cannot be written.
        EnvironmentBrokenError: packages cannot be had.
    """
    cache.mkdir(parents=True, exist_ok=True)
    made = folder(cache)
    fd = os.open(cache / f"{made.name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        if not (made / _MADE).exists():
            _install(made)
            (made / _MADE).touch()
    finally:
        os.close(fd)
    return made / "bin" / "python"


def _install(made: Path) -> None:
    sys.stderr.write(f"making the environment for training, once: 2 GB into {made}, some minutes\n")
    sys.stderr.flush()
    venv.create(made, with_pip=True, clear=True)
    pip = [str(made / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for words in ([TORCH], ["--require-hashes", "--no-deps", "-r", str(LOCK)]):
        done = subprocess.run([*pip, *words], stdout=sys.stderr, check=False)  # noqa: S603 -- our own words
        if done.returncode:
            raise EnvironmentBrokenError(
                f"pip could not install {words[-1]} into {made}. hint: its words are above; is there a package index?"
            )
