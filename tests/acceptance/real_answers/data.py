"""What real models really answered, as an OpenAI-speaking server would say it.

Tool calls: BFCL's questions, and what seven models answered to them. Chats: AlpacaEval's instructions and answers.
What a model wrote as text is read as its engine's tool parser would; what cannot be read so stays text.
"""

import ast
import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATA = Path("../shared/data")
TOOL_CALLS, CHATS = DATA / "bfcl_tool_calls.jsonl.gz", DATA / "alpacaeval2_answers.jsonl.gz"
Fields = dict[str, Any]

_TYPES = {"dict": "object", "float": "number", "tuple": "array", "any": "string"}
"""BFCL's own names of types -> JSON Schema's."""


@dataclass(frozen=True, slots=True)
class Said:
    """One model's answer to one question."""

    message: Fields
    """The assistant's message."""
    latency_s: float
    prompt_tokens: int
    completion_tokens: int
    correct: bool = True
    """As the leaderboard found; of chats unknown."""


@dataclass(frozen=True, slots=True)
class Question:
    """What an app asks: the request's fields but for the model."""

    fields: Fields

    @property
    def key(self) -> str:
        """Tells it from all others by what an upstream sees of it."""
        return key_of(self.fields)


def key_of(request: Fields) -> str:
    """The same for every request that asks the same."""
    told = [request.get("messages"), request.get("tools")]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:24]


def answer_key(message: Fields) -> str:
    """The same for every message that says the same: text, or calls with their arguments."""
    calls = [(each["function"]["name"], _read(each["function"]["arguments"])) for each in _calls_of(message)]
    return hashlib.sha256(json.dumps([message.get("content") or "", calls], sort_keys=True).encode()).hexdigest()[:24]


def _read(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def _calls_of(message: Fields) -> list[Fields]:
    return message.get("tool_calls") or []


def rows(path: Path) -> list[Fields]:
    """The rows of a data file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def tool_questions() -> list[Question]:
    """BFCL's questions, each with the functions it offers."""
    return [Question({"messages": row["question"][0], "tools": _tools(row)}) for row in rows(TOOL_CALLS)]


def tool_answers(model: str) -> dict[str, Said]:
    """A model's answers by the question's key. Where its time was not kept, a tenth of a second stands in."""
    found: dict[str, Said] = {}
    for row in rows(TOOL_CALLS):
        answer = row["answers"][model]
        question = Question({"messages": row["question"][0], "tools": _tools(row)})
        message = message_of(answer["result"], {tool["function"]["name"] for tool in question.fields["tools"]})
        length = len(json.dumps(answer["result"]))
        found[question.key] = Said(
            message,
            answer["latency_s"] or 0.1,
            answer["input_tokens"] or 200,
            answer["output_tokens"] or max(1, length // 4),
            answer["correct"],
        )
    return found


def chat_questions() -> list[Question]:
    """AlpacaEval's instructions."""
    return [Question({"messages": [{"role": "user", "content": row["instruction"]}]}) for row in rows(CHATS)]


def _tools(row: Fields) -> list[Fields]:
    functions = row["functions"] if isinstance(row["functions"], list) else [row["functions"]]
    return [{"type": "function", "function": _function(each)} for each in functions]


def _function(told: Fields) -> Fields:
    return {**told, "name": _name(told["name"]), "parameters": _schema(told["parameters"])}


def _name(name: str) -> str:
    """A function's name as OpenAI takes it."""
    return name.replace(".", "_")


def _schema(found: Any) -> Any:
    if isinstance(found, dict):
        return {
            key: _TYPES.get(value, value) if key == "type" and isinstance(value, str) else _schema(value)
            for key, value in found.items()
        }
    return [_schema(each) for each in found] if isinstance(found, list) else found


def message_of(result: Any, names: set[str]) -> Fields:
    """The assistant's message for what a model wrote: calls where they can be read, text otherwise."""
    calls = list(_calls(result))
    if calls and all(name in names for name, _ in calls):
        return {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}
                for number, (name, arguments) in enumerate(calls)
            ],
        }
    return {"role": "assistant", "content": result if isinstance(result, str) else json.dumps(result)}


def _calls(result: Any) -> Iterator[tuple[str, str]]:
    """(name, arguments as JSON) of what a model wrote."""
    if isinstance(result, list):  # a function-calling API's own
        for call in result:
            for name, arguments in call.items():
                yield _name(name), arguments if isinstance(arguments, str) else json.dumps(arguments)
        return
    text = result.strip()
    found = _json_calls(text)
    yield from found or _python_calls(text)


def _json_calls(text: str) -> list[tuple[str, str]]:
    """`{"tool_calls": […]}` of xLAM, `<tool_call>…</tool_call>` of Hermes."""
    pieces = re.findall(r"<tool_call>\s*(\{.*?\})\s*</tool_call>", text, re.DOTALL) or [text]
    calls: list[tuple[str, str]] = []
    for piece in pieces:
        try:
            told = json.loads(piece)
        except ValueError:
            return []
        for call in told.get("tool_calls", [told]) if isinstance(told, dict) else []:
            if not isinstance(call, dict) or not isinstance(call.get("name"), str):
                return []
            calls.append((_name(call["name"]), json.dumps(call.get("arguments", {}))))
    return calls


def _python_calls(text: str) -> list[tuple[str, str]]:
    """`name(a=1)` of Gorilla, several parted by semicolons or line ends."""
    calls: list[tuple[str, str]] = []
    for piece in re.split(r"<<function>>|\n|;", text):
        if not piece.strip():
            continue
        try:
            call = ast.parse(piece.strip(), mode="eval").body
            assert isinstance(call, ast.Call)
            arguments = {each.arg: ast.literal_eval(each.value) for each in call.keywords}
            calls.append((_name(ast.unparse(call.func)), json.dumps(arguments)))
        except (SyntaxError, ValueError, AssertionError, TypeError):
            return []
    return calls
