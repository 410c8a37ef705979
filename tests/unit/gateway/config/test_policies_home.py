from pathlib import Path

import pytest

from gateway.config.policies_home import DEFAULT, note, policy_files
from gateway.config.settings_file import load, policies_note


def place(tmp_path: Path, *files: str, settings: str = "") -> Path:
    """A folder with a crossfade.yaml and these files."""
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    path = tmp_path / "crossfade.yaml"
    path.write_text(settings, "utf-8")
    return path


NEW, OLD, PACKAGE = "crossfade-policies/a.yaml", "policies/a.yml", "policies/__init__.py"


@pytest.mark.parametrize(
    ("files", "settings", "read", "told"),
    [
        ((), "", DEFAULT.name, ""),
        ((NEW,), "", DEFAULT.name, ""),
        ((PACKAGE,), "", DEFAULT.name, ""),
        ((OLD,), "", "policies", "policy files are read from"),
        ((OLD, NEW), "", DEFAULT.name, "policies holds 1 policy files, which are not read"),
        ((OLD,), "policies: ./policies", "policies", ""),
        ((OLD,), "policies: ./crossfade-policies", DEFAULT.name, "policies holds 1 policy files, which are not read"),
        ((OLD,), "policies: ./elsewhere", "elsewhere", ""),
    ],
)
def test_which_folder_is_read_and_what_is_told(
    tmp_path: Path, files: tuple[str, ...], settings: str, read: str, told: str
) -> None:
    """The new default is read; the earlier one while it alone has files and nothing is stated; both cases are told."""
    found = load(place(tmp_path, *files, settings=settings), {})
    assert found.policies == tmp_path / read
    note = policies_note(found)
    assert told in note
    assert bool(told) == bool(note)
    assert bool(told) == ("hint: move them to" in note)


def test_what_a_policy_file_is(tmp_path: Path) -> None:
    """YAML files that are not hidden, by name; a folder that is not there has none."""
    place(tmp_path, "p/b.yaml", "p/a.yml", "p/.c.yaml", "p/d.yaml.example", "p/e.txt")
    assert [path.name for path in policy_files(tmp_path / "p")] == ["a.yml", "b.yaml"]
    assert policy_files(tmp_path / "missing") == []


def test_a_relative_folder_is_told_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a settings file, folders are named from where one stands."""
    place(tmp_path, OLD)
    monkeypatch.chdir(tmp_path)
    assert note(Path("policies"), stated=False).startswith("policy files are read from policies, the default")
