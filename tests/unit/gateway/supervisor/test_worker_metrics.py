import os
import sys
from pathlib import Path

import pytest

from gateway.proxy.counters import INDEX, Live
from gateway.supervisor.worker_metrics import Gauges, open_breakers
from policies.routing import Lease, Route, Table, Upstream, Variant


def test_counters_outlive_their_worker(tmp_path: Path) -> None:
    """What an ended worker counted stays in the totals, its gauges and its file do not."""
    gauges = Gauges()
    for worker, requests in (("w0", 3), ("w1", 4)):
        gauges.begin(worker, tmp_path / worker)
        live = Live(tmp_path / worker, create=True)  # as the worker itself opens it
        live.values[INDEX["requests"]] = requests
        live.values[INDEX["in_flight"]] = 1
        live.close()
    gauges.end("w0")
    assert gauges.totals()["requests"] == 7
    assert [each["in_flight"] for each in gauges.snapshots(["w0", "w1"])] == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["w1"]


def test_a_file_that_is_gone_loses_no_count(tmp_path: Path) -> None:
    """Counters are mapped: taking the file away takes nothing from the totals."""
    gauges = Gauges()
    gauges.begin("w0", tmp_path / "w0")
    live = Live(tmp_path / "w0", create=True)
    (tmp_path / "w0").unlink()
    live.values[INDEX["requests"]] = 5
    live.close()
    gauges.end("w0")
    assert gauges.totals()["requests"] == 5


@pytest.mark.skipif(sys.platform != "linux", reason="memory that cannot be cut is Linux's")
def test_nobody_can_cut_what_is_mapped(tmp_path: Path) -> None:
    """A file cut short ends each process that has it mapped: this one cannot be, and its name may lead anywhere."""
    gauges = Gauges()
    path = gauges.begin("w0", tmp_path / "w0")
    for size in (0, 100):
        with pytest.raises(PermissionError):
            os.truncate(path, size)
    live = Live(path, create=False)
    path.unlink()
    path.mkdir()
    live.values[INDEX["requests"]] = 5
    live.close()
    gauges.end("w0")
    assert gauges.totals()["requests"] == 5


def test_counters_are_shared_where_no_file_can_be_had() -> None:
    """On a disk without room, a worker and its supervisor count in memory that both see."""
    gauges = Gauges()
    path = gauges.begin("w0", Path("/dev/full"))
    live = Live(path, create=True)
    assert not live.in_memory
    live.values[INDEX["requests"]] = 5
    live.close()
    assert gauges.totals()["requests"] == 5
    gauges.end("w0")
    assert gauges.totals()["requests"] == 5
    assert not path.exists()


def test_open_breakers_are_told_by_route() -> None:
    """How many workers do not ask whose candidate; one that serves from another table is not asked whom it means."""
    routes = (Route("plain", Variant("o")), *(Route(name, Variant("o"), candidate=Variant("o")) for name in "ab"))
    table = Table(3, Lease(1.0), (Upstream("o", "http://h"),), "o", routes=routes)
    alive = [{"table_version": version, "breaker_routes": mask} for version, mask in ((3, 0b100), (3, 0b110), (2, 0b1))]
    assert open_breakers(table, alive) == {"a": 1, "b": 2}
    assert open_breakers(table, []) == {"a": 0, "b": 0}
