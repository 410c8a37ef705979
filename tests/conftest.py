"""What holds for all tests."""

import signal

import pytest
from hypothesis import HealthCheck, settings

from gateway.doctor.checks import is_compiled
from tools import compiled

settings.register_profile("crossfade", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("crossfade")
"""Before any test module is read. How long an example takes is the machine's affair: no test fails for it."""


def pytest_configure() -> None:
    """Test what is here: refuse what was compiled of other sources, and let Ctrl-C reach what tests start.

    A shell that puts the tests into the background has Ctrl-C ignored.

    Raises:
        UsageError: compiled modules are older than their sources.
    """
    if compiled.there(compiled.ROOT) and not compiled.is_whole(compiled.ROOT):
        raise pytest.UsageError("what is compiled is not of these sources: make compile, or make uncompile")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    """Which data plane is tested."""
    return f"data plane: {'compiled' if is_compiled() else 'interpreted'}"
