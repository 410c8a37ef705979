"""What is asked of an engine before the first request is mirrored."""

from pathlib import Path
from typing import Any

import pytest

from gateway.training.preflight import Engine, PreflightCheck, PreflightError, preflight
from tests.fakes.engine import FakeEngine, tokens_of
from tests.rooms.trained import ADAPTER, trained


class OddEngine(FakeEngine):
    """Answers every chat with this."""

    def __init__(self, said: Any) -> None:
        super().__init__()
        self.said = said

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        return (200, self.said) if path.endswith("/completions") else super().answer(path, body)


def checks(run: Path, *engines: FakeEngine, model: str = "tuned", **more: Any) -> list[PreflightCheck]:
    """The preflight of `run` at these replicas."""
    if not engines:
        return list(preflight(run, Engine("http://engine.test/v1", model, {}, **more)))
    with engines[0].serving() as address:
        replicas = (*more.pop("replicas", ()), address)
        if engines[1:]:
            return checks(run, *engines[1:], model=model, replicas=replicas, **more)
        return list(preflight(run, Engine("http://engine.test/v1", model, {"x-a": "b"}, replicas=replicas, **more)))


def faults(found: list[PreflightCheck]) -> dict[str, tuple[str, ...]]:
    return {check.name: check.faults for check in found if check.faults}


def test_an_engine_that_serves_what_was_trained_passes(tmp_path: Path):
    """Model, prompts and answers are looked at; the upstream's name and headers go with each request."""
    engine = FakeEngine()
    found = checks(trained(tmp_path / "run"), engine)

    assert [(check.name, check.faults) for check in found] == [("model", ()), ("template", ()), ("answers", ())]
    assert {(seen["host"], seen["x-a"]) for seen in engine.seen} == {("engine.test", "b")}
    assert len(engine.seen) == 1 + 5 + 3


def test_a_template_that_differs_is_caught_for_each_prompt(tmp_path: Path):
    """One byte more in the engine's rendering is a fault, told with its place and without the prompt."""
    engine = FakeEngine(template=lambda turns: [*tokens_of(turns), 10])
    (told,) = faults(checks(trained(tmp_path / "run"), engine)).values()

    assert len(told) == 5
    assert told[0] == "prompt 1 differs at the end: 16 tokens in training, 17 there"
    assert "question" not in "".join(told)


def test_a_template_of_the_same_length_is_caught_at_its_place(tmp_path: Path):
    """As many tokens are not the same ones: the first that differs is told."""
    engine = FakeEngine(template=lambda turns: [*tokens_of(turns)[:3], 0, *tokens_of(turns)[4:]])
    (told,) = faults(checks(trained(tmp_path / "run"), engine)).values()

    assert told[0] == "prompt 1 differs from token 3: 16 tokens in training, 16 there"


def test_every_replica_is_asked(tmp_path: Path):
    """One replica without the model, or that answers nothing, fails the preflight though the others are fine."""
    run = trained(tmp_path / "run")
    assert faults(checks(run, FakeEngine(), FakeEngine(model="older"))) == {"model": ("it serves older",)}
    assert faults(checks(run, FakeEngine(), FakeEngine(say=lambda _: None)))["answers"][0] == "prompt 1: status 500"
    assert len(faults(checks(run, FakeEngine(say=lambda _: "")))["answers"]) == 3


def test_an_adapter_is_looked_at_before_any_engine(tmp_path: Path):
    """What the engine would refuse is the first thing said."""
    found = checks(trained(tmp_path / "run", ADAPTER | {"use_dora": True}), FakeEngine())
    assert found[0].name == "adapter"
    assert "DoRA" in found[0].faults[0]


def test_nobody_there_is_a_fault_of_that_replica(tmp_path: Path):
    """A replica that cannot be reached is named with the error's kind."""
    found = checks(trained(tmp_path / "run"), replicas=("127.0.0.1:1",))
    assert "ConnectError" in faults(found)["reachable"][0]


def test_a_folder_without_a_training_is_no_preflight(tmp_path: Path):
    """It says which folder to name; an address that nobody knows is said too."""
    with pytest.raises(PreflightError, match=r"^[^\[]*prompts.jsonl: No such file or directory. hint: name the --out"):
        checks(tmp_path)
    with pytest.raises(PreflightError, match="base_url"):
        checks(trained(tmp_path / "run"))


@pytest.mark.parametrize(
    "answer",
    [
        {"choices": []},
        {"choices": [{"message": None}]},
        {"choices": [{}]},
        [],
        None,
        {"choices": "x"},
    ],
)
def test_an_answer_of_another_shape_is_a_fault_of_that_replica(tmp_path: Path, answer: object):
    """Whatever an engine says, it is a sentence beside the others."""
    found = faults(checks(trained(tmp_path / "run"), OddEngine(answer)))
    assert found.keys() <= {"answers", "reachable"}
    assert found


@pytest.mark.parametrize("line", ["[]", "3", '{"messages": []}', '{"messages": 3, "tokens": [1]}', "x"])
def test_prompts_that_no_training_left_are_no_preflight(tmp_path: Path, line: str):
    """The file is named, and no replica is blamed for it."""
    run = trained(tmp_path / "run")
    (run / "prompts.jsonl").write_text(line + "\n")
    with pytest.raises(PreflightError, match=r"prompts\.jsonl: .*hint: name the --out"):
        checks(run, FakeEngine())


def test_no_more_prompts_are_told_than_were_asked(tmp_path: Path):
    """A training of one prompt has one answer to show."""
    run = trained(tmp_path / "run")
    (run / "prompts.jsonl").write_text((run / "prompts.jsonl").read_text().partition("\n")[0] + "\n")
    *_, answers = checks(run, FakeEngine())
    assert answers.told.startswith("1 prompt at ")


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8000/v1", "http:///v1", "http://h:99999/v1", "http://[::1/v1", "ftp://h/v1"]
)
def test_what_is_no_address_of_an_engine_is_said(tmp_path: Path, url: str):
    """With what one looks like, before anything is asked; a replica's too."""
    run = trained(tmp_path / "run")
    with pytest.raises(PreflightError, match=r"no URL of an engine\. hint: as http://"):
        list(preflight(run, Engine(url, "tuned", {})))
    for address in ("host", ":8000", "http://h:8000", "a b:1", "h:port"):
        with pytest.raises(PreflightError, match="HOST:PORT"):
            list(preflight(run, Engine("http://h/v1", "tuned", {}, replicas=(address,))))
