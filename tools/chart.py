"""Write what the Helm chart has from elsewhere, or check that it is what it says there.

python tools/chart.py [--check]

The table of values in its README and `values.schema.json` are made of `values.yaml` and of the settings' own names; the
alerts and dashboards are those of deploy/prometheus and deploy/grafana, which Helm cannot read outside its chart.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import BaseModel

from gateway.config.settings import Settings
from tools.reference import inner

DEPLOY = Path(__file__).parents[1] / "deploy"
CHART = DEPLOY / "helm" / "crossfade"
MARK = "<!-- Made from values.yaml by tools/chart.py: do not edit below. -->\n"
OURS = frozenset({
    "data", "state", "state_key_file", "state_password_file", "state_ca_file", "policies", "server.listen",
    "server.admin", "server.tls", "server.admin_tls", "server.admin_token_file", "server.admin_viewer_token_file",
    "server.drain", "keys.pepper_file", "capture.journal_key_file",
})  # fmt: skip
"""Settings that the chart writes itself (`templates/_settings.tpl`): `settings` may not."""
NAME = {"type": "string"}
COUNT = {"type": "integer", "minimum": 1}
SECONDS = {"type": "integer", "minimum": 0}
REFINED: dict[str, dict[str, Any]] = {
    "replicas": COUNT,
    "image.pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "image.pullSecrets": {"type": "array", "items": NAME},
    "policies.files": {
        "type": "object",
        "propertyNames": {"pattern": "^[A-Za-z0-9][-._A-Za-z0-9]*$"},
        "additionalProperties": NAME,
    },
    "state.url": {"pattern": "^$|^rediss?://"},
    "service.type": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
    "service.port": COUNT,
    "drainSeconds": SECONDS,
    "preStopSeconds": COUNT,
    "autoscaling.min": COUNT,
    "autoscaling.max": COUNT,
    "autoscaling.cpu": COUNT,
}
"""What a value's default does not say of it."""
TYPES: dict[type, str] = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}


@dataclass(frozen=True, slots=True)
class Value:
    """One value of the chart."""

    path: str
    default: object
    about: str

    @property
    def schema(self) -> dict[str, Any]:
        """What may stand there."""
        found = settings_schema() if self.path == "settings" else REFINED.get(self.path, {})
        kind = {} if "enum" in found else {"type": TYPES[type(self.default)]}
        return {"description": self.about, **kind, **found}


def values(text: str) -> list[Value]:
    """All values, in their order.

    Raises:
        ValueError: one has no comment.
    """
    node = cast("yaml.MappingNode", yaml.compose(text))  # pyright: ignore[reportUnknownMemberType] -- untyped there
    return list(_walk(node, text.splitlines(), yaml.safe_load(text), ""))


def _walk(node: yaml.MappingNode, lines: list[str], tree: dict[str, Any], above: str) -> Iterator[Value]:
    for key, child in node.value:
        path, value = f"{above}{key.value}", tree[key.value]
        if about := _comment(lines, key.start_mark.line):
            yield Value(path, value, about)
        elif isinstance(child, yaml.MappingNode) and child.value:
            yield from _walk(child, lines, value, f"{path}.")
        else:
            raise ValueError(f"values.yaml: {path} has no comment `# -- …`")


def _comment(lines: list[str], at: int) -> str:
    """What the comment directly above line `at` says; empty: there is none of ours."""
    found: list[str] = []
    while at and (line := lines[at - 1].strip()).startswith("#"):
        at -= 1
        found.insert(0, line.removeprefix("#").strip())
        if found[0].startswith("-- "):
            return " ".join(found).removeprefix("-- ")
    return ""


def table(found: list[Value]) -> str:
    """The README's table."""
    rows = [f"| `{one.path}` | `{json.dumps(one.default)}` | {one.about} |" for one in found]
    return "\n".join(["", "| value | default | meaning |", "|---|---|---|", *rows, ""])


def schema(found: list[Value]) -> str:
    """`values.schema.json`: a value that is not in `values.yaml` is refused."""
    root = _section()
    for one in found:
        *sections, name = one.path.split(".")
        place = root
        for section in sections:
            place = place["properties"].setdefault(section, _section())
        place["properties"][name] = one.schema
    root["properties"]["global"] = {"description": "Helm's own, of charts that contain this one.", "type": "object"}
    page = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of the chart crossfade", **root}
    return json.dumps(page, indent=1, ensure_ascii=False) + "\n"


def _section() -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": {}}


def settings_schema(model: type[BaseModel] = Settings, above: str = "") -> dict[str, Any]:
    """The names that `settings` may have; what stands there is for the gateway to check."""
    section = _section()
    for name, field in model.model_fields.items():
        if f"{above}{name}" in OURS:
            continue
        within = inner(field.annotation)
        found: dict[str, Any] = {} if within is None else settings_schema(within, f"{above}{name}.")
        for _ in range(str(field.annotation).count("dict[") if within else 0):
            found = {"type": "object", "additionalProperties": found}
        section["properties"][name] = found
    return section


def pages() -> dict[str, str]:
    """Each made file's path in the chart, and its text."""
    found = values((CHART / "values.yaml").read_text("utf-8"))
    readme = (CHART / "README.md").read_text("utf-8").partition(MARK)[0]
    dashboards = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
    return {
        "README.md": readme + MARK + table(found),
        "values.schema.json": schema(found),
        "generated/rules.yaml": (DEPLOY / "prometheus" / "rules" / "crossfade.yml").read_text("utf-8"),
        **{f"generated/dashboards/{path.name}": path.read_text("utf-8") for path in dashboards},
    }


def stale() -> list[str]:
    """The files that are not what they are made of, and those that nothing makes any more."""
    made = pages()
    old = [
        name for name, text in made.items() if not (CHART / name).exists() or (CHART / name).read_text("utf-8") != text
    ]
    there = {path.relative_to(CHART).as_posix() for path in (CHART / "generated").rglob("*") if path.is_file()}
    return [*old, *sorted(there - made.keys())]


def main() -> int:
    """Write the files, or with --check say which are stale; 1 if any is."""
    found, made = stale(), pages()
    if "--check" in sys.argv:
        for name in found:
            print(f"deploy/helm/crossfade/{name} is not what it is made of: run python tools/chart.py")
        return 1 if found else 0
    for name in found:
        path = CHART / name
        if name in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made[name], "utf-8")
        else:
            path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
