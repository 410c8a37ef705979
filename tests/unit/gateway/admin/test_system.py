"""A node as its files say it is."""

import os
from pathlib import Path

import msgspec
import pytest

from gateway.admin.system import SharedAbout, system
from gateway.control.controller.status import ControllerStatus, PolicyStatus
from gateway.node.datadir import DataDir, prepare
from gateway.node.supervisor_status import ProcessStatus, ReloadStatus, SupervisorStatus

NOBODY = SharedAbout(None, [], [], None)


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    return prepare(tmp_path)


def test_a_node_that_never_ran(data: DataDir) -> None:
    """Nothing is known, and that is said."""
    found = system(data, table_version=3, shared=NOBODY)
    assert (found.version, found.processes, found.metrics, found.table_version) == (None, [], {}, 3)
    assert found.controller_problem is not None


def test_who_runs_and_what_is_wrong(data: DataDir) -> None:
    """Processes that live and that do not, the last reload, files that do not load, what is lost."""
    processes = (ProcessStatus("w0", os.getpid(), 1, "w0-1"), ProcessStatus("shadow", None, 7, None))
    status = SupervisorStatus(
        1, "9", 5.0, "a:1", "b:2", stopping=False, processes=processes, reload=ReloadStatus(6.0, "no", (8, 9))
    )
    data.supervisor_status.write_bytes(msgspec.json.encode(status))
    policies = (PolicyStatus("a.yaml", "a", None), PolicyStatus("b.yaml", None, "b.yaml:1:1: bad"))
    data.controller_status.write_bytes(msgspec.json.encode(ControllerStatus(4, policies, None)))
    data.exposition("recorder").write_text(
        '# HELP x\ncrossfade_journal_lost_total{reason="disk_full"} 3\ncrossfade_requests_total 9\n'
    )
    found = system(data, table_version=4, shared=SharedAbout("n1", ["n1"], [], None))
    assert [(each.slot, each.is_alive, each.restarts) for each in found.processes] == [
        ("w0", True, 1),
        ("shadow", False, 7),
    ]
    assert found.reload_waits_for == [8, 9]
    assert (found.reload_error, found.policies_problem, found.leader) == ("no", ["b.yaml:1:1: bad"], "n1")
    assert found.metrics == {'crossfade_journal_lost_total{reason="disk_full"}': 3.0}
