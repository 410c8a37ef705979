"""Where commands are run: an empty folder, and one with a shared state that nobody looks after."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.control.operations import orders
from gateway.control.state.sqlite import SqliteState
from gateway.node.datadir import DataDir, prepare
from tests.rooms.cli_policies import SETTINGS
from tests.rooms.kept_rollouts import CANARY, keep
from tests.rooms.policy_files import SHORT


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CROSSFADE_CONFIG", raising=False)


@pytest.fixture
def data(_here: None, monkeypatch: pytest.MonkeyPatch) -> DataDir:
    """A data directory; orders wait for no leader."""
    monkeypatch.setattr(orders, "ROLLBACK_S", 0.0)
    monkeypatch.setattr(orders, "ANSWER_S", 0.0)
    return prepare(Path("crossfade-data"))


@pytest.fixture
def state(data: DataDir) -> Iterator[SqliteState]:
    """Its shared state, with a rollout of `triage` at 5 %."""
    found = SqliteState(data.state)
    keep(found, CANARY)
    yield found
    found.close()


@pytest.fixture
def place(_here: None, tmp_path: Path) -> Path:
    """A folder with settings and one policy, and nothing that runs."""
    Path("crossfade.yaml").write_text(SETTINGS)
    Path("policies").mkdir()
    Path("policies/triage.yaml").write_text(SHORT)
    return tmp_path
