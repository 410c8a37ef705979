"""A route's name that nobody has."""

import pytest

from gateway.node.unknown_route import unknown_route


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("triaje", ["triage", "chat"], "did you mean triage?"),
        ("x", ["triage", "chat"], "there are chat, triage"),
        ("x", [f"r{number}" for number in range(9)], "there are r0, r1, r2, r3, r4, r5, …"),
        ("x", [], "there are none"),
    ],
)
def test_a_route_that_nobody_has_is_told_with_what_there_is(name: str, known: list[str], hint: str) -> None:
    """The nearest of them if one is near; else the first few."""
    assert unknown_route(name, known) == f"no route is called {name!r}. hint: {hint}"
