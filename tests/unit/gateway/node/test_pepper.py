from pathlib import Path

import pytest

from gateway.config.settings import Settings
from gateway.node.datadir import DataDir, DataDirError
from gateway.node.pepper import pepper_of


def node(folder: Path, **fields: object) -> bytes:
    folder.mkdir(exist_ok=True)
    return pepper_of(Settings.model_validate(fields), DataDir(folder))


@pytest.fixture
def shared(tmp_path: Path) -> dict[str, object]:
    key = tmp_path / "state.key"
    key.write_text("ab" * 32)
    return {"state": "redis://cache", "state_key_file": key}


def test_nodes_of_one_state_have_one_pepper(tmp_path: Path, shared: dict[str, object]) -> None:
    """It follows from the key that they share, is not that key, and is kept for this user only."""
    one, two = node(tmp_path / "one", **shared), node(tmp_path / "two", **shared)
    assert one == two != bytes.fromhex("ab" * 32)
    assert node(tmp_path / "one") == one
    assert (tmp_path / "one" / "pepper").stat().st_mode & 0o777 == 0o600


def test_single_nodes_have_each_their_own(tmp_path: Path) -> None:
    """Made at random, and the same from then on."""
    one, two = node(tmp_path / "one"), node(tmp_path / "two")
    assert one != two
    assert node(tmp_path / "one") == one


def test_a_pepper_that_is_there_stays(tmp_path: Path, shared: dict[str, object]) -> None:
    """The keys that a node gave out alone stay good when it joins others; what is named comes first."""
    alone = node(tmp_path / "one")
    assert node(tmp_path / "one", **shared) == alone
    named = tmp_path / "named"
    named.write_text("cd" * 32)
    assert node(tmp_path / "one", **shared, keys={"pepper_file": named}) == bytes.fromhex("cd" * 32)


def test_a_place_that_takes_nothing(tmp_path: Path, shared: dict[str, object]) -> None:
    """Where it cannot be written, the error says where and what to do."""
    with pytest.raises(DataDirError, match=r"nowhere/pepper: .* hint: let this user write there"):
        pepper_of(Settings.model_validate(shared), DataDir(tmp_path / "nowhere"))
