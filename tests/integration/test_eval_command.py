"""`crossfade eval run`: a registered set, models and a judge behind HTTP."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.main import main
from tests.fakes.alpaca import BASELINE, Alpaca, Row
from tests.fakes.thread import in_thread

POLICY = f"""\
route: answers
match: {{model: gpt-4}}
baseline: {{upstream: engine, model: {BASELINE}}}
candidate: {{upstream: engine, model: good, revision: "1"}}
compare: [exact]
gates: {{quality: {{metric: exact}}, latency: off}}
stages: [shadow, 1%]
"""
JUDGED = POLICY.replace("[exact]", "[{judge: {upstream: third, model: judge, sample: 25%}}]").replace(
    "metric: exact", "metric: judge"
)


def row(number: int) -> Row:
    """A question with three models' answers: the good one says what the label says."""
    return {
        "instruction": f"question {number}",
        "answers": {BASELINE: f"maybe {number}", "good": f"it is {number}", "bad": "no idea"},
        "preference": {"good": 0.9, "bad": 0.1},
    }


ROWS = [row(number) for number in range(40)]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Alpaca]:
    with in_thread(Alpaca(ROWS)) as found:
        yield found


class Place:
    """A directory with settings, a policy and a registered set of which each question has a label."""

    def __init__(self, root: Path, upstream: Alpaca) -> None:
        self.root, url = root, upstream.base_url
        (root / "policies").mkdir()
        (root / "data").mkdir()
        self.policy(POLICY)
        (root / "crossfade.yaml").write_text(
            f"data: {root}/data\npolicies: {root}/policies\ndefault_upstream: engine\nupstreams:\n"
            f"  engine: {{kind: vllm, base_url: {url}}}\n  third: {{kind: vllm, base_url: {url}}}\n"
            "  away: {kind: vllm, base_url: http://127.0.0.1:9/v1}\n"
            "prices: {models: {engine: {'*': {prompt: 1, completion: 1000}}, "
            "third: {judge: {prompt: 10, completion: 10}}}}\n",
            encoding="utf-8",
        )
        self.add("labelled", lambda number: f"it is {number}")

    def policy(self, text: str) -> None:
        (self.root / "policies" / "answers.yaml").write_text(text, encoding="utf-8")

    def add(self, name: str, label: Callable[[int], str | None]) -> None:
        lines = [json.dumps({"input": each["instruction"], "ideal": label(n)}) for n, each in enumerate(ROWS)]
        path = self.root / f"{name}.jsonl"
        path.write_text("\n".join(lines), encoding="utf-8")
        assert self.eval("add", str(path), "--route", "answers") == 0

    def eval(self, *words: str) -> int:
        return main(["eval", *words, "--config", str(self.root / "crossfade.yaml")])


@pytest.fixture
def place(tmp_path: Path, upstream: Alpaca, capsys: pytest.CaptureFixture[str]) -> Place:
    found = Place(tmp_path, upstream)
    capsys.readouterr()
    return found


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_variants_side_by_side(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Baseline, candidate and another model are scored on the labels, with intervals and money, and it is kept."""
    words = ("run", "labelled", "--variants", "baseline,candidate,engine:bad")
    assert place.eval(*words, "--json") == 0
    found = told(capsys)
    assert [score["mean"] for score in found["scores"]] == [0.0, 1.0, 0.0]
    good, bad = found["differences"]
    assert good["lower"] > 0.5
    assert bad["lower"] < 0 < bad["upper"]
    assert found["spent_usd"] == pytest.approx(sum(score["cost_usd"] for score in found["scores"]))
    assert (found["cached"], found["stopped"]) == (0, "")
    assert len(found["questions"]) == 40
    assert found["questions"][0] == {
        "source": "labelled.jsonl:1", "scores": {"baseline": 0.0, "candidate": 1.0, "engine:bad": 0.0}
    }  # fmt: skip
    assert place.eval("list", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["runs"][0]["scores"][1]["mean"] == 1.0


def test_a_row_without_a_model_asks_as_apps_do(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the policy matches one model, that is what the baseline is asked for; where it is unclear, nothing is."""
    open_policy = POLICY.replace(f", model: {BASELINE}", "")
    place.policy(open_policy.replace("gpt-4}", f"{BASELINE}}}"))
    assert place.eval("run", "labelled", "--json") == 0
    assert [score["mean"] for score in told(capsys)["scores"]] == [0.0, 1.0]
    for unclear in ("'gpt-*'", "[gpt-4, gpt-5]"):
        place.policy(open_policy.replace("gpt-4}", f"{unclear}}}"))
        assert place.eval("run", "labelled") == 1
        assert "no model is named" in capsys.readouterr().err


def test_rows_that_say_the_same_are_counted_once_and_told(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """A set has each question once: who counts the lines of her file sees why it has fewer."""
    lines = [json.dumps({"messages": [{"role": "user", "content": text}]}) for text in ("one?", "two?", "one?")]
    (place.root / "twice.jsonl").write_text("\n".join(lines), encoding="utf-8")

    assert place.eval("add", str(place.root / "twice.jsonl"), "--route", "answers") == 0
    assert "2 rows of answers, 0 labelled; 1 said the same as another, and counts once" in capsys.readouterr().err


def test_without_labels_it_says_what_scores_are(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Who is compared with whom stands above the scores; the first variant shows none, and alone it is not asked."""
    place.add("bare", lambda _: None)
    place.add("mixed", lambda number: f"it is {number}" if number < 10 else None)
    capsys.readouterr()
    assert place.eval("run", "bare") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "No question has a label: the score says how like baseline's answer one is" in shown
    assert "baseline 40 0 - $" in shown
    assert place.eval("run", "mixed") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "10 of 40 questions have a label: 1 is as good as it. Of the others" in shown
    assert place.eval("run", "mixed", "--variants", "candidate") == 0
    assert "10 of 40 questions have a label; the others have no score" in " ".join(capsys.readouterr().out.split())
    assert place.eval("run", "mixed", "--variants", "candidate", "--json") == 0
    alone = told(capsys)
    assert (alone["labelled"], alone["scores"][0]["rows"], alone["scores"][0]["mean"]) == (10, 10, 1.0)
    assert place.eval("run", "bare", "--variants", "candidate") == 1
    assert "one variant alone is compared with nothing. hint: name a second in --variants" in capsys.readouterr().err
    assert place.eval("run", "labelled") == 0
    assert "have a label" not in capsys.readouterr().out


def test_goes_on_where_it_stopped(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Out of money it stops, keeps what it has and is no run; the next goes on, and pays for nothing twice."""
    assert place.eval("run", "labelled", "--json") == 0
    whole = told(capsys)["spent_usd"]
    place.add("again", lambda number: f"maybe {number}")
    capsys.readouterr()
    for path in (place.root / "data" / "evals" / "answers").iterdir():
        path.unlink()
    assert place.eval("run", "again", "--json", "--in-flight", "1", "--budget-usd", str(whole / 2)) == 1
    part = told(capsys)
    assert (part["stopped"], 0 < part["done"] < 40) == ("out of budget", True)
    assert part["spent_usd"] <= whole / 2
    assert place.eval("run", "again", "--json") == 0
    rest = told(capsys)
    assert rest["cached"] == 2 * part["done"]
    assert rest["spent_usd"] == pytest.approx(whole - part["spent_usd"])
    assert place.eval("run", "again", "--json") == 0
    assert (told(capsys)["spent_usd"]) == 0.0


def test_unlabelled_is_judged(place: Place, upstream: Alpaca, capsys: pytest.CaptureFixture[str]) -> None:
    """Without labels every pair is judged, whatever share the policy samples, once; and the judge is paid for."""
    place.policy(JUDGED)
    place.add("open", lambda _: None)
    capsys.readouterr()
    assert place.eval("run", "open", "--json") == 0
    found, asked = told(capsys), upstream.judged
    assert found["scores"][1]["rows"] == 40
    assert found["differences"][0]["mean"] > 0.5
    assert found["spent_usd"] > sum(score["cost_usd"] for score in found["scores"])
    assert place.eval("run", "open") == 0
    assert upstream.judged == asked
    assert "40 of 40 questions of answers, by judge" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("run", "nothing"), "there are labelled"),
        (("run", "labelled", "--variants", "baseline,tune"), "no such variant"),
    ],
)
def test_refused(place: Place, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], what: str) -> None:
    """An unknown set and an unknown variant are refused, with what to do."""
    assert place.eval(*words) == 1
    assert what in capsys.readouterr().err


def test_nobody_there(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """A variant that answers nothing scores the worst; the run is not kept, and the next asks it again."""
    kept: list[int] = []
    for _ in range(2):
        assert place.eval("run", "labelled", "--json", "--variants", "candidate,away:good") == 1
        said = capsys.readouterr()
        found = json.loads(said.out)
        assert [(score["mean"], score["failed"]) for score in found["scores"]] == [(1.0, 0), (0.0, 40)]
        assert "away:good answered nothing (unreachable)" in said.err
        kept.append(found["cached"])
    assert kept == [0, 40]
    assert place.eval("list", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["runs"] == []
