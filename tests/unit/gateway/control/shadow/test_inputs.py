"""The files that others write for the shadow."""

from pathlib import Path

from gateway.control.shadow.inputs import ShadowInputs
from shadow.plan import ShadowPlan
from tests.rooms.shadowing import Stage, route


def watched(root: Path) -> ShadowInputs:
    return ShadowInputs(root / "shadow.json", root / "routing.json", root / "KILL", root / "gpu.json")


def test_files_are_read_when_they_change(tmp_path: Path):
    """A plan and a table are news once."""
    stage, found = Stage(tmp_path), watched(tmp_path)
    assert found.plan() is None
    stage.plan(route())
    assert found.plan() == ShadowPlan((route(),))
    assert found.plan() is None
    table = found.table()
    assert table is not None
    assert [upstream.name for upstream in table.upstreams] == ["openai", "vllm"]
    assert found.table() is None


def test_what_cannot_be_read_is_no_news(tmp_path: Path):
    """Torn files leave what was read before."""
    Stage(tmp_path)
    found = watched(tmp_path)
    (tmp_path / "shadow.json").write_bytes(b"{")
    (tmp_path / "routing.json").write_bytes(b"{")

    assert (found.plan(), found.table()) == (None, None)


def test_the_kill_file_is_seen(tmp_path: Path):
    """It counts as soon as it is there, and no longer."""
    found = watched(tmp_path)
    assert not found.killed()
    (tmp_path / "KILL").touch()
    assert found.killed()


def test_what_an_answer_costs_is_read_when_it_changes(tmp_path: Path):
    """Prices of servers that are paid by the hour are news once; what cannot be read is unknown."""
    found = watched(tmp_path)
    assert found.usd_per_answer() is None
    (tmp_path / "gpu.json").write_bytes(b'{"vllm": 0.25, "other": null}')
    assert found.usd_per_answer() == {"vllm": 0.25, "other": None}
    assert found.usd_per_answer() is None
    (tmp_path / "gpu.json").write_bytes(b"{")
    assert found.usd_per_answer() == {}
