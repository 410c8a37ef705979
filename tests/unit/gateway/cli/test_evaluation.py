"""`crossfade eval`: questions of one's own."""

import json
from pathlib import Path

import pytest

from gateway import clock
from gateway.cli.main import main
from gateway.node.datadir import DataDir
from records.store import Store
from tests.rooms.stored_records import keep, record


def test_from_records_to_a_set(data: DataDir, capsys: pytest.CaptureFixture[str]) -> None:
    """Sampled questions, labelled by hand, become a set that `eval list` shows."""
    assert main(["eval", "sample", "--route", "support"]) == 1
    assert "Nothing is recorded" in capsys.readouterr().err
    keep(Store(data.records), "a", *(record(number, at=clock.wall() - 60) for number in range(3)))
    assert main(["eval", "sample", "--route", "support", "--rows", "2"]) == 0
    drawn = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(drawn) == 2
    assert all(isinstance(line["answer"], str) and "choices" not in line["answer"] for line in drawn)
    lines = [json.dumps(line | {"expected": "billing"}) for line in drawn]
    Path("golden.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert main(["eval", "add", "golden.jsonl", "--route", "support"]) == 0
    assert capsys.readouterr().out == "golden\n"
    assert main(["eval", "list", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["name"], found["rows"], found["labelled"], found["runs"]) == ("golden", 2, 2, [])


def test_refused(data: DataDir, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is not there, or holds something else, exits with 1 and says what to do."""
    assert main(["eval", "add", "nothing.jsonl", "--route", "support"]) == 1
    assert "hint: is the path right" in capsys.readouterr().err
    Path("bad.jsonl").write_text("{", encoding="utf-8")
    assert main(["eval", "add", "bad.jsonl", "--route", "support"]) == 1
    assert "bad.jsonl:1:2: no JSON" in capsys.readouterr().err
