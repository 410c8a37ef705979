import os
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from gateway.adapters.boot import LitellmBoot
from gateway.admin.auth import digest
from gateway.admin.boot import AdminBoot
from gateway.config.otel import OtelSettings
from gateway.config.settings import Settings
from gateway.control.archiver.boot import ArchiverBoot
from gateway.control.controller.boot import ControllerBoot
from gateway.control.exporter.boot import ExporterBoot
from gateway.control.publish.table import base_table
from gateway.control.recorder.boot import RecorderBoot
from gateway.control.shadow.boot import ShadowBoot
from gateway.node.datadir import DataDirError, prepare
from gateway.proxy.boot import Boot
from gateway.supervisor.programs import Modules, Programs, read_secrets, worker_limits
from gateway.transport.limits import Limits

ENVIRONMENT = {"PATH": "/bin", "OPENAI_KEY": "planted", "JUDGE_KEY": "planted"}


@pytest.fixture
def plan(tmp_path: Path) -> Programs:
    (tmp_path / "token").write_text("a-token-of-some-length\n")
    settings = Settings.model_validate(
        {
            "server": {"admin_token_file": tmp_path / "token", "tls": {"cert": "/c", "key": "/k"}},
            "default_upstream": "openai",
            "upstreams": {
                "claude": {"kind": "litellm", "model": "anthropic/c", "api_key_env": "JUDGE_KEY"},
                "openai": {"base_url": "http://h", "api_key_env": "OPENAI_KEY", "background_key_env": "JUDGE_KEY"},
            },
            "capture": {"disk_budget": "1GiB", "journal_retention": "10m", "redact": ["email"]},
            "limits": {"in_flight": 7},
            "prices": {
                "models": {"openai": {"*": {"prompt": 1, "completion": 2}, "m": {"prompt": 3, "completion": 4}}}
            },
        }
    )
    data = prepare(tmp_path / "data")
    return Programs(settings, data, read_secrets(settings, data, ENVIRONMENT), Modules(), ENVIRONMENT, tmp_path)


def test_what_a_worker_is_told(plan: Programs) -> None:
    """A worker gets paths, secrets and limits on its pipe, the sockets as descriptors, and the upstreams' keys."""
    program = plan.worker("w0", [5])
    boot = msgspec.json.decode(program.boot(9), type=Boot)
    assert (boot.worker, boot.listen_fds, boot.ready_fd, program.fds) == ("w0", [5], 9, (5,))
    assert boot.journal_key == plan.secrets.journal_key.hex()
    assert boot.limits.in_flight == 7
    assert (boot.tls_cert, boot.tls_key, boot.disk_budget_bytes) == ("/c", "/k", 2**30)
    assert program.environment == ENVIRONMENT


def test_upstream_keys_are_for_workers_only(plan: Programs) -> None:
    """No process of the control plane has an upstream's key in its environment."""
    for program in (plan.controller(), plan.recorder(), plan.shadow(), plan.admin()):
        assert program.environment == {"PATH": "/bin"}


def test_workers_come_first_on_a_full_machine(plan: Programs) -> None:
    """The controller stands behind the workers, and what nobody waits for behind the controller."""
    behind = [each.nice for each in (plan.worker("w0", [5]), plan.controller(), plan.recorder(), plan.shadow())]
    assert behind == sorted(behind)
    assert behind[0] == 0 < behind[1] < behind[2] == plan.admin().nice


def test_what_the_control_plane_is_told(plan: Programs) -> None:
    """Controller, recorder and admin process get what they need, and the admin process only the token's hash."""
    controller = msgspec.json.decode(plan.controller().boot(9), type=ControllerBoot)
    assert (controller.base.default_upstream, controller.ready_fd) == ("openai", 9)
    recorder = msgspec.json.decode(plan.recorder().boot(9), type=RecorderBoot)
    assert (recorder.redact, recorder.journal_retention_s, recorder.ready_fd) == (("email",), 600.0, 9)
    assert [(each.model, each.prompt_usd, each.completion_usd) for each in recorder.prices] == [("", 1, 2), ("m", 3, 4)]
    admin = plan.admin().boot(9)
    assert msgspec.json.decode(admin, type=AdminBoot).token_sha256 == digest("a-token-of-some-length")
    assert b"a-token" not in admin
    assert msgspec.json.decode(admin, type=AdminBoot).state == plan.secrets.state


def test_an_exporter_runs_only_for_a_collector(plan: Programs, tmp_path: Path) -> None:
    """It is told what makes rows and where spans go; its headers stay in their file, and it sees no upstream's key."""
    assert "exporter" not in plan.control()
    otel = OtelSettings(
        endpoint="http://c/v1/traces",
        headers_file=tmp_path / "headers",
        conventions=("openinference",),
        sample="5%",  # type: ignore[arg-type]
    )
    settings = plan.settings.model_copy(update={"otel": otel})
    program = replace(plan, settings=settings).control()["exporter"]
    boot = msgspec.json.decode(program.boot(9), type=ExporterBoot)
    assert (boot.endpoint, boot.headers_file, boot.conventions) == (
        "http://c/v1/traces", str(tmp_path / "headers"), ("openinference",)
    )  # fmt: skip
    assert (boot.trace_ppm, boot.content, boot.redact, boot.ready_fd) == (50_000, False, ("email",), 9)
    assert (boot.journal_retention_s, [each.model for each in boot.prices]) == (600.0, ["", "m"])
    assert (program.environment, program.nice) == ({"PATH": "/bin"}, plan.recorder().nice)


def test_an_archiver_runs_only_for_an_archive(plan: Programs) -> None:
    """It is told where the records are and where they go, and sees no upstream's key."""
    assert "archiver" not in plan.control()
    settings = plan.settings.model_copy(update={"archive": "s3://bucket/prefix"})
    program = replace(plan, settings=settings).control()["archiver"]
    boot = msgspec.json.decode(program.boot(9), type=ArchiverBoot)
    assert (boot.records, boot.archive, boot.ready_fd) == (str(plan.data.records), "s3://bucket/prefix", 9)
    assert (program.environment, program.nice) == ({"PATH": "/bin"}, plan.recorder().nice)


def test_the_password_of_the_state_is_told_to_who_needs_it(tmp_path: Path) -> None:
    """It travels in the boot pipe of the admin process; no process has it in its environment, no worker at all."""
    settings = Settings.model_validate({"state": "redis://cache", "state_password_env": "STATE_PASSWORD"})
    environment = {"STATE_PASSWORD": "planted", "PATH": "/bin"}
    data = prepare(tmp_path / "data")
    plan = Programs(settings, data, read_secrets(settings, data, environment), Modules(), environment, tmp_path)
    assert msgspec.json.decode(plan.admin().boot(9), type=AdminBoot).state.password == "planted"
    worker = plan.worker("w", [])
    assert b"planted" not in worker.boot(9)
    for program in (worker, *plan.control().values()):
        assert "STATE_PASSWORD" not in (program.environment or {})


def test_the_shadow_gets_keys_of_our_own(plan: Programs, tmp_path: Path) -> None:
    """Background keys come before an upstream's own; litellm's process has its own; no repr shows any."""
    boot = msgspec.json.decode(plan.shadow().boot(9), type=ShadowBoot)
    assert (boot.keys, boot.key_files) == ({"openai": "planted"}, {})
    assert (boot.background, boot.journal_retention_s, boot.ready_fd) == (("claude", "openai"), 600.0, 9)
    assert "planted" not in repr(boot)

    (tmp_path / "key").write_text("sk-background\n")
    upstreams = {
        "openai": {"base_url": "http://h", "api_key_env": "OPENAI_KEY", "background_key_file": tmp_path / "key"},
        "vllm": {"base_url": "http://v", "kind": "vllm"},
        "other": {"base_url": "http://o"},
    }
    settings = Settings.model_validate({"upstreams": upstreams})
    boot = msgspec.json.decode(replace(plan, settings=settings).shadow().boot(9), type=ShadowBoot)
    assert boot.keys == {"openai": "sk-background"}
    assert boot.key_files == {"openai": str(tmp_path / "key")}  # where the shadow looks for a rotated one
    assert boot.background == ("openai", "vllm")


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_key_that_cannot_be_read_costs_its_upstream_alone(
    plan: Programs, tmp_path: Path, content: bytes | None
) -> None:
    """The shadow starts with the other keys, does not ask that upstream, and what is wrong is told without the key."""
    path = tmp_path / "ill"
    if content is not None:
        path.write_bytes(content)
    upstreams = {
        "ill": {"base_url": "http://h", "background_key_file": path},
        "well": {"base_url": "http://w", "api_key_env": "OPENAI_KEY"},
        "vllm": {"base_url": "http://v", "kind": "vllm", "api_key_file": path},
        "claude": {"kind": "litellm", "model": "anthropic/c", "api_key_file": path},
    }
    plan = replace(plan, settings=Settings.model_validate({"upstreams": upstreams, "default_upstream": "well"}))
    boot = msgspec.json.decode(plan.shadow().boot(9), type=ShadowBoot)
    assert boot.keys == {"well": "planted"}
    assert boot.background == ("well", "claude")
    assert [problem.partition(": ")[0] for problem in plan.problems()] == ["upstream ill", "upstream vllm"]
    with pytest.raises(OSError, match="ill"):
        plan.control()["litellm-claude"].boot(9)


def test_the_defaults_of_limits_agree() -> None:
    """What the settings document as default is what a worker does by default."""
    assert worker_limits(Settings().limits) == Limits()


def test_secrets_print_nothing(plan: Programs) -> None:
    """A repr of the secrets, alone or inside the plan, shows none of them."""
    assert plan.secrets.pepper.hex() not in repr(plan)
    assert "planted" not in repr(plan)
    assert repr(plan.secrets) == "Secrets(***)"


@pytest.mark.parametrize("content", [None, b"short", b"\xff" * 32])
def test_an_admin_token_that_is_none(tmp_path: Path, content: bytes | None) -> None:
    """A token file that is missing, guessable or no text is refused."""
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    settings = Settings.model_validate({"server": {"admin_token_file": tmp_path / "token"}})
    with pytest.raises(DataDirError, match="hint"):
        read_secrets(settings, prepare(tmp_path / "data"), {})


@pytest.mark.parametrize(
    "named",
    [
        {"server": {"admin_token_file": "pipe"}},
        {"server": {"admin_viewer_token_file": "pipe"}},
        {"capture": {"journal_key_file": "pipe"}},
        {"keys": {"pepper_file": "pipe"}},
        {"state": "redis://h/0", "state_password_file": "pipe", "state_key_file": "key"},
        {"state": "redis://h/0", "state_key_file": "pipe"},
    ],
    ids=str,
)
def test_a_secret_that_is_no_file_is_not_waited_for(tmp_path: Path, named: dict[str, object]) -> None:
    """A pipe that nobody writes to is refused by name: whoever reloads the settings goes on with what there was."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "key").write_text("ab" * 32)
    settings = Settings.model_validate(named, context={"folder": tmp_path})
    with pytest.raises(DataDirError, match="pipe: it is no file"):
        read_secrets(settings, prepare(tmp_path / "data"), {})


def test_what_a_litellm_process_is_told(plan: Programs) -> None:
    """It gets its model, its socket and its provider's key, which nobody else gets; the table names its socket."""
    program = plan.control()["litellm-claude"]
    boot = msgspec.json.decode(program.boot(9), type=LitellmBoot)
    assert (boot.model, boot.api_key, boot.ready_fd) == ("anthropic/c", "planted", 9)
    assert program.environment == {"PATH": "/bin"}
    (upstream,) = [each for each in base_table(plan.settings, plan.sockets).upstreams if each.kind == "litellm"]
    assert (upstream.uds, upstream.api_key_env, upstream.base_url) == (boot.uds, None, "http://litellm/v1")
