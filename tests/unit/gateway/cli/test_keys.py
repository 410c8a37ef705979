"""`crossfade keys`: a key's life, and who is refused."""

import json
import re
from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.node.database import opened, read_audit


def test_keys_from_first_to_last(capsys: pytest.CaptureFixture[str]) -> None:
    """A key is printed once, alone on stdout; list shows its name only; revoked, it says when."""
    assert main(["keys", "create", "team-a"]) == 0
    created = capsys.readouterr()
    key = created.out.strip()
    assert key.startswith("cf-")
    assert "shown once" in created.err
    assert "passthrough" in created.err
    assert main(["keys", "list", "--json"]) == 0
    listed = capsys.readouterr().out
    assert key not in listed
    assert [(each["name"], each["revoked_at"]) for each in json.loads(listed)] == [("team-a", None)]
    assert main(["keys", "revoke", "team-a", "--reason", "left"]) == 0
    assert "is revoked" in capsys.readouterr().out
    assert main(["keys", "list"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert (head.split()[:2], "REVOKED" in head, len(re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d", row))) == (
        ["NAME", "ID"],
        True,
        2,
    )
    with opened(Path("crossfade-data/state.db")) as state:
        assert [(each.action, each.reason) for each in read_audit(state)] == [
            ("keys.create", ""),
            ("keys.revoke", "left"),
        ]


@pytest.mark.parametrize("words", [["create", "a b"], ["revoke", "nope"]])
def test_keys_that_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A refusal is 1, and says what to do on stderr."""
    assert main(["keys", *words]) == 1
    captured = capsys.readouterr()
    assert (captured.out, "hint" in captured.err) == ("", True)
