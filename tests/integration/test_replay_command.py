"""`crossfade replay`: records on disk, a candidate and a judge behind HTTP, and what the policy would decide."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from gateway import clock
from gateway.cli import replay
from gateway.cli.main import main
from records.parts import run_here
from tests.fakes.alpaca import Alpaca
from tests.fakes.exchanges import chat_request, exchange
from tests.fakes.thread import in_thread
from tests.rooms.recorded_answers import POLICY, ROWS, AnswersPlace, record, recorded


@pytest.fixture(scope="module")
def upstream() -> Iterator[Alpaca]:
    with in_thread(Alpaca(ROWS)) as found:
        yield found


class Place(AnswersPlace):
    """A directory with settings, a policy and records, to be replayed."""

    def run(self, *words: str) -> int:
        return main(["replay", "--route", "answers", "--config", str(self.config), *words])


@pytest.fixture
def place(tmp_path: Path, upstream: Alpaca) -> Place:
    found = Place(tmp_path, upstream)
    found.policy("good")
    return found


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.mark.parametrize(("model", "decision"), [("good", "PROMOTE"), ("bad", "REJECTED")])
def test_recorded_traffic_says_what_would_become_of_a_candidate(
    place: Place, capsys: pytest.CaptureFixture[str], model: str, decision: str
):
    """Each recorded exchange is asked and judged once; the comparisons stand in a file of their own."""
    place.policy(model)
    record(place.root / "data", [recorded(number, each) for number, each in enumerate(ROWS)])
    assert place.run("--json") == 0
    found = told(capsys)
    assert (found["decision"], found["replay"]["came"]) == (decision, {"answered": len(ROWS)})
    assert found["replay"]["judge"].startswith("trusted: 0 of the last ")
    assert found["replay"]["spent_usd"] > 0
    out = Path(found["replay"]["out"])
    assert out.stat().st_mode & 0o777 == 0o600
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert {row["metric"] for row in rows} == {"judge"}
    assert len({row["exchange_id"] for row in rows}) == len(ROWS)


def test_people_are_told_in_words(place: Place, capsys: pytest.CaptureFixture[str]):
    """The decision with its gates on stdout, the run and its caveats on stderr."""
    record(place.root / "data", [recorded(number, ROWS[number]) for number in range(30)])
    assert place.run() == 0
    said = capsys.readouterr()
    assert "DECISION HOLD" in said.out
    assert "30 exchanges of answers: 30 answered" in said.err
    assert "Records are redacted" in said.err


def test_only_what_the_candidate_may_be_asked_is_asked(place: Place, capsys: pytest.CaptureFixture[str]):
    """Other routes, pinned, repeated and old exchanges are no part of it; ineligible ones are counted."""
    ask = ROWS[0]
    ineligible = chat_request("Hi", model="gpt-4", n=2)
    found = [
        recorded(0, ask),
        recorded(1, ROWS[1], route="", why="unrouted"),
        recorded(2, ask, route="other"),
        recorded(3, ask, pinned=True),
        recorded(4, ask, retry_count=1),
        recorded(5, ask, variant="candidate"),
        exchange(6, ineligible, arrived_at=clock.wall() - 60, route="answers"),
        exchange(7, chat_request("Hi", model="gpt-3"), arrived_at=clock.wall() - 60, route="", why="unrouted"),
        exchange(8, chat_request(ask["instruction"], model="gpt-4"), arrived_at=clock.wall() - 9e5, route="answers"),
    ]
    record(place.root / "data", found)
    assert place.run("--json") == 0
    run = told(capsys)["replay"]
    assert run["came"] == {"answered": 2}
    assert run["left_out"] == {"n>1": 1}


def test_limit_budget_and_time_hold(place: Place, capsys: pytest.CaptureFixture[str]):
    """So many exchanges; no call after the money or the time is gone, and it is said."""
    record(place.root / "data", [recorded(number, each) for number, each in enumerate(ROWS)])
    assert place.run("--json", "--limit", "7") == 0
    assert told(capsys)["replay"]["came"] == {"answered": 7}
    assert place.run("--json", "--budget", "0", "--out", str(place.root / "none.jsonl")) == 1
    assert told(capsys)["replay"]["stopped"] == "out of budget"
    assert place.run("--json", "--within", "0s", "--out", str(place.root / "late.jsonl")) == 1
    assert told(capsys)["replay"]["stopped"] == "out of time"


def test_comparisons_can_be_parquet(place: Place, capsys: pytest.CaptureFixture[str]):
    """The records' own columns, for whoever reads them next; a file that is there stays as it is."""
    record(place.root / "data", [recorded(number, ROWS[number]) for number in range(5)])
    out = place.root / "found.parquet"
    assert place.run("--out", str(out)) == 0
    capsys.readouterr()
    found = duckdb.read_parquet(str(out)).aggregate("count(*), min(metric), max(came)").fetchall()
    assert found == [(5, "judge", "answered")]
    assert place.run("--out", str(out)) == 1
    assert "is there already" in capsys.readouterr().err


def test_a_candidate_that_is_down_has_failed(place: Place, capsys: pytest.CaptureFixture[str]):
    """It counts against it, as it would live; nothing was compared."""
    place.policy("unknown")
    record(place.root / "data", [recorded(number, ROWS[number]) for number in range(60)])
    assert place.run("--json") == 1
    found = told(capsys)
    assert found["decision"] == "REJECTED"
    assert set(found["replay"]["came"]) == {"failed"}


def test_parts_that_are_done_later_ask_what_was_chosen(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """Each exchange once, as one process would, also where `--since` lets it in no more once its part begins."""
    wall = clock.wall

    def later(work: Callable[[Any], Iterable[Any]], parts: Iterable[Any]) -> Iterator[Any]:
        monkeypatch.setattr(clock, "wall", lambda: wall() + 7200)
        return run_here(work, parts)

    monkeypatch.setattr(replay, "run_on_ray", later)
    monkeypatch.setattr(replay, "processors", lambda: 2)
    monkeypatch.setattr(replay, "PART_EXCHANGES", 30)
    record(place.root / "data", [recorded(number, each) for number, each in enumerate(ROWS)])
    assert place.run("--json", "--engine", "ray", "--since", "0.08d", "--within", "3h") == 0
    run = told(capsys)["replay"]
    assert run["came"] == {"answered": len(ROWS)}
    lines = Path(run["out"]).read_text("utf-8").splitlines()
    assert len({json.loads(line)["exchange_id"] for line in lines}) == len(lines) == len(ROWS)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--route", "nobody"), "has the route 'nobody'"),
        (("--policy", "absent.yaml"), "absent.yaml"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anybody_is_asked(
    place: Place, capsys: pytest.CaptureFixture[str], words: tuple[str, str], said: str
):
    """With a hint; nothing is written."""
    record(place.root / "data", [recorded(0, ROWS[0])])
    assert place.run(*words) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "hint: " in error
    assert not (place.root / "data" / "replays").exists()


def test_nothing_recorded_is_said(place: Place, capsys: pytest.CaptureFixture[str]):
    """Before the first exchange there is nothing to replay."""
    assert place.run() == 1
    assert "nothing is recorded" in capsys.readouterr().err
    record(place.root / "data", [recorded(number, each) for number, each in enumerate(ROWS)])
    assert place.run("--since", "0d") == 1
    said = capsys.readouterr().err
    assert "nothing of answers was replayed. hint: --since" in said
    assert "comparisons: " not in said


def test_a_rubric_that_is_missing_is_said(place: Place, capsys: pytest.CaptureFixture[str]):
    """A comparator that is not ready ends it before anybody is asked."""
    record(place.root / "data", [recorded(0, ROWS[0])])
    path = place.root / "policies" / "answers.yaml"
    path.write_text(path.read_text().replace("model: judge,", "model: judge, rubric: none.md,"), encoding="utf-8")
    assert place.run() == 1
    assert "none.md" in capsys.readouterr().err


def test_slices_are_held_apart(place: Place, capsys: pytest.CaptureFixture[str]):
    """What a policy slices by is read off the recorded requests, as live traffic's is."""
    record(place.root / "data", [recorded(number, ROWS[number]) for number in range(60)])
    path = place.root / "policies" / "answers.yaml"
    path.write_text(path.read_text() + "slices: {by: [length, tool]}\n", encoding="utf-8")
    assert place.run("--json") == 0
    gates = {each["gate"]: each["n"] for each in told(capsys)["gates"]}

    assert {name: n for name, n in gates.items() if "@" in name} == {
        "quality@length=short": 60, "quality@tool=none": 60,
    }  # fmt: skip


def test_of_several_candidates_one_is_replayed_by_name(place: Place, capsys: pytest.CaptureFixture[str]):
    """The route's name alone is about nobody, and says who there is; each is held to the traffic of their route."""
    one = '{upstream: engine, model: MODEL, revision: "1"}'
    both = "".join(f"\n  - {{name: {name}, upstream: engine, model: {name}, revision: r}}" for name in ("good", "bad"))
    text = POLICY.replace(f"candidate: {one}", f"candidates:{both}")
    (place.root / "policies" / "answers.yaml").write_text(text, encoding="utf-8")
    record(place.root / "data", [recorded(number, each) for number, each in enumerate(ROWS[:5])])
    assert place.run() == 1
    assert "answers has several candidates. hint: name one of answers@good, answers@bad" in capsys.readouterr().err
    assert place.run("--route", "answers@bad", "--json") == 0
    found = told(capsys)["replay"]
    assert found["came"] == {"answered": 5}
    assert found["spent_usd"] > 0
