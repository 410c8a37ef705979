"""Files of evaluation rows: our own JSONL, OpenAI's, and promptfoo's.

A line of JSONL is one of
    {"request": {…}, "expected": …}        what `crossfade eval sample` writes
    {"input": […] or "…", "ideal": …}      OpenAI Evals
    {"messages": […], "expected": …}       also a fine-tuning line: the last assistant message is then the label
A promptfoo configuration gives its first prompt once per test, with the test's variables; `equals` is the label.

Rule: a row that says something we do not take over is refused with file, line and what to do, never half read.
Sources: openai/evals, docs/build-eval.md; promptfoo, "Configuration" and "Assertions & metrics".
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import yaml

from records.evaluation.sets import CHAT, EvalRow, EvalSetError
from records.named_file import opened

_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_PATHS = {"messages": CHAT, "input": "/v1/responses", "prompt": "/v1/completions"}
_TEMPLATE = re.compile(r"\{[{%#]")
"""What promptfoo still would fill in, or leave out."""
_LABELS = ("expected", "ideal")


def read_file(path: Path) -> Iterator[EvalRow]:
    """The rows of a file, by its name's end: `.jsonl`, or promptfoo's `.yaml`, `.yml` and `.json`.

    Raises:
        EvalSetError: a row cannot be used; file and line are told.
        OSError: it cannot be read.
    """
    try:
        with opened(path) as file:
            text = file.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise EvalSetError(f"{path.name}: no UTF-8 at byte {error.start}. hint: save it as UTF-8") from error
    if path.suffix in (".yaml", ".yml", ".json"):
        yield from _promptfoo(text, path.name)
        return
    for number, line in enumerate(text.split("\n"), 1):  # other ends of lines may stand in a text
        if line.strip():
            yield _line(line, f"{path.name}:{number}")


def _line(line: str, where: str) -> EvalRow:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        column = getattr(error, "colno", 1)
        raise EvalSetError(f"{where}:{column}: no JSON. hint: one object per line") from error
    fields = _object(value)
    if fields is None:
        raise EvalSetError(f'{where}: no object. hint: {{"messages": […], "expected": …}}')
    label = next((fields[name] for name in _LABELS if fields.get(name) is not None), None)
    request = _object(fields.get("request"))
    if request is not None:
        path = fields.get("path") or next((path for key, path in _PATHS.items() if key in request), "")
        if not path:
            raise EvalSetError(f"{where}: the request asks nothing. hint: it needs `messages`, `input` or `prompt`")
        hashed = str(fields.get("prompt_hash") or "")
        return EvalRow(request, _label(label, where), str(path), str(fields.get("source") or where), hashed)
    if "input" in fields:
        turns = fields["input"]
        messages = [{"role": "user", "content": turns}] if isinstance(turns, str) else turns
    else:
        messages = fields.get("messages")
    asked, said = _messages(messages, where)
    if label is None and said is not None:
        label = said
    made: dict[str, Any] = {"messages": asked}
    made |= {name: fields[name] for name in ("tools", "tool_choice", "response_format") if name in fields}
    return EvalRow(made, _label(label, where), CHAT, where)


def _messages(value: Any, where: str) -> tuple[list[dict[str, Any]], str | None]:
    """What is asked, and what the last message answers, if an assistant says it."""
    listed = cast("list[Any]", value) if isinstance(value, list) else []
    messages = [fields for each in listed if (fields := _object(each)) is not None and fields.get("role")]
    if not messages or len(messages) != len(listed):
        raise EvalSetError(f"{where}: nothing is asked. hint: `messages` is a list of objects with role and content")
    last = messages[-1]
    if last["role"] != "assistant":
        return messages, None
    if len(messages) == 1:
        raise EvalSetError(f"{where}: nothing is asked. hint: an assistant's message answers one before it")
    content = last.get("content")
    if not isinstance(content, str):
        raise EvalSetError(f"{where}: the last message has no text. hint: write the label as `expected`")
    return messages[:-1], content


def _label(value: Any, where: str) -> str | None:
    """The label as an answer's text."""
    if isinstance(value, list):
        several = cast("list[Any]", value)
        if len(several) != 1:
            raise EvalSetError(f"{where}: {len(several)} labels. hint: keep one; comparators hold one against another")
        value = several[0]
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _promptfoo(text: str, name: str) -> Iterator[EvalRow]:
    try:
        tree = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        at = error.problem_mark
        where = f"{name}:{at.line + 1}:{at.column + 1}" if at is not None else name
        raise EvalSetError(f"{where}: no YAML: {error.problem}. hint: see what an editor says of it") from error
    except yaml.YAMLError as error:
        raise EvalSetError(f"{name}: no YAML: it holds a control character. hint: remove it") from error
    config = _object(tree) or {}
    prompts, tests = config.get("prompts"), config.get("tests")
    if not isinstance(prompts, list) or not isinstance(tests, list) or not prompts:
        raise EvalSetError(f"{name}: no promptfoo configuration. hint: it has lists `prompts` and `tests`, in place")
    listed = cast("list[Any]", prompts)
    if len(listed) != 1:
        raise EvalSetError(f"{name}: {len(listed)} prompts. hint: keep one; variants are models here, not prompts")
    if "defaultTest" in config:
        raise EvalSetError(f"{name}: defaultTest is not taken over. hint: write what it says into each test")
    for number, test in enumerate(cast("list[Any]", tests), 1):
        yield _test(listed[0], test, f"{name}: test {number}")


def _test(prompt: Any, test: Any, where: str) -> EvalRow:
    fields = _object(test) or {}
    variables = _object(fields.get("vars")) or {}
    text = (_object(prompt) or {"raw": prompt}).get("raw")
    if not isinstance(text, str) or text.startswith("file://"):
        raise EvalSetError(f"{where}: the prompt stands elsewhere. hint: write it in place")

    def filled(found: re.Match[str]) -> str:
        if found[1] not in variables:
            raise EvalSetError(f"{where}: no variable {found[1]}. hint: add it to `vars`")
        value = variables[found[1]]
        if isinstance(value, list) or (isinstance(value, str) and value.startswith("file://")):
            raise EvalSetError(f"{where}: {found[1]} is several values, or a file. hint: one test for each, in place")
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    if _TEMPLATE.search(_VARIABLE.sub("", text)):
        raise EvalSetError(f"{where}: the prompt has more than variables. hint: {{{{name}}}} alone is filled in")
    asked = _VARIABLE.sub(filled, text)
    messages: Any = None
    if asked.lstrip().startswith("["):
        try:
            messages = json.loads(asked)
        except ValueError:
            messages = None
    if not isinstance(messages, list):
        messages = [{"role": "user", "content": asked}]
    turns, said = _messages(messages, where)
    label = _equals(fields.get("assert") or [], where)
    label = said if label is None else label
    return EvalRow({"messages": turns}, _label(label, where), CHAT, where)


def _equals(asserted: Any, where: str) -> Any:
    """The value of the one `equals` of a test; None: it asserts nothing."""
    label: Any = None
    for each in cast("list[Any]", asserted) if isinstance(asserted, list) else [asserted]:
        held = _object(each) or {"type": each}
        if held.get("type") != "equals" or label is not None:
            raise EvalSetError(
                f"{where}: {held.get('type')} is not taken over. hint: one `equals` is the label; what holds for every "
                "answer belongs into the policy's `compare: [{promptfoo: …}]`"
            )
        label = held.get("value")
        if label is None or (isinstance(label, str) and (label.startswith("file://") or _TEMPLATE.search(label))):
            raise EvalSetError(f"{where}: its `equals` has no value in place. hint: write what the answer should be")
    return label


def _object(value: Any) -> dict[str, Any] | None:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None
