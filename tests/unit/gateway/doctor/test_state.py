from pathlib import Path

import pytest

from gateway.config.settings import Settings
from gateway.doctor.state import shared_state
from gateway.node.datadir import DataDir
from gateway.node.pepper import pepper_of
from tests.fakes.redis_server import running


def found(tmp_path: Path, **fields: object) -> list[tuple[str, str]]:
    settings = Settings.model_validate(fields)
    return [(each.level, each.subject) for each in shared_state(settings, DataDir(tmp_path), {})]


def test_one_node_has_nothing_to_look_at(tmp_path: Path) -> None:
    """With SQLite the state is the node's own."""
    assert found(tmp_path) == [("ok", "state")]


def test_a_key_that_is_not_there(tmp_path: Path) -> None:
    """One that is named must be there; one's own is made at the first start, and no look makes it."""
    assert found(tmp_path, state="redis://cache", state_key_file=tmp_path / "k") == [("failure", "state_key_file")]
    assert found(tmp_path, state="redis://cache") == [("warning", "state_key_file")]
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_away_or_locked(tmp_path: Path) -> None:
    """A server that cannot be reached, and a password that is not to be had, are failures."""
    key = tmp_path / "k"
    key.write_text("ab" * 32)
    at = {"state": f"unix://{tmp_path}/nothing", "state_key_file": key}
    assert found(tmp_path, **at) == [("failure", "state")]
    assert found(tmp_path, **at, state_password_env="NOPE") == [("failure", "state")]


def test_a_pepper_of_its_own(tmp_path: Path) -> None:
    """A node that assigns otherwise than its fellows is worth a warning; one that is told its pepper, or has the
    common one, is not.
    """
    key = tmp_path / "k"
    key.write_text("ab" * 32)
    settings = Settings.model_validate({"state": f"unix://{tmp_path}/nothing", "state_key_file": key})
    at = {"state": settings.state, "state_key_file": key}
    pepper_of(settings, DataDir(tmp_path))
    assert found(tmp_path, **at) == [("failure", "state")]
    (tmp_path / "pepper").write_text("cd" * 32)
    assert found(tmp_path, **at) == [("warning", "pepper"), ("failure", "state")]
    assert found(tmp_path, **at, keys={"pepper_file": tmp_path / "pepper"}) == [("failure", "state")]
    (tmp_path / "pepper").write_text("no pepper")
    assert found(tmp_path, **at) == [("failure", "pepper"), ("failure", "state")]


@pytest.mark.parametrize("kind", ["redis", "valkey"])
def test_a_server_that_answers(tmp_path: Path, kind: str) -> None:
    """A server that can be read is fine; a key of this node's own is worth a warning."""
    with running(kind, tmp_path) as server:
        (tmp_path / "state.key").write_text("ab" * 32)
        assert found(tmp_path, state=server.url) == [("warning", "state_key_file"), ("ok", "state")]
