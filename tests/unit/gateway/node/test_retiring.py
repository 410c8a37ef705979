"""Models that are turned off, out of what a node's processes said of themselves."""

from math import inf
from pathlib import Path

from gateway.node.datadir import DataDir, prepare
from gateway.node.retiring import Retiring, retiring
from gateway.telemetry.metrics import Sample, render

FINISH, RETIRES = "crossfade_finish_timestamp_seconds", "crossfade_model_retires_timestamp_seconds"


def write(data: DataDir, owner: str, *samples: Sample) -> None:
    """What a process said last."""
    data.exposition(owner).parent.mkdir(parents=True, exist_ok=True)
    data.exposition(owner).write_text(render(samples))


def test_each_model_stands_beside_the_first_candidate_that_could_answer(tmp_path: Path) -> None:
    """The earliest first; of several candidates of a route the soonest counts; a route without any has none."""
    data = prepare(tmp_path)
    later, sooner = Sample(RETIRES, 90.0, ("chat", "gpt-4o")), Sample(RETIRES, 50.0, ("triage", "gpt-4"))
    write(data, "recorder", later, sooner)
    write(data, "controller", Sample(FINISH, inf, ("triage@a",)), Sample(FINISH, 70.0, ("triage@b",)))
    assert retiring(data) == [Retiring("triage", "gpt-4", 50.0, 70.0), Retiring("chat", "gpt-4o", 90.0, None)]


def test_a_process_that_has_said_nothing_knows_of_none(tmp_path: Path) -> None:
    """Neither file is there yet, or one cannot be read."""
    data = prepare(tmp_path)
    assert retiring(data) == []
    data.exposition("recorder").parent.mkdir(parents=True, exist_ok=True)
    data.exposition("recorder").write_bytes(b"\xff")
    assert retiring(data) == []
