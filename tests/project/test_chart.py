"""The Helm chart, rendered by a real Helm: valid for Kubernetes, taken by our own settings, strict with its values."""

import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, cast

import pytest
import yaml

from gateway.config.settings_file import load
from gateway.supervisor.process import CONTROL_STOP_S, KILL_AFTER_DRAIN_S
from gateway.telemetry.metrics import BY_NAME
from tests.rooms.chart import (
    CASES,
    CHART,
    POLICIES,
    REACHABLE,
    SEVERAL,
    ChartRefusedError,
    container,
    objects,
    one,
    pod,
    rendered,
    run,
    settings_text,
)
from tools import chart, helm

DEPLOY = CHART.parents[1]
EVERY = pytest.mark.parametrize("values", CASES.values(), ids=CASES)
NO_SCHEMA = {"ServiceMonitor", "PrometheusRule", "HTTPRoute"}
"""Not of Kubernetes itself: their schemas are in the clusters that have them."""
needs_helm = pytest.mark.skipif(not helm.HOME.is_made, reason="no Helm is here: make helm")


def test_the_made_files_are_what_they_are_made_of() -> None:
    """Making them again gives the same bytes; run tools/chart.py after a change of values, alerts or dashboards."""
    assert chart.stale() == []


def test_a_value_without_its_comment_is_no_value() -> None:
    """Each value says what it is: one that does not is found when the table is made."""
    with pytest.raises(ValueError, match=r"a\.b has no comment"):
        chart.values("a:\n  # of b\n  b: 1\n")
    assert [each.about for each in chart.values("# -- Of a,\n# and more.\na: {b: 1}\n")] == ["Of a, and more."]


@needs_helm
def test_helm_finds_nothing_to_say_of_it() -> None:
    """`helm lint --strict` passes, with the default values and with all of them."""
    assert "0 chart(s) failed" in run("lint", "--strict", CHART)


@needs_helm
@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_what_it_makes_is_valid(version: str, tmp_path: Path) -> None:
    """Every object is one that this Kubernetes knows, with no field that it does not."""
    files: list[Path] = []
    for name, values in CASES.items():
        known = [found for found in objects(values) if found["kind"] not in NO_SCHEMA]
        files.append(tmp_path / f"{name}.yaml")
        files[-1].write_text(yaml.safe_dump_all(known), "utf-8")
    command = [helm.VALIDATE, "--strict", "--kubernetes-version", version, *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = done.stdout + done.stderr
    assert passed.count(" passed for resource ") == sum(len(list(yaml.safe_load_all(f.read_text()))) for f in files)


@needs_helm
@EVERY
def test_the_gateway_takes_its_settings(values: str, tmp_path: Path) -> None:
    """The rendered crossfade.yaml loads: on every address, its admin port on loopback unless it has TLS and a token."""
    path = tmp_path / "crossfade.yaml"
    path.write_text(settings_text(values), "utf-8")
    settings = load(path, {"AZURE_KEY": "x"})
    assert str(settings.server.listen) == "0.0.0.0:8080"
    has_port = any(port["name"] == "admin" for port in container(values)["ports"])
    assert settings.server.admin.is_loopback != has_port


@needs_helm
@EVERY
def test_a_pod_has_the_time_to_drain(values: str, tmp_path: Path) -> None:
    """Kubernetes kills a pod later than preStop, the drain and the control plane's own end take together."""
    path = tmp_path / "crossfade.yaml"
    path.write_text(settings_text(values), "utf-8")
    least_s = load(path, {}).server.drain + KILL_AFTER_DRAIN_S + CONTROL_STOP_S
    pause_s = container(values)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod(values)["terminationGracePeriodSeconds"] > pause_s + least_s


@needs_helm
@EVERY
def test_every_file_of_the_settings_is_mounted(values: str) -> None:
    """Each path in crossfade.yaml lies on a volume of the pod; only the data and /tmp can be written to."""
    mounts = {PurePosixPath(mount["mountPath"]): mount for mount in container(values)["volumeMounts"]}
    for path in _paths(yaml.safe_load(settings_text(values))):
        assert any(path.is_relative_to(mount) for mount in mounts), path
    assert {str(path) for path, mount in mounts.items() if not mount.get("readOnly")} == {"/data", "/tmp"}
    assert not any("subPath" in mount for mount in mounts.values()), "such a file is never renewed"
    volumes = {volume["name"] for volume in pod(values)["volumes"]} | {"data"}
    assert {mount["name"] for mount in mounts.values()} == volumes


def _paths(tree: Any) -> Iterator[PurePosixPath]:
    if isinstance(tree, dict):
        for child in cast("dict[str, Any]", tree).values():
            yield from _paths(child)
    elif isinstance(tree, str) and tree.startswith("/"):
        yield PurePosixPath(tree)


@needs_helm
@EVERY
def test_a_pod_may_do_no_more_than_it_must(values: str) -> None:
    """No root, no capability, no writable root, no token for Kubernetes' API."""
    found, inner = pod(values), container(values)
    assert found["automountServiceAccountToken"] is False
    assert one(values, "ServiceAccount")["automountServiceAccountToken"] is False
    outer = found["securityContext"]
    assert (outer["runAsNonRoot"], outer["runAsUser"], outer["seccompProfile"]) == (
        True,
        10001,
        {"type": "RuntimeDefault"},
    )
    assert inner["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@needs_helm
@EVERY
def test_what_selects_pods_selects_these(values: str) -> None:
    """Services, budget, policy, scaler and the set itself mean the pods that are made; no volume goes with a pod."""
    labels = one(values, "StatefulSet")["spec"]["template"]["metadata"]["labels"].items()
    for found in objects(values):
        spec = found.get("spec", {})
        match found["kind"]:
            case "Service":
                assert spec["selector"].items() <= labels
            case "PodDisruptionBudget" | "StatefulSet":
                assert spec["selector"]["matchLabels"].items() <= labels
            case "NetworkPolicy":
                assert spec["podSelector"]["matchLabels"].items() <= labels
            case "HorizontalPodAutoscaler":
                assert (spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"]) == ("StatefulSet", "crossfade")
            case _:
                pass
    made = one(values, "StatefulSet")["spec"]
    assert made["serviceName"] == "crossfade-pods"
    assert set(made["persistentVolumeClaimRetentionPolicy"].values()) == {"Retain"}


@needs_helm
@pytest.mark.parametrize(
    ("values", "named"),
    [
        ("replica: 2", "replica"),
        ("image: {repo: x}", "repo"),
        ("drainSeconds: 10m", "drainSeconds"),
        ("service: {type: Loadbalancer}", "service.type"),
        ("settings: {capture: {samples: 1%}}", "samples"),
        ("settings: {upstreams: {openai: {base_ulr: x}}}", "base_ulr"),
        ("settings: {data: /x}", "data"),
        ("settings: {server: {admin: '0.0.0.0:8081'}}", "admin"),
        ("settings: {keys: {pepper_file: /x}}", "pepper_file"),
        ("policies: {files: {a/b.yaml: x}}", "a/b.yaml"),
        ("state: {url: sqlite}", "state.url"),
    ],
)
def test_a_value_that_is_none_is_refused_by_name(values: str, named: str) -> None:
    """A misspelt value, one of the wrong kind, and a setting that the chart writes itself."""
    with pytest.raises(ChartRefusedError, match=named):
        rendered(values)


@needs_helm
@pytest.mark.parametrize(
    ("values", "told"),
    [
        ("replicas: 2", "set state.url to redis"),
        ("autoscaling: {enabled: true}", "set state.url to redis"),
        ("replicas: 2\nstate: {url: 'redis://a:6379/0'}", "set secret.name and secret.stateKey"),
        ("secret: {pepper: pepper}", "secret.pepper names a key of a Secret: set secret.name"),
        ("admin: {tlsSecret: a}", "set secret.adminToken"),
        ("metrics: {serviceMonitor: true}", "set admin.tlsSecret"),
        ("policies: {configMap: a, files: {b.yaml: c}}", "set one of them"),
        ("ingress: {enabled: true}", "set ingress.host"),
        ("httpRoute: {enabled: true}", "set httpRoute.parentRefs"),
    ],
)
def test_values_that_do_not_go_together_are_refused_with_what_to_do(values: str, told: str) -> None:
    """What would not work in the cluster is said before anything is there."""
    with pytest.raises(ChartRefusedError, match=told):
        rendered(values)


@needs_helm
def test_alerts_and_dashboards_are_the_shipped_ones() -> None:
    """The PrometheusRule holds the rules of deploy/prometheus, the ConfigMap the dashboards of deploy/grafana."""
    values = CASES["everything"]
    rules = yaml.safe_load((DEPLOY / "prometheus" / "rules" / "crossfade.yml").read_text("utf-8"))
    assert one(values, "PrometheusRule")["spec"] == rules
    boards = one(values, "ConfigMap", "crossfade-dashboards")
    assert boards["metadata"]["labels"]["grafana_dashboard"] == "1"
    shipped = {path.name: path.read_text("utf-8").strip() for path in (DEPLOY / "grafana" / "dashboards").iterdir()}
    assert {name: text.strip() for name, text in boards["data"].items()} == shipped


@needs_helm
def test_prometheus_finds_each_pod_once_under_the_job_of_the_alerts() -> None:
    """One Service is selected, it has the port, its label is the job; token and CA come from the Secrets."""
    values = CASES["everything"]
    monitor = one(values, "ServiceMonitor")["spec"]
    wanted = monitor["selector"]["matchLabels"].items()
    [service] = [
        found
        for found in objects(values)
        if found["kind"] == "Service" and wanted <= found["metadata"]["labels"].items()
    ]
    assert service["metadata"]["labels"][monitor["jobLabel"]] == "crossfade"
    [endpoint] = monitor["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert endpoint["authorization"]["credentials"] == {"name": "crossfade-keys", "key": "viewer-token"}
    assert endpoint["tlsConfig"] == {
        "serverName": "crossfade.gateways.svc",
        "ca": {"secret": {"name": "crossfade-admin-tls", "key": "ca.crt"}},
    }


@needs_helm
def test_only_the_chosen_namespace_reaches_the_admin_port() -> None:
    """The NetworkPolicy names it; without a reachable admin port there is no rule for one."""
    [data, admin] = one(CASES["everything"], "NetworkPolicy")["spec"]["ingress"]
    assert (data["ports"], data["from"]) == ([{"port": "data"}], [{"namespaceSelector": {}}])
    [only] = admin["from"]
    assert admin["ports"] == [{"port": "admin"}]
    assert only == {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    [alone] = one("networkPolicy: {enabled: true}", "NetworkPolicy")["spec"]["ingress"]
    assert alone == {"ports": [{"port": "data"}]}


@needs_helm
def test_only_a_change_of_settings_restarts_pods() -> None:
    """The pod's template changes with crossfade.yaml, and not with a policy."""

    def template(values: str) -> Any:
        return one(values, "StatefulSet")["spec"]["template"]

    assert template(POLICIES) == template(POLICIES.replace('revision: "1"', 'revision: "2"'))
    assert template(POLICIES) != template(POLICIES.replace("vllm:8000", "vllm:8001"))


@needs_helm
def test_the_number_of_pods_is_the_scalers_where_there_is_one() -> None:
    """A StatefulSet with an autoscaler states no replicas: each upgrade would undo what it chose."""
    assert one(SEVERAL, "StatefulSet")["spec"]["replicas"] == 2
    scaled = CASES["everything"]
    assert "replicas" not in one(scaled, "StatefulSet")["spec"]
    assert one(scaled, "HorizontalPodAutoscaler")["spec"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 600


@needs_helm
def test_probes_go_where_the_admin_port_is() -> None:
    """From inside while it is on loopback, over TLS once it can be reached."""
    probes = ("startupProbe", "livenessProbe", "readinessProbe")
    assert all("exec" in container("")[probe] for probe in probes)
    asked = [container(REACHABLE)[probe]["httpGet"] for probe in probes]
    assert [(each["path"], each["port"], each["scheme"]) for each in asked] == [
        ("/healthz", "admin", "HTTPS"),
        ("/healthz", "admin", "HTTPS"),
        ("/readyz", "admin", "HTTPS"),
    ]


def test_every_metric_of_the_chart_is_there() -> None:
    """KEDA's queries ask for metrics and labels that the gateway and vLLM have."""
    triggers = yaml.safe_load((DEPLOY / "helm" / "keda-candidate.yaml").read_text("utf-8"))["spec"]["triggers"]
    gateway, engine = (trigger["metadata"]["query"] for trigger in triggers)
    asked = {"requests_total", "fallbacks_total", "shadow_total"}
    assert all(f"crossfade_{name}{{" in gateway for name in asked)
    assert all({"route"} <= set(BY_NAME[f"crossfade_{name}"].labels) for name in asked)
    assert "asked" in BY_NAME["crossfade_shadow_total"].labels
    assert "vllm:num_requests_waiting{model_name=" in engine
