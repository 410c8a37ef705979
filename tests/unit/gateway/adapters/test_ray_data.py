"""Parts on Ray, as far as no Ray is needed: tests/acceptance/test_ray.py has a real one."""

import sys
from types import ModuleType

import pytest

from gateway.adapters.ray_data import RayError, processors, run_on_ray


def test_nothing_to_do_needs_no_ray() -> None:
    """No part, no result, and nothing is loaded."""
    assert list(run_on_ray(lambda part: [part], [])) == []


def test_without_ray_it_says_what_to_install() -> None:
    """The extra is named, and nothing is done."""
    for act in (lambda: next(run_on_ray(lambda part: [part], [1])), processors):
        with pytest.raises(RayError, match="hint: install the extra `ray`"):
            act()


def test_a_ray_that_does_not_start_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray raises a plain Exception of several lines where its node is late: the first one stands, with what to do."""

    def late(**_: object) -> None:
        raise Exception("The node timed out during startup.\nSee the logs.")  # noqa: TRY002 -- as Ray does

    library = ModuleType("ray")
    library.is_initialized = lambda: False  # type: ignore[attr-defined] -- Ray's two functions that are asked first
    library.init = late  # type: ignore[attr-defined] -- likewise
    monkeypatch.setitem(sys.modules, "ray", library)
    monkeypatch.setitem(sys.modules, "ray.data", ModuleType("ray.data"))
    with pytest.raises(RayError, match=r"^Ray does not start: The node timed out during startup\. hint: "):
        next(run_on_ray(lambda part: [part], [1]))
