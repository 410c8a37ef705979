"""The reference page of the policy language, made from `policies.schema` and the reasons of `policies.matching`."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, RootModel
from pydantic.fields import FieldInfo

from policies import windows
from policies.language import amounts as units
from policies.language.base import describe
from policies.reasons import Reason
from policies.request.engine_fields import ENGINE_FIELDS
from policies.schema import Policy

_REASONS = Path(__file__).parents[1] / "policies" / "reasons.py"
"""Its source: compiled, the module itself has none to show."""
_AMOUNTS = {
    units.Seconds: units.duration_text,
    units.SharePpm: units.share_text,
    units.UsdPerDay: "${:g}/day".format,
    units.WeekDays: windows.days_text,
    units.Hours: lambda hours: "-".join(f"{minutes // 60}" for minutes in hours),
}


def page() -> str:
    """Every section with its keys, their defaults and meanings; then why a candidate may not be asked."""
    lines = [
        "# Policies: `policies/*.yaml`",
        "",
        "One file, one migration. `crossfade policy explain FILE` prints what a file means with every default, and",
        "`crossfade policy lint` what is wrong with it. Amounts carry their unit: `800ms`, `24h`, `5%`, `1.2x`,",
        "`$20/day`. A list may be written as its only item. Editors complete and check files that begin with",
        "`# yaml-language-server: $schema=…/policy.schema.json` (printed by `crossfade policy schema`).",
        "",
    ]
    describe()
    for path, section in sections(Policy, ""):
        about = " ".join((inspect.getdoc(section) or "").split())
        lines += [
            f"## `{path}`" if path else "## Top level",
            "",
            about,
            "",
            "| key | default | meaning |",
            "|---|---|---|",
        ]
        lines += [
            f"| `{field.alias or name}` | {default(field)} | {_cell(field.description or '')} |"
            for name, field in section.model_fields.items()
        ]
        lines.append("")
    return "\n".join([*lines, *_reasons()])


def sections(section: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """A section and all within it, each with the way to it; what is a list has `[]` in its way."""
    yield path, section
    for name, field in section.model_fields.items():
        for inner in _models(field.annotation):
            several = "[]" if "tuple[" in str(field.annotation) else ""
            way = f"{path}.{field.alias or name}{several}".lstrip(".")
            if issubclass(inner, RootModel):
                for option in _models(inner.model_fields["root"].annotation):
                    yield from sections(option, f"{way}.WEIGHT")
            else:
                yield from sections(inner, way)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def default(field: FieldInfo) -> str:
    """A field's default, as one would write it."""
    if field.is_required():
        return "required"
    value = field.get_default()
    if isinstance(value, BaseModel) or (
        isinstance(value, tuple) and any(isinstance(each, BaseModel) for each in value)
    ):
        return "see below"
    if value in (None, "", {}, ()):
        return "-"
    for amount, written in _AMOUNTS.items():
        if any(part in field.metadata for part in amount.__metadata__):
            return f"`{written(value)}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(value)}]`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _reasons() -> list[str]:
    """The closed list, with what stands under each in the code."""
    source = ast.parse(_REASONS.read_text(encoding="utf-8"))
    classes = [node for node in source.body if isinstance(node, ast.ClassDef)]
    tree = next(node for node in classes if node.name == "Reason")
    said: dict[str, str] = {}
    for field, text in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(field, ast.Assign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            said[str(getattr(field.targets[0], "id", ""))] = _cell(str(text.value.value))
    head = ["## Why a candidate may not be asked", "", "The baseline answers, and the reason is counted and recorded."]
    rows = [f"| `{reason}` | {said.get(reason.name, '')} |" for reason in Reason]
    only = ", ".join(f"`{name}`" for name in sorted(ENGINE_FIELDS))
    tail = [f"Fields that only engines obey, unless the policy drops them (`candidate: {{drop: …}}`): {only}."]
    return [*head, "", "| reason | what it means |", "|---|---|", *rows, "", *tail, ""]
