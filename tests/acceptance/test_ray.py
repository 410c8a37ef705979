"""Offline work on a real Ray: the same command, with `--engine ray`, gives what one process gives."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway import clock
from tests.fakes.alpaca import Alpaca
from tests.fakes.thread import in_thread
from tests.rooms.recorded_answers import ROWS, AnswersPlace, record, recorded
from tools.ray_env import python_of

ENGINES = ("process", "ray")
DAY_S = 86_400.0
PATIENCE_S = 300.0
"""Ray starts a process for each core, on a machine that may be busy."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not python_of().exists(), reason="no Ray is set up here: make ray"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnswersPlace]:
    """Records of three days, and a candidate that answers what was recorded."""
    with in_thread(Alpaca(ROWS)) as upstream:
        found = AnswersPlace(tmp_path_factory.mktemp("ray"), upstream)
        found.policy("good")
        days = [clock.wall() - DAY_S * (number % 3) - number for number in range(len(ROWS))]
        record(
            found.root / "data",
            [recorded(number, each, arrived_at=days[number]) for number, each in enumerate(ROWS)],
        )
        yield found


def done(place: AnswersPlace, engine: str, *words: str) -> dict[str, Any]:
    """What the command says as JSON."""
    command = [python_of(), "-m", "gateway.cli.main", *words, "--config", place.config, "--engine", engine, "--json"]
    found = subprocess.run(command, cwd=place.root, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout.splitlines()[-1])


def test_a_dataset_has_the_same_content(place: AnswersPlace) -> None:
    """Its folder is named by the hash of its files, and all that is counted is the same."""
    words = ("dataset", "build", "--route", "answers", "--format", "trl-sft")
    one, other = (done(place, engine, *words, "--out", str(place.root / engine)) for engine in ENGINES)
    assert one["kept"] == len(ROWS)
    assert Path(one.pop("folder")).name == Path(other.pop("folder")).name
    assert one == other


def test_a_replay_asks_and_decides_the_same(place: AnswersPlace) -> None:
    """Each exchange once, with the same verdict; the same decision of it, and the same money."""
    found: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for engine in ENGINES:
        out = place.root / f"{engine}.jsonl"
        found.append(done(place, engine, "replay", "--route", "answers", "--out", str(out)))
        lines = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
        rows.append({each["exchange_id"]: (each["came"], each["q"]) for each in lines})
        assert len(lines) == len(rows[-1]) == len(ROWS)
    assert rows[0] == rows[1]
    assert found[0]["decision"] == found[1]["decision"]
    for name in ("came", "reasons", "left_out", "spent_usd", "stopped"):
        assert found[0]["replay"][name] == found[1]["replay"][name], name


def test_an_evaluation_scores_the_same(place: AnswersPlace) -> None:
    """Each variant's score, failures and cost, and the differences with their intervals."""
    lines = [json.dumps({"input": each["instruction"], "ideal": each["answers"]["good"]}) for each in ROWS]
    questions = place.root / "questions.jsonl"
    questions.write_text("\n".join(lines), "utf-8")
    command = [python_of(), "-m", "gateway.cli.main", "eval", "add", questions, "--route", "answers"]
    subprocess.run([*command, "--config", place.config], cwd=place.root, check=True, timeout=PATIENCE_S)
    words = ("eval", "run", "questions", "--variants", "engine:good,engine:bad")
    one, other = (done(place, engine, *words) for engine in ENGINES)
    assert one["done"] == other["done"] == len(ROWS)
    assert one["scores"] == other["scores"]
    assert one["differences"] == other["differences"]
    assert other["cached"] == 2 * len(ROWS), "what was answered here is not asked again there"
