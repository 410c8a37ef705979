"""`crossfade doctor`: each failing check with what to do."""

import json
from pathlib import Path

import pytest

from gateway.cli.init import POLICY
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
    earlier = findings["policies", "warning"]
    assert earlier["message"] == "policy files are read from policies, the default of earlier versions"
    assert "move them to crossfade-policies" in earlier["hint"]
    assert findings["upstreams.openai.api_key_file", "warning"]["hint"] == "chmod 600 key"
    assert {("platform", "ok"), ("data plane", "ok")} <= findings.keys()


def test_doctor_with_broken_settings(capsys: pytest.CaptureFixture[str]) -> None:
    """Settings that do not load are a failure with their place, and end the checks that need them."""
    Path("crossfade.yaml").write_text("server: {workerz: 1}")
    assert main(["doctor"]) == 1
    assert "crossfade.yaml:1:10: `workerz` is no key here" in capsys.readouterr().out


def test_doctor_warns_of_an_upstream_that_nobody_uses_yet(capsys: pytest.CaptureFixture[str]) -> None:
    """An upstream that cannot be reached is a failure for the default and for what a policy names, else a warning."""
    Path("crossfade.yaml").write_text(
        "server: {listen: '127.0.0.1:0', admin: '127.0.0.1:0'}\n"
        "upstreams:\n"
        "  openai: {base_url: 'http://127.0.0.1:1/v1'}\n"
        "  vllm: {kind: vllm, base_url: 'http://127.0.0.1:1/v1'}\n"
    )

    def levels() -> list[str]:
        assert main(["doctor", "--json"]) == 1
        found = json.loads(capsys.readouterr().out)
        return [each["level"] for each in found if each["subject"].startswith("upstreams.")]

    assert levels() == ["failure", "warning"]
    Path("crossfade-policies").mkdir()
    Path("crossfade-policies/a.yaml").write_text(POLICY)
    assert levels() == ["failure", "failure"]


def test_a_doubt_about_a_policy_has_its_own_hint(capsys: pytest.CaptureFixture[str]) -> None:
    """What `policy lint` says to do is said here, once, and not in the middle of what is doubted."""
    Path("crossfade.yaml").write_text(
        "upstreams: {openai: {base_url: 'http://127.0.0.1:1/v1'}, vllm: {base_url: 'http://127.0.0.1:1/v1'}}\n"
    )
    Path("crossfade-policies").mkdir()
    Path("crossfade-policies/a.yaml").write_text(POLICY)
    main(["doctor", "--json"])
    doubts = [
        each
        for each in json.loads(capsys.readouterr().out)
        if each["level"] == "warning" and each["subject"] == "policies"
    ]
    assert doubts
    assert all(each["hint"] for each in doubts)
    assert not any("hint:" in each["message"] or "warning:" in each["message"] for each in doubts)


def test_doctor_tells_a_wrong_name_from_a_server_that_is_down(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that nobody has is no server that does not run: each has a hint of its own."""
    Path("crossfade.yaml").write_text(
        "server: {listen: '127.0.0.1:0', admin: '127.0.0.1:0'}\n"
        "upstreams:\n"
        "  openai: {base_url: 'http://nobody.invalid/v1'}\n"
        "  vllm: {kind: vllm, base_url: 'http://127.0.0.1:1/v1'}\n"
    )
    assert main(["doctor", "--json"]) == 1
    hints = {each["subject"]: each["hint"] for each in json.loads(capsys.readouterr().out)}
    assert hints["upstreams.openai"].startswith("is the name right")
    assert hints["upstreams.vllm"].startswith("is it running?")
