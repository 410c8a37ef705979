"""Where `serve` reads its settings, and reads them again."""

from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.cli.serve import Configuration
from gateway.config.settings_file import SettingsError
from gateway.supervisor.programs import Modules


def test_a_file_written_after_the_start_is_read_at_the_next_reload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who starts without a file, writes one and reloads is served from it; without it again, the reload is refused."""
    monkeypatch.chdir(tmp_path)
    configuration = Configuration(None, {}, {}, Modules())
    assert configuration.settings().default_upstream != "mine"
    written = tmp_path / "crossfade.yaml"
    written.write_text("upstreams: {mine: {base_url: http://h/v1}}\ndefault_upstream: mine\n", encoding="utf-8")
    assert configuration.settings().default_upstream == "mine"
    written.unlink()
    with pytest.raises(SettingsError):
        configuration.settings()


def test_serve_refuses_to_start(capsys: pytest.CaptureFixture[str]) -> None:
    """`serve` says on stderr what is wrong with the settings, and starts nothing."""
    assert main(["serve", "--listen", "0.0.0.0:0"]) == 1
    assert "is public and has no TLS" in capsys.readouterr().err
    assert not Path("crossfade-data").exists()
