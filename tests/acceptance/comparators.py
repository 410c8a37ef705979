"""Comparators on what real models really answered.

python -m tests.acceptance.comparators   prints the figures; 1 if one of them is not what the docs promise
"""

import ast
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from shadow.compare import answer, tool_calls
from shadow.compare.pair import AppRequest, ModelAnswer, Pair, ToolCall
from tests.acceptance.real_verdicts import ANSWERS, DATA, TOOL_CALLS, Row, rows

CHAT = "/v1/chat/completions"
_TYPES = {"dict": "object", "float": "number", "tuple": "array", "any": ""}
_HERMES = re.compile(r"<tool_call>\s*(.*?)\s*</tool_call>", re.DOTALL)
LEAST_SAME_VERDICTS = 0.99
"""Where two answers' calls are equal, both are right or both are wrong in so many pairs, or no judge may be skipped."""
_compare = tool_calls.make({})


def schema(of: Any) -> Any:
    """The leaderboard's types as JSON Schema's."""
    if isinstance(of, dict):
        inner = {name: schema(value) for name, value in of.items()}
        if isinstance(inner.get("type"), str):
            inner["type"] = _TYPES.get(inner["type"], inner["type"])
            if not inner["type"]:
                del inner["type"]
        return inner
    return [schema(each) for each in of] if isinstance(of, list) else of


def request(row: Row) -> AppRequest:
    """The request of a row, with names as OpenAI allows them."""
    tools = [
        {"type": "function", "function": {"name": _name(each["name"]), "parameters": schema(each["parameters"])}}
        for each in row["functions"]
    ]
    return AppRequest(CHAT, {"messages": row["question"][0], "tools": tools})


def calls(result: Any) -> ModelAnswer | None:
    """What a model called, as an engine's parser would read it; None: it would not."""
    readers: tuple[Callable[[str], list[ToolCall]], ...] = (_json_calls, _hermes_calls, _python_calls)
    if isinstance(result, list):
        return ModelAnswer("", tuple(ToolCall(_name(name), text) for each in result for name, text in each.items()))
    for read in readers:
        try:
            found = read(result)
        except (ValueError, SyntaxError, KeyError, TypeError, AttributeError):
            continue
        if found:
            return ModelAnswer("", tuple(found))
    return None


def _json_calls(text: str) -> list[ToolCall]:
    return [ToolCall(_name(each["name"]), json.dumps(each["arguments"])) for each in json.loads(text)["tool_calls"]]


def _hermes_calls(text: str) -> list[ToolCall]:
    found = [json.loads(each) for each in _HERMES.findall(text)]
    return [ToolCall(_name(each["name"]), json.dumps(each["arguments"])) for each in found]


def _python_calls(text: str) -> list[ToolCall]:
    tree = ast.parse(text.strip().removeprefix("[").removesuffix("]"), mode="eval").body
    found = tree.elts if isinstance(tree, ast.Tuple) else [tree]
    written = [(each.func, each.keywords) for each in found if isinstance(each, ast.Call)]
    return [
        ToolCall(_name(ast.unparse(name)), json.dumps({each.arg: ast.literal_eval(each.value) for each in given}))
        for name, given in written
    ]


def _name(name: str) -> str:
    return name.replace(".", "_")


@dataclass(slots=True)
class Tally:
    """How two models compare."""

    pairs: int = 0
    equal: int = 0
    same_verdict: int = 0
    """Of the equal and valid ones: both right, or both wrong."""


def tool_call_tallies() -> Iterator[tuple[str, str, Tally]]:
    """Every two models' calls beside each other."""
    found = rows(TOOL_CALLS)
    asked = [request(row) for row in found]
    read = {name: [calls(row["answers"][name]["result"]) for row in found] for name in found[0]["answers"]}
    for one, other in combinations(read, 2):
        tally = Tally()
        for row, request_of, ours, theirs in zip(found, asked, read[one], read[other], strict=True):
            if ours is None or theirs is None:
                continue
            tally.pairs += 1
            found_here = _compare(Pair(request_of, ours, theirs))
            valid = found_here.valid_baseline and found_here.valid_candidate
            if found_here.equal and valid:
                tally.equal += 1
                tally.same_verdict += row["answers"][one]["correct"] == row["answers"][other]["correct"]
        yield one, other, tally


def flag_shares(baseline: str) -> dict[str, tuple[dict[str, float], float, float]]:
    """Of every other model: each flag's share, the share of its commonest answer, and its mean length."""
    found = rows(ANSWERS)
    told: dict[str, tuple[dict[str, float], float, float]] = {}
    for name in found[0]["answers"]:
        outputs = [
            answer.look(Pair(_asks(row), ModelAnswer(row["answers"][baseline]), ModelAnswer(row["answers"][name])))[1]
            for row in found
        ]
        flags = sorted({flag for output in outputs for flag in output.flags})
        digests = [output.digest for output in outputs]
        top = max(digests.count(digest) for digest in set(digests)) / len(digests)
        shares = {flag: sum(flag in output.flags for output in outputs) / len(outputs) for flag in flags}
        told[name] = (shares, top, sum(output.length for output in outputs) / len(outputs))
    return told


def _asks(row: Row) -> AppRequest:
    return AppRequest(CHAT, {"messages": [{"role": "user", "content": row["instruction"]}]})


def main() -> int:
    """Print both tables."""
    if not DATA.exists():
        sys.stderr.write(f"{DATA} is not here: nothing to compare\n")
        return 0
    worst = 1.0
    for one, other, tally in tool_call_tallies():
        share = tally.same_verdict / tally.equal if tally.equal else 1.0
        worst = min(worst, share)
        sys.stdout.write(
            f"{one:<36} {other:<36} equal {tally.equal:>4}/{tally.pairs:<4}  "
            f"same verdict {tally.same_verdict:>4}/{tally.equal:<4} {share:.1%}\n"
        )
    sys.stdout.write(f"least share of same verdicts where the calls are equal: {worst:.2%}\n\n")
    for name, (shares, top, length) in flag_shares("gpt4_1106_preview").items():
        flags = ", ".join(f"{flag} {share:.1%}" for flag, share in shares.items()) or "none"
        sys.stdout.write(f"{name:<34} commonest answer {top:6.1%}  mean length {length:>5.0f}  flags: {flags}\n")
    return int(worst < LEAST_SAME_VERDICTS)


if __name__ == "__main__":
    sys.exit(main())
