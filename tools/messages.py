"""The page of messages: all that `status`, `explain`, `policy lint`, `doctor`, alerts and log may say, and what to do.

Messages are read out of the code, so none can be missing. What to do stands there beside the message where a command
prints it, and in `tools/message_notes.py` and `tools/event_notes.py` where it would be too long to print each time.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import yaml

from gateway.cli import slo_rules
from policies import finding_words
from policies.objectives import Objective
from tools import event_notes
from tools import message_notes as notes

ROOT = Path(__file__).resolve().parents[1]
RULES = ROOT / "deploy/prometheus/rules/crossfade.yml"
LINT = ("policies/lint.py", "policies/gate_findings.py", "policies/contenders.py", "policies/embedding_findings.py")
DOCTOR = ("gateway/doctor/checks.py", "gateway/doctor/api.py", "gateway/doctor/state.py")
_VARIES = "…"
_NUMBER = re.compile(r"[0-9.]+(?=%|s\b)")
_EVENT = re.compile(r"[a-z_]+(\.[a-z_]+)?")


class Message(NamedTuple):
    """One message as it is found in the code."""

    text: str
    action: str
    """What to do; empty: nothing."""
    level: str = ""


def page() -> str:
    """The whole page."""
    return "\n".join(
        [
            "# Messages, and what to do",
            "",
            "What `crossfade status`, `explain`, `policy lint`, `doctor`, the alerts and the log may say. `…` and",
            "`‹name›` stand for what differs each time: a name, a number, a file. Search this page for some words of",
            "yours.",
            "",
            "## The first sentence of `status` and `explain`",
            "",
            "It says where the rollout stands; behind the colon, why. Each cause and each wait:",
            "",
            *_table(("it says", "what to do"), [(text, notes.SENTENCES[key]) for key, text in sentences()]),
            "",
            "## Below it in `status`",
            "",
            *_table(("it says", "what to do"), notes.STATUS.items()),
            "",
            "## The numbers in `explain`",
            "",
            "One line for each thing that is looked at. It begins with a verdict:",
            "",
            *_table(("verdict", "meaning"), notes.VERDICTS.items()),
            "",
            *_table(("line", "meaning, and what to do"), [(f"`{name}`", text) for name, text in notes.LINES.items()]),
            "",
            "## `policy lint`",
            "",
            "Each with file, line and column. A *refusal* keeps the file from loading: its last good version stays in",
            "force.",
            "",
            *_table(("it says", "kind", "what to do"), [(m.text, m.level, m.action) for m in lint()]),
            "",
            "## `doctor`",
            "",
            *_table(("it says", "level", "what to do"), [(m.text, m.level, m.action) for m in doctor()]),
            "",
            "## Alerts",
            "",
            "Steps for each stand in the [runbook](../runbook.md).",
            "",
            *_table(
                ("alert", "it says", "meaning, and what to do"),
                [(f"[{m.level}](../runbook.md#{m.level.lower()})", m.text, m.action) for m in alerts()],
            ),
            "",
            "## Log events",
            "",
            "One JSON object a line, on stderr: `at`, `level`, `source` (the process), `event`, and its facts.",
            "Look at an `error` now, at a `warn` some day; an `info` needs nobody. A `hint` says what to do.",
            "",
            *_table(("event", "level", "what to do"), [(f"`{m.text}`", m.level, m.action) for m in events()]),
            "",
        ]
    )


def sentences() -> list[tuple[str, str]]:
    """Every cause and wait of a first sentence: its key in the notes, and its words."""
    tables = {
        "wait": finding_words.GATES,
        "unmeasured": finding_words.UNMEASURED,
        "overdue": finding_words.OVERDUE,
        "harm": finding_words.HARM,
        "guard": finding_words.GUARDS,
        "detector": finding_words.DETECTORS,
    }
    found = [(f"{kind} {name}", text) for kind, table in tables.items() for name, text in table.items()]
    return [(key, f"it is not certain yet {text}" if key.startswith("wait ") else text) for key, text in found] + [
        (key, key) for key in notes.SENTENCES if key not in dict(found)
    ]


def lint() -> list[Message]:
    """What a policy is refused for or warned of."""
    kinds = {"Finding": "refusal", "warning": "warning"}
    return [
        Message(text, action, kinds[call.func.id])
        for name in LINT
        for call, scope in _calls(name, set(kinds))
        if isinstance(call.func, ast.Name) and len(call.args) >= 3 and not isinstance(call.args[1], ast.Attribute)
        for text, action in _pairs(call.args[1], call.args[2], scope)
        if text != _VARIES
    ]


def doctor() -> list[Message]:
    """What the doctor finds that is not well."""
    return [
        Message(f"{subject}: {text}", action, level)
        for name in DOCTOR
        for call, scope in _calls(name, {"CheckResult"})
        for level in _texts(call.args[0], scope)
        if level in ("warning", "failure")
        for subject in _texts(call.args[1], scope)[:1]
        for text, action in _pairs(call.args[2], call.args[3] if len(call.args) > 3 else None, scope)
        if text != _VARIES
    ]


def alerts() -> list[Message]:
    """The alerts that come with Crossfade, and those of `crossfade policy slo`: each once, as it pages."""
    promised = [Objective(_VARIES, "errors", 0.02), Objective(_VARIES, "ttft", 0.05, 1.0)]
    made = [asdict(group) for group in slo_rules.groups(promised, "crossfade")]
    found = dict[str, Message]()
    for group in [*yaml.safe_load(RULES.read_text("utf-8"))["groups"], *made]:
        for rule in group["rules"]:
            if "alert" in rule and rule["alert"] not in found:
                summary, description = rule["annotations"]["summary"], rule["annotations"]["description"]
                if group in made:
                    summary, description = (_NUMBER.sub(_VARIES, text) for text in (summary, description))
                found[rule["alert"]] = Message(_plain(summary), _plain(description), rule["alert"])
    return list(found.values())


def events() -> list[Message]:
    """Every event that the gateway logs, by name."""
    levels = {"info": "info", "notice": "warn", "alarm": "error"}
    found = {
        name: levels[call.func.attr]
        for path in sorted((ROOT / "gateway").rglob("*.py"))
        for call in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in levels
        and call.args
        for name in _texts(call.args[0], call)
        if _EVENT.fullmatch(name)
    }
    return [Message(name, event_notes.EVENTS.get(name, ""), level) for name, level in sorted(found.items())]


# Reading the code --------------------------------------------------------------------------------------------------


def _calls(name: str, names: set[str]) -> Iterator[tuple[ast.Call, ast.AST]]:
    """Calls of these names in a file, each with the function it stands in."""
    tree = ast.parse((ROOT / name).read_text("utf-8"))
    for scope in ast.walk(tree):
        if not isinstance(scope, ast.FunctionDef) or scope.name in names:
            continue
        for node in ast.walk(scope):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                yield node, scope


def _pairs(text: ast.expr, action: ast.expr | None, scope: ast.AST) -> Iterator[tuple[str, str]]:
    actions = [""] if action is None else _texts(action, scope)
    for each in _texts(text, scope):
        yield each, actions[0] if len(actions) == 1 else " / ".join(actions)


def _texts(node: ast.expr, scope: ast.AST) -> list[str]:
    """What an expression may come to, as text; what differs each time is `…`."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=parts):
            return ["".join(_part(part) for part in parts)]
        case ast.IfExp(body=one, orelse=other):
            return _texts(one, scope) + _texts(other, scope)
        case ast.Name(id=name):
            return _assigned(name, node.lineno, scope)
        case ast.Call(func=ast.Name(id="_key_hint")):
            return ["give `upstreams.…` a background_key_file in crossfade.yaml"]
        case _:
            return [_VARIES]


def _part(part: ast.expr) -> str:
    """A piece of a text: as it stands, or what it is the value of."""
    match part:
        case ast.Constant(value=str(text)):
            return text
        case ast.FormattedValue(value=ast.Name(id=name) | ast.Attribute(attr=name)):
            return f"‹{name}›"
        case _:
            return _VARIES


def _assigned(name: str, line: int, scope: ast.AST) -> list[str]:
    """What was last put into a variable above a line of a function."""
    found = [
        node
        for node in ast.walk(scope)
        if isinstance(node, ast.Assign) and node.lineno < line and any(_names(target, name) for target in node.targets)
    ]
    if not found:
        return [_VARIES]
    return _texts(max(found, key=lambda node: node.lineno).value, scope)


def _names(target: ast.expr, name: str) -> bool:
    return isinstance(target, ast.Name) and target.id == name


# Writing -----------------------------------------------------------------------------------------------------------


def _plain(text: str) -> str:
    """An alert's template with what differs as `…`."""
    parts = text.split("{{")
    return parts[0] + "".join(_VARIES + part.partition("}}")[2] for part in parts[1:])


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in rows:
        cells = [str(cell).replace("|", "\\|").replace("\n", " ") or "-" for cell in row]
        lines.append(f"| {' | '.join(cells)} |")
    return lines
