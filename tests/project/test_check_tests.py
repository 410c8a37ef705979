"""The check that each test asserts: what counts as an assertion, and what does not."""

import textwrap
from pathlib import Path

import pytest

from tools.check_tests import main

HELPERS = """
def assert_right(found):
    assert found

def check_nothing(found):
    print(found)
"""


def checked(root: Path, capsys: pytest.CaptureFixture[str], body: str, doc: str = '"""It holds."""') -> str:
    """What is said of a test of this body."""
    (root / "tests").mkdir(exist_ok=True)
    (root / "tests" / "helpers.py").write_text(HELPERS)
    text = "from tests.helpers import assert_right, check_nothing\n\ndef test_it(found):\n"
    (root / "tests" / "test_it.py").write_text(text + textwrap.indent(f"{doc}\n{body}\n", "    "))
    assert main(root) in (0, 1)
    return capsys.readouterr().out


@pytest.mark.parametrize(
    "body",
    [
        "assert found",
        "with pytest.raises(ValueError, match='no'):\n    found()",
        "with pytest.warns(UserWarning):\n    found()",
        "assert_right(found)",
        "for each in found:\n    if each:\n        assert each",
        "def inner(each):\n    assert each\ninner(found)",
        "run_state_machine_as_test(found)",
    ],
)
def test_what_can_fail_a_test_is_an_assertion(tmp_path: Path, capsys: pytest.CaptureFixture[str], body: str) -> None:
    """An assert, an expected error or warning, a state machine, and a helper of the tests that asserts itself."""
    assert not checked(tmp_path, capsys, body)


@pytest.mark.parametrize(
    "body",
    [
        "found()",
        "with found:\n    pass",
        "check_nothing(found)",
        "assert_elsewhere(found)",
        "found.check_all()",
        "found.look()\nreturn found",
    ],
)
def test_what_passes_whatever_happens_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str], body: str) -> None:
    """A call, a context, a helper that asserts nothing or is not of the tests: each is refused by name and line."""
    assert checked(tmp_path, capsys, body).startswith("tests/test_it.py:3: test_it asserts nothing")


def test_a_test_without_its_sentence_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It asserts, and says nowhere what."""
    assert "test_it has no docstring" in checked(tmp_path, capsys, "assert found", doc="'''  '''")


def test_the_metrics_are_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An assert on the page, which is written once a second, is refused by its line; one that waits is not."""
    early = 'assert found\nassert "up 1" in serving.admin("/metrics").text'
    (tmp_path / "patient").mkdir()
    assert checked(tmp_path, capsys, early).startswith("tests/test_it.py:6: /metrics is written once a second")
    assert not checked(tmp_path / "patient", capsys, 'assert found\nserving.await_metric("up 1")')
