"""The commands that need no running gateway, called as the command line calls them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import clock
from gateway.cli.init import POLICY
from gateway.cli.main import COMMANDS, main
from gateway.config.policy_file import read_file
from gateway.config.settings_file import load
from gateway.control.controller.status import ControllerStatus, PolicyStatus
from gateway.node.database import opened, read_audit
from gateway.node.datadir import prepare
from policies.routing import Lease, Route, Table, Upstream, Variant, encode


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CROSSFADE_CONFIG", raising=False)


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


@pytest.mark.parametrize("trial", [False, True])
def test_init_writes_a_policy_that_lints(*, trial: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """What `init` writes is fine as a policy beside its settings, and so it is with the trial's lines instead."""
    assert main(["init"]) == 0
    example = Path("crossfade-policies/support-triage.yaml.example").read_text("utf-8")
    if trial:
        ladder = re.search(r"^stages: .*$", example, re.MULTILINE)
        assert ladder is not None
        example = re.sub(r"^# (?=assign:|stages:)", "", example.replace(ladder[0], "", 1), flags=re.MULTILINE)
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


def test_init_where_nothing_can_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    """`init` refuses a place it cannot write with what to do."""
    Path("file").touch()
    assert main(["init", "file"]) == 1
    assert "hint" in capsys.readouterr().err


def test_keys_from_first_to_last(capsys: pytest.CaptureFixture[str]) -> None:
    """A key is printed once, alone on stdout; list shows its name only; revoked, it says when."""
    assert main(["keys", "create", "team-a"]) == 0
    created = capsys.readouterr()
    key = created.out.strip()
    assert key.startswith("cf-")
    assert "shown once" in created.err
    assert "passthrough" in created.err
    assert main(["keys", "list", "--json"]) == 0
    listed = capsys.readouterr().out
    assert key not in listed
    assert [(each["name"], each["revoked_at"]) for each in json.loads(listed)] == [("team-a", None)]
    assert main(["keys", "revoke", "team-a", "--reason", "left"]) == 0
    assert "is revoked" in capsys.readouterr().out
    assert main(["keys", "list"]) == 0
    assert "revoked 20" in capsys.readouterr().out
    with opened(Path("crossfade-data/state.db")) as state:
        assert [(each.action, each.reason) for each in read_audit(state)] == [
            ("keys.create", ""),
            ("keys.revoke", "left"),
        ]


@pytest.mark.parametrize("words", [["create", "a b"], ["revoke", "nope"]])
def test_keys_that_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A refusal is 1, and says what to do on stderr."""
    assert main(["keys", *words]) == 1
    captured = capsys.readouterr()
    assert (captured.out, "hint" in captured.err) == ("", True)


def test_kill_and_back_with_nothing_running(capsys: pytest.CaptureFixture[str]) -> None:
    """The kill file is written and removed with no gateway there, and each says what it did."""
    prepare(Path("crossfade-data"))
    kill = Path("crossfade-data/KILL")
    assert main(["kill", "--reason", "it burns"]) == 0
    assert "is written: baseline only" in capsys.readouterr().out
    assert json.loads(kill.read_bytes())["reason"] == "it burns"
    assert main(["kill"]) == 0
    assert "was there already" in capsys.readouterr().out
    assert json.loads(kill.read_bytes())["reason"] == "it burns"
    assert main(["kill", "--off", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["killed"], found["changed"], found["workers"], found["confirmed"]) == (False, True, [], [])
    assert found["shared"]["told"] == "nobody"
    assert not kill.exists()
    assert main(["kill", "--off"]) == 0
    assert "nothing to take back" in capsys.readouterr().out


def test_kill_works_with_broken_settings(capsys: pytest.CaptureFixture[str]) -> None:
    """With settings that do not load, the directory can be named, and no settings are read."""
    prepare(Path("data"))
    Path("crossfade.yaml").write_text("server: [")
    assert main(["kill"]) == 1
    assert "crossfade kill --data DIR" in capsys.readouterr().err
    assert main(["kill", "--data", "data"]) == 0
    assert Path("data/KILL").exists()
    assert main(["kill", "--data", "missing"]) == 1


def test_status_of_what_is_not_running(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a gateway, status is 1 and still shows the table, its lease, the kill file and what does not load."""
    data = prepare(Path("crossfade-data"))
    route = Route("triage", Variant("openai"), candidate=Variant("vllm", "m", "r1"), weight_ppm=50_000)
    upstreams = (Upstream("openai", "http://h"), Upstream("vllm", "http://h"))
    table = Table(7, Lease(clock.wall() - 100), upstreams, "openai", routes=(route,))
    data.routing.write_bytes(encode(table))
    data.kill.touch()
    status = ControllerStatus(7, (PolicyStatus("a.yaml", None, "a.yaml:1:1: wrong"),), None)
    data.controller_status.write_bytes(
        json.dumps(
            {
                "version": 7,
                "error": None,
                "policies": [{"file": each.file, "route": each.route, "error": each.error} for each in status.policies],
            }
        ).encode()
    )
    data.exposition("recorder").write_text("crossfade_journal_lag_seconds 3.5\n")
    assert main(["status"]) == 1
    shown = capsys.readouterr().out
    for words in (
        "nothing serves from",
        "routing table 7, lease stale",
        "KILLED",
        "a.yaml:1:1: wrong",
        "s behind",
    ):
        assert words in shown
    assert [line.split() for line in shown.splitlines() if line.startswith("triage")] == [
        ["triage", "-", "5%", "-", "vllm/m@r1", "-", "-"]
    ]
    assert main(["status", "triage", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["table"]["lease"], found["killed"], found["routes"][0]["weight_pct"]) == ("stale", True, 5.0)
    assert found["journal_lag_s"] >= 3.5  # what the recorder said, and the time since
    assert main(["status", "nope"]) == 1
    assert "hint: there are triage" in capsys.readouterr().err


def test_status_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Where there never was a gateway, status says so and makes nothing."""
    assert main(["status"]) == 1
    assert "nothing serves from crossfade-data; no routing table" in capsys.readouterr().out
    assert not Path("crossfade-data").exists()


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


def test_doctor_with_broken_settings(capsys: pytest.CaptureFixture[str]) -> None:
    """Settings that do not load are a failure with their place, and end the checks that need them."""
    Path("crossfade.yaml").write_text("server: {workerz: 1}")
    assert main(["doctor"]) == 1
    assert "crossfade.yaml:1:10: `workerz` is no key here" in capsys.readouterr().out


def test_serve_refuses_to_start(capsys: pytest.CaptureFixture[str]) -> None:
    """`serve` says on stderr what is wrong with the settings, and starts nothing."""
    assert main(["serve", "--listen", "0.0.0.0:0"]) == 1
    assert "is public and has no TLS" in capsys.readouterr().err
    assert not Path("crossfade-data").exists()


def test_bad_usage_is_two() -> None:
    """An unknown option or command exits with 2."""
    for words in (["nope"], ["kill", "--nope"], ["keys"], ["keys", "create"], []):
        with pytest.raises(SystemExit) as error:
            main(words)
        assert error.value.code == 2, words


def test_help_loads_no_command() -> None:
    """`crossfade --help` lists every command and loads none of them, nor anything heavy."""
    script = (
        "import sys\nfrom gateway.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "print(sorted(loaded & {'pydantic', 'fastapi', 'duckdb', 'numpy', 'yaml', 'httpx'}))"
    )
    root = Path(__file__).parents[4]
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=root, check=True, timeout=20
    )
    assert all(name in done.stdout for name in COMMANDS)
    assert done.stdout.splitlines()[-1] == "[]"
