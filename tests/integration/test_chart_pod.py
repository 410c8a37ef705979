"""What the Helm chart makes of values, given to a real gateway: settings, probes, Secrets and policies as mounted."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.rooms.certificates import Authority
from tests.rooms.chart import POLICIES, REACHABLE, container, one, settings_text
from tests.rooms.serving import REAL, Serving
from tests.rooms.waiting import NO_TLS, PATIENCE_S, await_true
from tools import helm

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not helm.HOME.is_made, reason="no Helm is here: make helm"),
]


class Mount:
    """A ConfigMap or Secret as the kubelet mounts it: each file a link through `..data`, which is replaced whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._versions = 0
        folder.mkdir()

    def write(self, files: Mapping[str, str]) -> None:
        """Swap in a new version, as Kubernetes' atomic writer does, and take away the old one."""
        self._versions += 1
        version = self.folder / f"..2026_11_30_{self._versions}"
        version.mkdir()
        for name, text in files.items():
            (version / name).write_text(text, "utf-8")
        data, fresh = self.folder / "..data", self.folder / "..data_tmp"
        before = self.folder / os.readlink(data) if data.is_symlink() else None
        fresh.symlink_to(version.name)
        fresh.rename(data)
        for name in files:
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")
        for path in self.folder.iterdir():
            if not path.name.startswith("..") and path.name not in files:
                path.unlink()
        if before is not None:
            for path in before.iterdir():
                path.unlink()
            before.rmdir()


@dataclass(slots=True)
class Pod(Serving):
    """A gateway with the rendered crossfade.yaml, its paths in a folder of the test's and its ports free ones."""

    values: str = ""
    worker: str = REAL
    authority: Authority | None = None
    """Who has signed the admin port's certificate; None: it speaks plain HTTP."""

    def write_settings(self) -> None:
        """Write it as the chart has it; only where it is differs."""
        text = self.moved(settings_text(self.values))
        (self.directory / "crossfade.yaml").write_text(text, "utf-8")

    def moved(self, text: str) -> str:
        """A text of the pod's with the places of the test."""
        text = text.replace("/etc/crossfade/", f"{self.directory}/").replace("/data/crossfade", f"{self.data}")
        return text.replace(":8080", f":{self.port}").replace(":8081", f":{self.admin_port}")

    @property
    def client(self) -> httpx.Client:
        """A client of the admin port, to be closed."""
        scheme, verify = ("http", NO_TLS) if self.authority is None else ("https", self.authority.trusting())
        return httpx.Client(base_url=f"{scheme}://127.0.0.1:{self.admin_port}", verify=verify, timeout=PATIENCE_S)

    def admin(self, path: str) -> httpx.Response:
        """Ask the admin port."""
        with self.client as client:
            return client.get(path)

    def probe(self, name: str) -> list[str]:
        """A probe's command, as it is run here."""
        _, *words = container(self.values)[name]["exec"]["command"]
        return [sys.executable, *map(self.moved, words)]

    def mount(self, name: str, files: Mapping[str, str]) -> Mount:
        """Mount something below /etc/crossfade."""
        mount = Mount(self.directory / name)
        mount.write(files)
        return mount


def _policies(values: str) -> dict[str, str]:
    found: dict[str, Any] = one(values, "ConfigMap", "crossfade-policies")
    return found["data"]


def test_a_changed_policy_is_read_as_kubernetes_writes_it(tmp_path: Path) -> None:
    """A ConfigMap's new version is in force without a restart; the pod's own probes say that it lives and is ready."""
    pod = Pod(tmp_path, values=POLICIES)
    policies = pod.mount("policies", _policies(POLICIES))
    with pod:
        pod.await_ready()
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert subprocess.run(pod.probe(probe), check=False, timeout=PATIENCE_S).returncode == 0
        pod.await_metric('crossfade_policy_info{route="support-triage",revision="1"} 1')
        policies.write(_policies(POLICIES.replace('revision: "1"', 'revision: "2"')))
        pod.await_metric('crossfade_policy_info{route="support-triage",revision="2"} 1')
        policies.write({})
        await_true(lambda: "crossfade_policy_info{" not in pod.admin("/metrics").text, "no policy in force")
    assert subprocess.run(pod.probe("readinessProbe"), check=False, capture_output=True, timeout=PATIENCE_S).returncode


def test_a_reachable_admin_port_asks_for_its_secret(tmp_path: Path) -> None:
    """Probes are answered without a token; metrics with the viewer's, who may change nothing; nothing by plain HTTP."""
    authority = Authority(tmp_path)
    authority.server("127.0.0.1")
    certificate = (tmp_path / "127.0.0.1-False.pem").read_text("ascii")
    pod = Pod(tmp_path, values=REACHABLE, authority=authority)
    pod.mount("policies", {})
    pod.mount("secrets", {"admin-token": "a" * 32, "viewer-token": "b" * 32})
    pod.mount("admin-tls", {"tls.crt": certificate, "tls.key": certificate})
    with pod, pod.client as client:
        pod.await_ready()
        pod.await_control()
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{pod.admin_port}/healthz", verify=NO_TLS, timeout=PATIENCE_S)
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert client.get(container(REACHABLE)[probe]["httpGet"]["path"]).status_code == 200
        assert client.get("/metrics").status_code == 401
        viewer, operator = ({"authorization": f"Bearer {token * 32}"} for token in "ba")
        assert "crossfade_build_info" in client.get("/metrics", headers=viewer).text
        order = {"reason": "a test", "off": True}
        assert client.post("/api/v1/kill", json=order, headers=viewer).status_code == 403
        assert client.post("/api/v1/kill", json=order, headers=operator).status_code == 200


def test_what_a_mount_is_like() -> None:
    """Settings name Secrets' files below one folder, and crossfade.yaml itself is a key of the pod's ConfigMap."""
    assert (
        yaml.safe_load(settings_text(REACHABLE))["server"]["admin_token_file"] == "/etc/crossfade/secrets/admin-token"
    )
    [name] = [each["value"] for each in container("")["env"] if each["name"] == "CROSSFADE_CONFIG"]
    assert name == "/etc/crossfade/config/crossfade.yaml"
