"""Write docs/reference from the code, or check that it is what the code says.

python tools/reference.py [--check]
"""

import ast
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from gateway import errors
from gateway.config import otel, quantities, readiness, settings, warm
from gateway.rewrite.form import FAULTS
from gateway.telemetry.metrics import METRICS, MetricOwner
from policies.failure_words import failure_phrase
from policies.language import amounts as units
from records.parquet import TABLES
from records.wire.dialects import DIALECTS
from records.wire.json_reader import ODDITIES
from tools import api_reference, command_reference, messages, policy_reference

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
MADE = "<!-- Made from the code by tools/reference.py: do not edit. -->\n\n"
OWNERS = {
    MetricOwner.SUPERVISOR: "Counted in the workers since the supervisor's start; there whatever else is dead.",
    MetricOwner.CONTROLLER: "What is in force.",
    MetricOwner.RECORDER: "Computed from the journal, so a moment late, and complete.",
    MetricOwner.SHADOW: "Of the calls that no app waits for.",
    MetricOwner.EXPORTER: "Of traces; only with `otel` in the settings.",
    MetricOwner.ARCHIVER: "Of the records' copy in object storage; only with `archive` in the settings.",
}


def metrics() -> str:
    """The page of `gateway/telemetry/metrics.py`."""
    lines = [
        "# Metrics",
        "",
        "`GET /metrics` on the admin port, in Prometheus's text format. Labels are closed sets.",
        "",
    ]
    for owner in MetricOwner:
        lines += [
            f"## From the {owner}",
            "",
            OWNERS[owner],
            "",
            "| metric | type | labels | meaning |",
            "|---|---|---|---|",
        ]
        for metric in METRICS:
            if metric.owner is owner:
                lines.append(f"| `{metric.name}` | {metric.type} | {', '.join(metric.labels) or '-'} | {metric.help} |")
        lines.append("")
    return "\n".join(lines)


def error_codes() -> str:
    """The page of `gateway/errors.py`."""
    lines = [
        "# Errors of the gateway's own",
        "",
        'Every one is an OpenAI error object with `"type": "crossfade_error"` and one of these codes. Errors of an',
        "upstream pass through as they are.",
        "",
        "| code | status | message | an SDK tries again |",
        "|---|---|---|---|",
    ]
    again = {True: "yes", False: "no", None: "by its status"}
    for name, code in errors.CODES.items():
        lines.append(f"| `{name}` | {code.status} | {code.message.replace('{}', '…')} | {again[code.retry]} |")
    lines += [
        "",
        "# Answers of a candidate that no client can use",
        "",
        "They are 200, and JSON or events, and count as failures. The reason stands in the records",
        "(`attempts_json`), in `crossfade_fallbacks_total`, in `crossfade_shadow_total`, and in words in",
        "`crossfade explain`. Who judges what: [docs/operations.md](../operations.md#answers-that-no-client-can-use).",
        "",
        "| reason | what is wrong | in `explain` |",
        "|---|---|---|",
    ]
    lines += [f"| `{word}` | {meaning} | {failure_phrase(word)} |" for word, meaning in FAULTS.items()]
    return "\n".join([*lines, ""])


def records() -> str:
    """The page of `records/record.py`."""
    lines = [
        "# Records",
        "",
        "Parquet under `records/<table>/date=YYYY-MM-DD/` in the data directory, redacted, readable with anything:",
        "`duckdb.sql(\"from 'crossfade-data/records/exchanges/**/*.parquet'\")`. Moments are UTC, JSON is text.",
        "A file is whole when it is there. Small files become larger ones now and then: a reader that finds one gone",
        "reads again.",
        "",
    ]
    for table in TABLES:
        about = (inspect.getdoc(table.row) or "").replace("|", "\\|")
        lines += [f"## `{table.name}`", "", about, "", "| column | type | meaning |", "|---|---|---|"]
        lines += [f"| `{column.name}` | {column.sql} | {column.about} |" for column in table.columns]
        lines.append("")
    return "\n".join(lines)


def dialects() -> str:
    """The page of `records/wire/dialects.py`."""
    lines = [
        "# Dialects",
        "",
        "What servers that speak OpenAI's API say otherwise, and how it is read: in the records, in the shadow's",
        "comparisons, and in a candidate's answers. The app's bytes are its own: nothing here changes them.",
        "",
        "What cannot be read costs that part and not the row, and is counted in `crossfade_unread_total` by kind:",
        f"{', '.join(f'`{kind}`' for kind in ODDITIES)}.",
        "",
        "| Server | What is odd | How it is read | Test |",
        "|---|---|---|---|",
        *(f"| {one.engine} | {one.oddity} | {one.reading} | `test_dialect[{one.name}]` |" for one in DIALECTS),
        "",
        "The tests stand in `tests/unit/records/wire/test_dialects.py`, each with the bytes that such a server sends.",
    ]
    return "\n".join(lines) + "\n"


def settings_page() -> str:
    """The page of `gateway/config/settings.py`."""
    lines = [
        "# Settings: `crossfade.yaml`",
        "",
        "Read once at the start and again on SIGHUP, checked whole. Every key is optional. `${NAME}` and",
        "`${NAME:-default}` come from the environment, `$$` is a dollar; paths begin at the file's own folder.",
        "",
    ]
    said = said_in_settings()
    for path, model, about in sections(settings.Settings, said):
        lines += [f"## `{path}`" if path else "## Top level", ""]
        if path:
            lines += [f"{inspect.getdoc(model)} {about}".rstrip(), ""]
        lines += ["| key | default | meaning |", "|---|---|---|"]
        for name, field in model.model_fields.items():
            if not inner(field.annotation):
                lines.append(f"| `{name}` | {default(field)} | {said_of(model, name, said)} |")
        lines.append("")
    return "\n".join(lines)


def said_in_settings() -> dict[tuple[str, str], str]:
    """What is said of every setting, in whichever file it stands."""
    return docstrings(settings) | docstrings(readiness) | docstrings(otel) | docstrings(warm)


def sections(
    model: type[BaseModel], said: Mapping[tuple[str, str], str], path: str = "", about: str = ""
) -> Iterator[tuple[str, type[BaseModel], str]]:
    """The sections of the settings in their order: the way to each, what it is, what its field says of it."""
    yield path, model, about
    for name, field in model.model_fields.items():
        found = inner(field.annotation)
        if found is not None:
            depth = str(field.annotation).count("dict[")
            way = ".".join(part for part in (path, name, *["NAME"] * depth) if part)
            yield from sections(found, said, way, said.get((model.__name__, name), ""))


def said_of(model: type[BaseModel], name: str, said: Mapping[tuple[str, str], str]) -> str:
    """What is said of a field, by the section or the one it is made from."""
    return next((text for made in model.__mro__ if (text := said.get((made.__name__, name)))), "")


def inner(annotation: Any) -> type[BaseModel] | None:
    """The section a field holds, if it holds one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := inner(part)) is not None), None)


def default(field: FieldInfo) -> str:
    """A field's default, as one would write it."""
    if field.is_required():
        return "required"
    value = field.get_default()
    forms: dict[Any, Callable[[Any], str]] = {
        units.seconds: units.duration_text,
        units.share_ppm: units.share_text,
        units.fraction: lambda value: f"{value * 100:g}%",
        quantities.size_bytes: size_text,
    }
    for part in field.metadata:
        if isinstance(part, BeforeValidator) and part.func in forms:
            return f"`{forms[part.func](value)}`"
    if value in (None, "", {}, ()):
        return "-"
    if isinstance(value, tuple):
        return f"`[{', '.join(value)}]`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def size_text(size_bytes: int) -> str:
    """A size as one would write it."""
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size_bytes % factor == 0:
            return f"{size_bytes // factor}{unit}"
    return f"{size_bytes}B"


def docstrings(module: ModuleType) -> dict[tuple[str, str], str]:
    """The docstrings under the fields of a module's classes, in one line each."""
    found: dict[tuple[str, str], str] = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.ClassDef):
            for field, text in zip(node.body, node.body[1:], strict=False):
                if (
                    isinstance(field, ast.AnnAssign)
                    and isinstance(text, ast.Expr)
                    and isinstance(text.value, ast.Constant)
                ):
                    name = field.target.id if isinstance(field.target, ast.Name) else ""
                    found[node.name, name] = " ".join(str(text.value.value).split()).replace("|", "\\|")
    return found


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "metrics.md": metrics,
    "errors.md": error_codes,
    "records.md": records,
    "dialects.md": dialects,
    "policies.md": policy_reference.page,
    "messages.md": messages.page,
    "commands.md": command_reference.page,
    "http.md": api_reference.page,
}


def stale() -> list[str]:
    """The pages that do not say what the code says."""
    return [
        name
        for name, page in PAGES.items()
        if not (FOLDER / name).exists() or (FOLDER / name).read_text("utf-8") != MADE + page()
    ]


def main() -> int:
    """Write the pages, or with --check say which are stale; 1 if any is."""
    found = stale()
    if "--check" in sys.argv:
        for name in found:
            print(f"docs/reference/{name} is not what the code says: run python tools/reference.py")
        return 1 if found else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in found:
        (FOLDER / name).write_text(MADE + PAGES[name](), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
