from pathlib import Path

import pytest

from gateway.config.settings import Settings
from gateway.node.datadir import DataDir, DataDirError
from gateway.node.state_location import StatePlace, find


def settings(**fields: object) -> Settings:
    return Settings.model_validate(fields)


def test_one_node_needs_nothing(tmp_path: Path) -> None:
    """With SQLite the state is the node's own file, and no key is made."""
    assert find(settings(), DataDir(tmp_path), {}) == StatePlace(str(tmp_path / "state.db"))
    assert list(tmp_path.iterdir()) == []


def test_a_server_comes_with_a_key(tmp_path: Path) -> None:
    """The sealing key is made once in the data directory, or read from the file that is named."""
    data = DataDir(tmp_path)
    place = find(settings(state="rediss://me@cache/1", state_ca_file="/ca.pem"), data, {})
    assert (place.url, place.password, place.ca_file) == ("rediss://me@cache/1", None, "/ca.pem")
    assert (tmp_path / "state.key").read_text().strip() == place.key
    assert find(settings(state="redis://cache"), data, {}).key == place.key
    named = tmp_path / "shared.key"
    named.write_text("ab" * 32)
    assert find(settings(state="redis://cache", state_key_file=named), data, {}).key == "ab" * 32


def test_the_password_comes_from_a_file_or_a_variable(tmp_path: Path) -> None:
    """Either gives it; one that is named and not there is refused; no repr shows it."""
    data, file = DataDir(tmp_path), tmp_path / "password"
    file.write_text("planted\n")
    by_file = find(settings(state="redis://cache", state_password_file=file), data, {})
    by_name = find(settings(state="redis://cache", state_password_env="PW"), data, {"PW": "planted"})
    assert by_file.password == by_name.password == "planted"
    assert "planted" not in repr(by_file)
    assert (by_file.key or "?") not in repr(by_file)
    with pytest.raises(DataDirError, match=r"hint: state_password_env"):
        find(settings(state="redis://cache", state_password_env="PW"), data, {})
    with pytest.raises(DataDirError, match=r"missing: .*hint"):
        find(settings(state="redis://cache", state_password_file=tmp_path / "missing"), data, {})
