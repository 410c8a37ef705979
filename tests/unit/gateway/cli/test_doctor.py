"""`crossfade doctor`: each failing check with what to do."""

import json
from pathlib import Path

import pytest

from gateway.cli.main import main


def test_doctor_says_what_to_do(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each failure has a hint, no secret is shown, and a failing check is 1."""
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    Path("key").write_text("planted")
    Path("key").chmod(0o644)
    Path("crossfade.yaml").write_text(
        "server: {listen: '127.0.0.1:0', admin: '127.0.0.1:0'}\n"
        "upstreams:\n"
        "  openai: {base_url: 'http://127.0.0.1:1/v1', api_key_file: key}\n"
        "  b: {base_url: 'http://127.0.0.1:1/v1', api_key_env: NO_SUCH_KEY, ca_file: missing.pem}\n"
    )
    Path("policies").mkdir()
    Path("policies/a.yaml").write_text("rout: a")
    assert main(["doctor", "--json"]) == 1
    shown = capsys.readouterr().out
    assert "planted" not in shown
    findings = {(each["subject"], each["level"]): each for each in json.loads(shown)}
    for subject in ("upstreams.openai", "upstreams.b", "upstreams.b.ca_file"):
        assert findings[subject, "failure"]["hint"], subject
    assert "policies/a.yaml:1:1: `rout` is no key here" in findings["policies", "failure"]["message"]
    assert findings["upstreams.openai.api_key_file", "warning"]["hint"] == "chmod 600 key"
    assert {("platform", "ok"), ("data plane", "ok")} <= findings.keys()


def test_doctor_with_broken_settings(capsys: pytest.CaptureFixture[str]) -> None:
    """Settings that do not load are a failure with their place, and end the checks that need them."""
    Path("crossfade.yaml").write_text("server: {workerz: 1}")
    assert main(["doctor"]) == 1
    assert "crossfade.yaml:1:10: `workerz` is no key here" in capsys.readouterr().out
