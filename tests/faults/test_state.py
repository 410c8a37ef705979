"""A server of the shared state in trouble, and rival leaders: small sizes of what `make state-faults` prints."""

from pathlib import Path

import pytest

from tests.fakes.redis_server import running
from tests.faults.state_schedules import on_redis, on_sqlite
from tests.faults.state_server import server_faults
from tests.rooms.stores import RedisStore

pytestmark = pytest.mark.slow


def test_rival_leaders_write_one_history(tmp_path: Path) -> None:
    """With pauses, restarts and clock jumps, versions follow each other and no overtaken leader writes."""
    found = on_sqlite(100, tmp_path)
    assert found.held(), found.report()


@pytest.mark.parametrize("kind", ["redis", "valkey"])
def test_rival_leaders_on_a_server_that_forgets(tmp_path: Path, kind: str) -> None:
    """The same on a real server that is flushed in between: what was written is put back, and nothing else is taken."""
    with running(kind, tmp_path) as server:
        found = on_redis(kind, 60, RedisStore(server, tmp_path))
    assert found.held(), found.report()
    assert found.flushes > 0


@pytest.mark.parametrize("kind", ["redis", "valkey"])
def test_a_server_in_trouble(tmp_path: Path, kind: str) -> None:
    """Refused, frozen, late, cut, flushed, full, read-only, garbled, late at boot: each call ends, nothing moves."""
    with running(kind, tmp_path) as server:
        found = server_faults(server, kind, tmp_path, lasts_s=0.5)
    assert found.held(), found.report()
