"""Assertions of promptfoo, taken over: how many of them each answer keeps to.

Only what can be said of any answer is taken: a test's own assertions are about its own prompt. An answer's score is the
weighted mean of its assertions, and a pair's the candidate's less the baseline's.
Source: promptfoo, "Assertions & metrics"; regular expressions are Python's here, not JavaScript's.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from shadow.compare import json_schema, json_text
from shadow.compare.pair import Fields
from shadow.compare.request import content_text, mapping, objects

_MOST = 1000
_MOST_STARTS = 200
_INSTEAD = {
    "javascript": "write it in Python: `type: python`, `value: file://check.py`",
    "assert-set": "write its assertions one by one, each with its weight",
    "latency": "the gate `latency`",
    "cost": "the gate `cost`",
    "similar": "the comparator `embedding`, a diagnostic",
    "is-valid-openai-tools-call": "the comparator `tool_calls`",
    "is-valid-openai-function-call": "the comparator `tool_calls`",
}
_JUDGED = "the comparator `judge`"
_MODEL_GRADED = (
    "llm-rubric",
    "model-graded",
    "g-eval",
    "factuality",
    "answer-relevance",
    "context-",
    "select-best",
    "pi",
)

Output = Mapping[str, Any]
"""An answer, as `shadow.compare.python` tells it."""
Function = Callable[[str], Callable[[str, dict[str, Any]], Any]]
"""The user's function of `file.py:name`."""


@dataclass(frozen=True, slots=True)
class Check:
    """One assertion."""

    kind: str
    value: Any = None
    weight: float = 1.0
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Checks:
    """The assertions that apply to every answer."""

    checks: tuple[Check, ...]
    left_out: int = 0
    """Assertions of single tests, which say nothing of other prompts."""

    def plain(self) -> list[list[Any]]:
        """The assertions as JSON values, for the scorer's process."""
        return [[check.kind, check.value, check.weight, check.negated] for check in self.checks]

    @classmethod
    def of(cls, plain: list[list[Any]]) -> "Checks":
        """Back again."""
        return cls(tuple(Check(*each) for each in plain))


def read(tree: Any, name: str) -> Checks:
    """The assertions of a promptfoo configuration, decoded: of its `defaultTest`, or a bare list of them.

    Raises:
        ValueError: there is none, or one that cannot be taken over; what to do instead is told.
    """
    config = mapping(tree) or {"assert": tree}
    stated = mapping(config.get("defaultTest")).get("assert", config.get("assert"))
    listed = cast("list[Any]", stated) if isinstance(stated, list) else []
    if not 0 < len(listed) <= _MOST:
        raise ValueError(f"{name}: no assertion that holds for every answer. hint: put them under defaultTest.assert")
    left_out = sum(len(objects(test.get("assert"))) for test in objects(config.get("tests")))
    return Checks(tuple(_check(each, f"{name}: assertion {at}") for at, each in enumerate(listed, 1)), left_out)


def scorer(checks: Checks, function: Function) -> Callable[[Fields, Output, Output], float]:
    """What scores a pair: `score(request, baseline, candidate)`.

    Raises:
        Exception: whatever loading a user's file does.
    """
    ready = [(check, function(check.value) if check.kind == "python" else None) for check in checks.checks]
    total = sum(check.weight for check in checks.checks)

    def grade(request: Fields, output: Output) -> float:
        text = output["text"] or (json.dumps(output["tool_calls"]) if output["tool_calls"] else "")
        kept = 0.0
        for check, own in ready:
            share = _holds(check, text) if own is None else _user_said(own(text, _context(request)))
            kept += check.weight * (1.0 - share if check.negated else share)
        return kept / total

    def score(request: Fields, baseline: Output, candidate: Output) -> float:
        return grade(request, candidate) - grade(request, baseline)

    return score


def _check(stated: Any, where: str) -> Check:
    fields = mapping(stated)
    kind, value, weight = fields.get("type"), fields.get("value"), fields.get("weight", 1)
    if not isinstance(kind, str):
        raise ValueError(f"{where} has no type. hint: `{{type: contains, value: …}}`")  # noqa: TRY004 -- of a file
    plain = kind.removeprefix("not-")
    if plain not in _KINDS and plain != "python":
        raise ValueError(f"{where}: {kind} is not taken over. hint: {_instead(plain)}")
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 < weight <= 1e6:
        raise ValueError(f"{where}: its weight must be above 0. hint: leave it out for 1")
    if "threshold" in fields:
        raise ValueError(f"{where}: a threshold has no meaning here. hint: leave it out: scores are compared")
    if "{{" in json.dumps(value):
        raise ValueError(f"{where}: live requests have no variables. hint: write what holds for every answer")
    made = _python_ref(value, where) if plain == "python" else _value(plain, value, where)
    return Check(plain, made, float(weight), kind != plain)


def _instead(kind: str) -> str:
    if kind.startswith(_MODEL_GRADED):
        return _JUDGED
    return _INSTEAD.get(kind, f"there are {', '.join(sorted(_KINDS))} and python, each also with not-")


def _python_ref(value: Any, where: str) -> str:
    text = value.removeprefix("file://") if isinstance(value, str) else ""
    file, _, name = text.partition(":")
    if not (isinstance(value, str) and value.startswith("file://") and file.endswith(".py")):
        raise ValueError(f"{where}: code belongs into a file. hint: `value: file://check.py` with get_assert in it")
    return f"{file}:{name or 'get_assert'}"


def _value(kind: str, value: Any, where: str) -> Any:
    if kind in ("is-json", "contains-json"):
        if value is not None and not json_schema.is_usable(value):
            raise ValueError(f"{where}: no JSON Schema that can be used. hint: write it in place, references within it")
        return value
    if kind.endswith(("-any", "-all")):
        several: Any = value.split(",") if isinstance(value, str) else value
        texts = [str(each).strip() for each in cast("list[Any]", several)] if isinstance(several, list) else []
        if not texts:
            raise ValueError(f"{where}: {kind} needs a list. hint: `value: [one, two]`")
        return texts
    if kind == "equals" and value is not None:
        return value if isinstance(value, str) else {"json": value}
    if not isinstance(value, str):
        hint = "hint: `value: …`, in quotes if it is a number"
        raise ValueError(f"{where}: {kind} needs a text. {hint}")  # noqa: TRY004 -- of a file
    if kind == "regex":
        try:
            re.compile(value)
        except (re.error, RecursionError, OverflowError):
            raise ValueError(f"{where}: no regular expression. hint: Python's syntax") from None
    return value


def _holds(check: Check, text: str) -> float:
    return float(_KINDS[check.kind](text, check.value))


def _equals(text: str, value: Any) -> bool:
    return text == value if isinstance(value, str) else bool(json_text.decode(text) == value["json"])


def _is_json(text: str, schema: Any) -> bool:
    value = json_text.decode(text)
    return value is not json_text.NO_JSON and (schema is None or json_schema.holds(schema, value) is True)


def _contains_json(text: str, schema: Any) -> bool:
    """Whether JSON of any kind but a bare word stands anywhere in it."""
    starts = [found.start() for found in re.finditer(r"[\[{]", text[: json_text.MAX_CHARS])][:_MOST_STARTS]
    decoder = json.JSONDecoder()
    for start in starts:
        try:
            _, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if _is_json(text[start:end], schema):
            return True
    return False


_KINDS: dict[str, Callable[[str, Any], bool]] = {
    "equals": _equals,
    "contains": lambda text, value: value in text,
    "icontains": lambda text, value: value.lower() in text.lower(),
    "contains-any": lambda text, values: any(value in text for value in values),
    "contains-all": lambda text, values: all(value in text for value in values),
    "icontains-any": lambda text, values: any(value.lower() in text.lower() for value in values),
    "icontains-all": lambda text, values: all(value.lower() in text.lower() for value in values),
    "starts-with": lambda text, value: text.startswith(value),
    "regex": lambda text, value: re.search(value, text) is not None,
    "is-json": _is_json,
    "contains-json": _contains_json,
}


def _context(request: Fields) -> dict[str, Any]:
    """What a Python assertion is told beside the output: the last turn, and no variables."""
    turns = objects(request.get("messages")) or objects(request.get("input"))
    prompt = content_text(turns[-1].get("content")) if turns else request.get("prompt") or request.get("input") or ""
    return {"prompt": prompt, "vars": {}, "request": request}


def _user_said(found: Any) -> float:
    """A Python assertion's result: true or false, a number from 0 to 1, or a dictionary with `score` or `pass`.

    Raises:
        ValueError: none of these.
    """
    if isinstance(found, dict):
        graded = cast(Fields, found)
        found = graded.get("score", graded.get("pass", graded.get("pass_")))
    if isinstance(found, (bool, int, float)) and 0 <= found <= 1:
        return float(found)
    raise ValueError("no score from 0 to 1")
