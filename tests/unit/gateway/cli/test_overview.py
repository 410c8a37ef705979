"""The first page of help."""

import shlex

import pytest

from gateway.cli.arguments import COMMANDS, command_line
from gateway.cli.main import main
from gateway.cli.overview import EXAMPLES, GROUPS


def test_every_command_stands_in_one_group() -> None:
    """None is missing from the page, and none stands there twice."""
    listed = [name for names in GROUPS.values() for name in names]
    assert sorted(listed) == sorted(COMMANDS)


def test_the_page_fits_eighty_columns(capsys: pytest.CaptureFixture[str]) -> None:
    """Each command with its line, in its group, and no line is wider than a terminal."""
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    page = capsys.readouterr().out
    assert max(len(line) for line in page.splitlines()) <= 80
    assert page.index("Steer:") < page.index("\n  kill ") < page.index("Records:")


def test_its_examples_are_commands() -> None:
    """What one copies from the page parses."""
    examples = [each for line in EXAMPLES.splitlines()[1:] for each in line.partition("#")[0].split("&&")]
    assert len(examples) == 4
    for example in examples:
        assert command_line().parse_args(shlex.split(example)[1:]).command in COMMANDS
