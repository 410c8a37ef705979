"""Few open files are shared out between apps and upstreams; many are no limit."""

import pytest

from gateway.proxy.file_budget import OWN_FILES, file_budget
from gateway.transport.limits import Limits


@pytest.mark.parametrize("files", [*range(OWN_FILES, 300, 7), 1024, 4096, 8192, 65_536, 2**40])
def test_who_is_let_in_can_be_answered(files: int) -> None:
    """Whatever is set, there is a file for the upstream of each request that may be under way, and some are our own."""
    for limits in (Limits(), Limits(in_flight=10), Limits(connections=20, in_flight=5000)):
        found = file_budget(files, limits, idle=1024)
        assert 1 <= found.apps <= limits.connections
        assert found.apps + found.upstreams <= max(2, files - OWN_FILES)
        assert found.upstreams >= min(found.apps, limits.in_flight)


def test_enough_files_are_no_limit() -> None:
    """What the settings say holds, with room for all that is under way and all that is kept."""
    limits = Limits()
    found = file_budget(65_536, limits, idle=1024)
    assert found == (limits.connections, limits.in_flight + 1024)
