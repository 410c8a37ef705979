"""Parts on Ray, as far as no Ray is needed: tests/acceptance/test_ray.py has a real one."""

import pytest

from gateway.adapters.ray_data import RayError, processors, run_on_ray


def test_nothing_to_do_needs_no_ray() -> None:
    """No part, no result, and nothing is loaded."""
    assert list(run_on_ray(lambda part: [part], [])) == []


def test_without_ray_it_says_what_to_install() -> None:
    """The extra is named, and nothing is done."""
    for act in (lambda: next(run_on_ray(lambda part: [part], [1])), processors):
        with pytest.raises(RayError, match=r"hint: pip install 'crossfade\[ray\]'"):
            act()
