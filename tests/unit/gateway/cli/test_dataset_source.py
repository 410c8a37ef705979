"""Whose exchanges a dataset takes, before there is any route."""

import json
from pathlib import Path

import msgspec
import pytest

from gateway.cli.arguments import command_line
from gateway.cli.dataset_source import DatasetSource, source_of
from gateway.cli.main import main
from gateway.node.datadir import DataDir
from records.store import Store
from tests.rooms.policy_files import SHORT, written
from tests.rooms.stored_records import keep, record

BUILD = ("dataset", "build", "--format", "trl-sft", "--out", "sets")


def said(*words: str) -> DatasetSource:
    return source_of(command_line().parse_args([*BUILD, *words]))


def test_whose_exchanges_are_taken(tmp_path: Path) -> None:
    """A route's, those of none by model, or a policy's: with what has no route where models alone decide."""
    policy = tmp_path / "p.yaml"
    policy.write_text(SHORT)
    assert said("--route", "triage", "--model", "m") == DatasetSource("triage", ("m",))
    assert said("--unrouted", "--match", "model=gpt-4o") == DatasetSource("", ("gpt-4o",))
    assert said("--policy", str(policy)) == DatasetSource("support-triage", unrouted_models=("gpt-4o",))
    policy.write_text(written(match="{model: gpt-4o, header: {x-app: a}}"))
    assert said("--policy", str(policy)) == DatasetSource("support-triage")
    policy.write_text(written(match="{model: gpt-4o*}"))
    assert said("--policy", str(policy)) == DatasetSource("support-triage")


def test_what_cannot_be_told_is_refused(tmp_path: Path) -> None:
    """Another key than the model, and a policy that does not load, each with what to do."""
    with pytest.raises(ValueError, match="hint: --match model=gpt-4o"):
        said("--unrouted", "--match", "header=x")
    (tmp_path / "p.yaml").write_text("rout: a")
    with pytest.raises(ValueError, match=r"p\.yaml:1:1"):
        said("--policy", str(tmp_path / "p.yaml"))


def test_a_dataset_comes_before_its_route(data: DataDir, capsys: pytest.CaptureFixture[str]) -> None:
    """What was recorded without any policy is a dataset by its model; a policy that came later has it, too."""
    unrouted = [record(n, route="", why="unrouted") for n in range(3)]
    another = record(4, route="", why="unrouted")
    another = msgspec.structs.replace(another, model_requested="gpt-5", model_returned="gpt-5")
    keep(Store(data.records), "a", *unrouted, record(3, route="other"), another)
    for words in (("--unrouted", "--match", "model=gpt-4o"), ("--policy", "p.yaml")):
        Path("p.yaml").write_text(SHORT)
        main([*BUILD, *words, "--json"])
        assert json.loads(capsys.readouterr().out)["read"] == 3, words


def test_a_policy_takes_all_of_its_route(data: DataDir, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever they asked for: the policy may have matched another model then."""
    older = record(0, route="support-triage")
    older = msgspec.structs.replace(older, model_requested="gpt-3.5", model_returned="gpt-3.5")
    keep(Store(data.records), "a", older, record(1, route="", why="unrouted"))
    Path("p.yaml").write_text(SHORT)
    main([*BUILD, "--policy", "p.yaml", "--json"])
    assert json.loads(capsys.readouterr().out)["read"] == 2
