"""`crossfade init`: what it writes, and what it leaves as it is."""

import re
from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.config.policy_file import read_file
from gateway.config.settings_file import load


def test_init_writes_what_loads_and_never_overwrites(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`init` prints what it wrote; a second one leaves everything as it is."""
    assert main(["init"]) == 0
    assert capsys.readouterr().out.splitlines() == ["crossfade.yaml", "crossfade-policies/support-triage.yaml.example"]
    assert load(Path("crossfade.yaml"), {}).default_name == "openai"
    Path("crossfade.yaml").write_text("mine")
    assert main(["init"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "left as it is" in captured.err
    assert Path("crossfade.yaml").read_text() == "mine"
    assert main(["init", "elsewhere/deep"]) == 0
    assert (tmp_path / "elsewhere" / "deep" / "crossfade-policies").is_dir()


def test_init_where_nothing_can_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    """`init` refuses a place it cannot write with what to do."""
    Path("file").touch()
    assert main(["init", "file"]) == 1
    assert capsys.readouterr().err == (
        "file: is a file that is there already. hint: name a directory this user may write\n"
    )


@pytest.mark.parametrize("trial", [False, True])
def test_init_writes_a_policy_that_lints(*, trial: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """What `init` writes is fine as a policy beside its settings, and so it is with the trial's lines instead."""
    assert main(["init"]) == 0
    example = Path("crossfade-policies/support-triage.yaml.example").read_text("utf-8")
    if trial:
        ladder = re.search(r"^stages: .*$", example, re.MULTILINE)
        assert ladder is not None
        example = re.sub(r"^# (?=assign:|gates:|stages:)", "", example.replace(ladder[0], "", 1), flags=re.MULTILINE)
    Path("crossfade-policies/support-triage.yaml").write_text(example, "utf-8")
    assert main(["policy", "lint"]) == 0
    assert "1 fine, 0 problems" in capsys.readouterr().err
    policy = read_file(Path("crossfade-policies/support-triage.yaml")).policy
    assert policy.assign.close_after == (10.0 if trial else 1800.0)
    assert len(policy.stages) >= 4


def test_init_tells_of_policies_in_the_earlier_folder(capsys: pytest.CaptureFixture[str]) -> None:
    """Where `policies` holds policy files, `init` says that the settings it writes do not read them."""
    Path("policies").mkdir()
    Path("policies/a.yaml").touch()
    assert main(["init"]) == 0
    assert "policies holds 1 policy files, which are not read. hint: move them" in capsys.readouterr().err
