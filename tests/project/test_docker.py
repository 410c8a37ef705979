from pathlib import Path
from urllib.parse import urlsplit

import yaml

from gateway.config.settings_file import load

ROOT = Path(__file__).parents[2]


def test_the_image_serves_on_every_address_and_keeps_its_admin_port() -> None:
    """The image's own settings load: data port public behind a stated proxy, admin port inside, data on the volume."""
    settings = load(ROOT / "deploy" / "docker" / "crossfade.yaml", {})
    assert (str(settings.server.listen), settings.server.tls) == ("0.0.0.0:8080", "front-proxy")
    assert settings.server.admin.is_loopback
    assert settings.data == Path("/data")
    assert settings.upstreams["openai"].base_url == "https://api.openai.com/v1"


def test_the_image_is_locked_and_runs_as_nobody_special() -> None:
    """Dependencies come from the lock alone, the process is no root, and every copied path exists."""
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    assert ["--frozen" in line for line in lines if "uv sync" in line] == [True, True]
    assert ["--no-deps" in line for line in lines if "uv pip install" in line] == [True]
    assert any("HATCH_BUILD_HOOKS_ENABLE=1 uv build" in line for line in lines), "its data plane is to be compiled"
    assert ["--no-build-isolation" in line for line in lines if "uv build" in line] == [True], (
        "by tools that are locked"
    )
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users == ["10001:10001"]
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--from" not in line]
    ignored = (ROOT / ".dockerignore").read_text("utf-8")
    for path in (path for paths in copied for path in paths):
        assert (ROOT / path).exists(), path
        assert f"!{path}" in ignored, path


def test_traces_in_compose_go_to_a_collector_that_is_there() -> None:
    """The settings are the other compose file's and a collector, which is a service; the image has the extra."""
    plain, traced = (
        load(ROOT / "deploy" / "compose" / name, {}) for name in ("crossfade.yaml", "crossfade-traces.yaml")
    )
    assert traced.model_copy(update={"otel": None}) == plain
    services = yaml.safe_load((ROOT / "deploy" / "docker-compose.traces.yml").read_text("utf-8"))["services"]
    assert traced.otel is not None
    assert urlsplit(traced.otel.endpoint).hostname in services
    for service in services.values():
        for mount in service.get("volumes", ()):
            assert (ROOT / "deploy" / mount.split(":")[0]).exists(), mount
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    synced = [line for line in (ROOT / "Dockerfile").read_text("utf-8").splitlines() if line.startswith("RUN uv sync")]
    assert ["--extra otel" in line for line in synced] == [True]
