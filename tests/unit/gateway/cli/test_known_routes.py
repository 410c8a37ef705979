"""A route that nobody has is refused by every command that takes one, and what was probably meant is named."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli.main import main
from tests.rooms.console_house import ConsoleHouse, house, stand

# An order to a rollout is its leader's to refuse: `crossfade hold` asks for no more here than rollback may need.
COMMANDS = (
    "status {}", "top {} --times 1", "explain {}", "readiness {}", "savings {}", "report {}",
    "records tail --route {}", "records stats --route {}", "label {} --by ada", "rebuild {}",
    "dataset build --route {} --out sets --format openai-sft", "eval add asked.jsonl --route {}",
    "eval sample --route {}", "replay --route {}",
)  # fmt: skip


@pytest.fixture
def home(place: Path) -> Iterator[ConsoleHouse]:
    """The route `triage` has a table, records and a rollout; `support-triage` has a policy."""
    Path("asked.jsonl").write_text('{"messages": [{"role": "user", "content": "Hello"}]}\n')
    with house(Path("crossfade-data")) as found:
        found.furnish()
        stand(found.data)
        yield found


def test_a_route_that_nobody_has_is_refused(home: ConsoleHouse, capsys: pytest.CaptureFixture[str]) -> None:
    """With 1 and a hint, never with an empty answer; what was to be written is not."""
    accepted: list[str] = []
    for command in COMMANDS:
        code = main(command.format("triaje").split())
        said = capsys.readouterr()
        if code != 1 or "triaje" not in said.err or "hint: " not in said.err:
            accepted.append(f"{command}: {code} {said}")
    assert accepted == []
    assert not Path("crossfade-data/evals/asked").exists()


@pytest.mark.parametrize(
    ("command", "meant"),
    [
        ("eval add asked.jsonl --route triaje", "did you mean triage?"),
        ("eval add asked.jsonl --route suport-triage", "did you mean support-triage?"),
        ("records tail --route triaje", "did you mean triage?"),
        ("savings nobody", "there are support-triage, triage"),
    ],
)
def test_what_was_meant_is_named(
    home: ConsoleHouse, capsys: pytest.CaptureFixture[str], command: str, meant: str
) -> None:
    """The nearest name of a policy, of the table or of the records; else those that there are."""
    assert main(command.split()) == 1
    assert meant in capsys.readouterr().err


def test_an_import_of_another_route_is_warned_of(home: ConsoleHouse, capsys: pytest.CaptureFixture[str]) -> None:
    """It is done: the route's policy may be written later, from these very records."""
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]
    Path("log.jsonl").write_text(json.dumps({"messages": turns}))
    assert main(["records", "import", "log.jsonl", "--from", "openai", "--route", "triaje"]) == 0
    said = capsys.readouterr()
    assert "did you mean triage?" in said.err
    assert "1 exchanges imported" in said.out


def test_any_name_may_be_right_before_anything_is_known(_here: None, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a policy, a gateway or a record, a set may come first; nor is a name refused beside a broken policy."""
    Path("asked.jsonl").write_text('{"messages": [{"role": "user", "content": "Hello"}]}\n')
    assert main(["eval", "add", "asked.jsonl", "--route", "new"]) == 0
    Path("policies").mkdir()
    Path("policies/old.yaml").write_text("route: old\n")
    Path("policies/broken.yaml").write_text("route: [")
    assert main(["eval", "add", "asked.jsonl", "--route", "newer", "--name", "b"]) == 0
    Path("policies/broken.yaml").unlink()
    assert main(["eval", "add", "asked.jsonl", "--route", "newer", "--name", "c"]) == 1
    assert "there are old" in capsys.readouterr().err
