"""What holds for all tests."""

import gc
import os
import signal
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from gateway.doctor.checks import is_compiled
from tools import compiled

settings.register_profile("crossfade", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("crossfade")
"""Before any test module is read. How long an example takes is the machine's affair: no test fails for it."""


MEMORY = Path("/dev/shm")
MEMORY_BYTES = 8 << 30


def pytest_configure(config: pytest.Config) -> None:
    """Test what is here: refuse what was compiled of other sources, and let Ctrl-C reach what tests start.

    A shell that puts the tests into the background has Ctrl-C ignored. What Python has read once it keeps, for the
    thousand processes that tests start: most of the time of each would go into reading the same sources anew. What
    tests write lies in memory, where there is room: a disk would be told to keep each of a hundred thousand changes.

    Raises:
        UsageError: compiled modules are older than their sources.
    """
    if compiled.there(compiled.ROOT) and not compiled.is_whole(compiled.ROOT):
        raise pytest.UsageError("what is compiled is not of these sources: make compile, or make uncompile")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ.pop("COLUMNS", None)  # a worker of these tests has one: what commands print is folded as in a pipe
    sys.dont_write_bytecode = False
    if has_room(MEMORY):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
    config.add_cleanup(gc.unfreeze)


def has_room(place: Path) -> bool:
    """Whether all that a run of the tests writes may lie there."""
    try:
        found = os.statvfs(place)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize >= MEMORY_BYTES and os.access(place, os.W_OK)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep what is collected out of the garbage collector's sight: ten thousand tests, which stay until the end.

    It would look through all of them again and again, in each of the processes, and find nothing.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """A test's name is the same in every process that collects it: what gzip made has the time in it.

    Tests that are shared out by name need one name; xdist ends with "Different tests were collected" otherwise.
    """
    return f"{argname}_{len(val)}_bytes" if isinstance(val, bytes) and val.startswith(b"\x1f\x8b") else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """How many processes share the tests out: two for each core, since many a test waits for gateways to start."""
    return min(16, 2 * (os.cpu_count() or 1))


def pytest_report_header() -> str:
    """Which data plane is tested."""
    return f"data plane: {'compiled' if is_compiled() else 'interpreted'}"
