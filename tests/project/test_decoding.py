"""Bytes that others wrote are no text, at times: msgspec tells of that with `UnicodeDecodeError`, not with its own.

Whoever expects the one expects the other, too; else one byte of an app, an answer or a damaged file is a traceback.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

ROOT = Path(__file__).parents[2]
MODULES = [path for top in ("gateway", "policies", "records", "shadow") for path in sorted((ROOT / top).rglob("*.py"))]
OF_MSGSPEC = {"MsgspecError", "DecodeError", "ValidationError"}
OF_TEXT = {"UnicodeDecodeError", "UnicodeError", "ValueError", "Exception"}
NO_BYTES = {
    "gateway/rewrite/lax_reader.py": "decodes what it has just encoded",
    "policies/matching.py": "its caller expects all of `_DECODING`",
    "shadow/compare/json_text.py": "decodes a text that it has just encoded",
}


def narrow(source: str) -> Iterator[int]:
    """Lines that expect msgspec's errors, and no bytes that are no text."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Try) or not any(isinstance(each, ast.Call) for each in ast.walk(node)):
            continue
        expected = {handler.lineno: names(handler.type) for handler in node.handlers}
        if not OF_TEXT.isdisjoint(set[str]().union(*expected.values())):
            continue
        yield from (line for line, found in expected.items() if "msgspec" in found and found & OF_MSGSPEC)


def names(node: ast.AST | None) -> set[str]:
    if node is None:
        return {"Exception"}
    inside = list(ast.walk(node))
    return {each.attr for each in inside if isinstance(each, ast.Attribute)} | {
        each.id for each in inside if isinstance(each, ast.Name)
    }


def test_msgspec_tells_of_bytes_that_are_no_text_by_another_error() -> None:
    """Should that change, the rule below is needed no more."""
    with pytest.raises(UnicodeDecodeError):
        msgspec.json.decode(b'"\xff"')
    assert not issubclass(UnicodeDecodeError, msgspec.MsgspecError)


def test_who_expects_what_is_malformed_expects_what_is_no_text() -> None:
    """In every module of ours, but for those that decode no bytes of others."""
    found = [
        f"{name}:{line}"
        for path in MODULES
        if (name := path.relative_to(ROOT).as_posix()) not in NO_BYTES
        for line in narrow(path.read_text("utf-8"))
    ]
    assert found == []
    assert all(list(narrow((ROOT / name).read_text("utf-8"))) for name in NO_BYTES)
