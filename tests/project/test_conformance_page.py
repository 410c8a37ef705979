"""docs/conformance.md names tests that are there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
SHORT = re.compile(r"`(request|response|lifecycle)::(\w+)`")
LONG = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.+) \|$", re.MULTILINE)


def named() -> set[tuple[str, str]]:
    """(file, test) of every test the page names."""
    short = {(f"tests/integration/test_conformance_{name}.py", test) for name, test in SHORT.findall(PAGE)}
    return short | set(LONG.findall(PAGE))


def functions_of(path: str) -> set[str]:
    """The tests a file has."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_named_test_exists() -> None:
    """A promise is held by a test that can be found and run."""
    missing = {f"{path}::{test}" for path, test in named() if test not in functions_of(path)}
    assert missing == set()


def test_every_line_of_the_checklist_is_there_once() -> None:
    """All 82 lines stand on the page, each with a test or a reason."""
    rows = ROW.findall(PAGE)
    assert [int(number) for number, _, _ in rows] == list(range(1, 83))
    assert all("::" in held or "not " in held for _, _, held in rows)


def test_the_three_suites_hold_nothing_that_is_not_on_the_page() -> None:
    """Each conformance test stands for a line, or for what the lines leave out and this list names."""
    beyond = {
        "test_a_malformed_answer_is_502",
        "test_a_second_answer_is_nobodys",
        "test_a_hang_up_before_the_head_is_whole_asks_nobody",
        "test_pipelined_requests_are_answered_in_order",
        "test_http_1_0_apps_are_served",
        "test_an_app_that_ends_a_tunnel_ends_it",
    }
    here = {
        test
        for name in ("request", "response", "lifecycle")
        for test in functions_of(f"tests/integration/test_conformance_{name}.py")
        if test.startswith("test_")
    }
    assert here - {test for _, test in named()} == beyond
