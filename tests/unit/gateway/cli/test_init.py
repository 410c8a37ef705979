"""`crossfade init`: what it writes, and what it leaves as it is."""

from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.config.settings_file import load


def test_init_writes_what_loads_and_never_overwrites(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`init` prints what it wrote; a second one leaves everything as it is."""
    assert main(["init"]) == 0
    assert capsys.readouterr().out.splitlines() == ["crossfade.yaml", "policies/support-triage.yaml.example"]
    assert load(Path("crossfade.yaml"), {}).default_name == "openai"
    Path("crossfade.yaml").write_text("mine")
    assert main(["init"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "left as it is" in captured.err
    assert Path("crossfade.yaml").read_text() == "mine"
    assert main(["init", "elsewhere/deep"]) == 0
    assert (tmp_path / "elsewhere" / "deep" / "policies").is_dir()


def test_init_where_nothing_can_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    """`init` refuses a place it cannot write with what to do."""
    Path("file").touch()
    assert main(["init", "file"]) == 1
    assert "hint" in capsys.readouterr().err
