"""The Helm chart, rendered by a real Helm from values as people write them. `make helm` gets it."""

import functools
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

from tools import helm

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "crossfade"
NAMESPACE = "gateways"
SEVERAL = """
replicas: 2
state: {url: "rediss://crossfade@valkey.cache:6379/0"}
secret:
  {name: crossfade-keys, stateKey: state-key, statePassword: state-password, stateCa: state-ca, pepper: pepper}
"""
REACHABLE = """
admin: {tlsSecret: crossfade-admin-tls}
secret: {name: crossfade-keys, adminToken: admin-token, adminViewerToken: viewer-token}
"""
POLICIES = """
policies:
  files:
    triage.yaml: |
      route: support-triage
      match: {model: gpt-4o}
      baseline: {upstream: openai}
      candidate: {upstream: vllm, model: triage-7b, revision: "1"}
      compare: [json_fields]
      stages: [shadow, 1%, 100%]
settings:
  upstreams:
    vllm: {kind: vllm, base_url: http://vllm:8000/v1}
"""
CASES = {
    "default": "",
    "several": SEVERAL,
    "policies": POLICIES,
    "reachable": REACHABLE,
    "ingress": """
ingress:
  {enabled: true, className: nginx, host: llm.example.com, tlsSecret: llm-tls, annotations: {a.example/b: "off"}}
service: {type: LoadBalancer, port: 443, annotations: {a.example/idle: "620"}}
tlsSecret: data-tls
""",
    "their-own": """
policies: {configMap: my-policies}
secret: {name: my-keys, pepper: pepper, journalKey: journal-key}
settings:
  upstreams: {openai: {base_url: https://api.openai.com/v1, background_key_file: /etc/crossfade/secrets/openai}}
  capture: {retention: 30d}
  keys: {mode: virtual}
env: [{name: AZURE_KEY, valueFrom: {secretKeyRef: {name: azure, key: key}}}]
""",
    "everything": f"""
{SEVERAL.rstrip().removesuffix("}")}, adminToken: admin-token, adminViewerToken: viewer-token, journalKey: journal-key}}
admin: {{tlsSecret: crossfade-admin-tls}}
tlsSecret: data-tls
autoscaling: {{enabled: true}}
networkPolicy: {{enabled: true, dataFrom: [{{namespaceSelector: {{}}}}]}}
metrics: {{serviceMonitor: true, rules: true, dashboards: true, labels: {{release: prometheus}}}}
httpRoute: {{enabled: true, parentRefs: [{{name: public, namespace: gateways}}], hostnames: [llm.example.com]}}
image: {{repository: registry.example.com/crossfade, tag: "1.2", pullSecrets: [registry]}}
podAnnotations: {{a.example/b: "c"}}
podLabels: {{team: platform}}
nodeSelector: {{kubernetes.io/os: linux}}
tolerations: [{{key: gateways, operator: Exists}}]
affinity: {{podAntiAffinity: {{}}}}
topologySpreadConstraints: [{{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule, labelSelector: {{}}}}]
priorityClassName: high
persistence: {{size: 100Gi, storageClass: fast}}
drainSeconds: 1200
preStopSeconds: 30
env: [{{name: NAME, value: value}}]
""",
}
"""Values files that people would write."""
DOCUMENTED = re.findall(
    r"^```yaml\n(.*?)^```", (CHART.parents[2] / "docs" / "kubernetes.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
)
"""Those that the docs tell them to write."""
CASES |= {f"documented-{number}": values for number, values in enumerate(DOCUMENTED)}


class ChartRefusedError(Exception):
    """Helm does not render these values; the message is what it says."""


def run(*arguments: str | Path) -> str:
    """What Helm prints.

    Raises:
        ChartRefusedError: it refuses.
    """
    done = subprocess.run([helm.HELM, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ChartRefusedError(done.stderr)
    return done.stdout


@functools.cache
def rendered(values: str, release: str = "crossfade") -> str:
    """The manifests of an installation with these values.

    Raises:
        ChartRefusedError: they are refused.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(values)
        file.flush()
        return run("template", release, CHART, "--namespace", NAMESPACE, "--values", file.name)


@functools.cache
def objects(values: str) -> list[dict[str, Any]]:
    """What is rendered, as objects; to be read only."""
    return [found for found in yaml.load_all(rendered(values), yaml.CSafeLoader) if found]


def one(values: str, kind: str, name: str = "crossfade") -> dict[str, Any]:
    """One of them."""
    [found] = [each for each in objects(values) if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def pod(values: str) -> dict[str, Any]:
    """What is rendered of a pod."""
    return one(values, "StatefulSet")["spec"]["template"]["spec"]


def container(values: str) -> dict[str, Any]:
    """Its one container."""
    [found] = pod(values)["containers"]
    return found


def settings_text(values: str) -> str:
    """The `crossfade.yaml` that a pod is started with."""
    return one(values, "ConfigMap")["data"]["crossfade.yaml"]
