"""What is compiled is what is listed, of the sources that are here, and nothing that compiling would change."""

import ast
import os
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

from tools import compiled

PROJECT = '[tool.hatch.build.targets.wheel.hooks.mypyc]\ninclude = ["gateway/a.py", "policies/b.py"]\n'
SUFFIX = str(sysconfig.get_config_var("EXT_SUFFIX"))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A project whose two listed modules are compiled."""
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    for name in ("gateway/a", "gateway/plain", "policies/b"):
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    for name in ("gateway/a", "policies/b", "crossfade__mypyc"):
        (tmp_path / f"{name}{SUFFIX}").touch()
    age(tmp_path, 0)
    return tmp_path


def age(tree: Path, made_ns: int) -> None:
    """Have all sources be of one moment, and what was compiled of another."""
    for path in tree.rglob("*.*"):
        os.utime(path, ns=(made_ns, made_ns) if path.suffix == ".so" else (0, 0))


def keep(tree: Path) -> None:
    """Keep a wheel of these sources."""
    wheel = tree / "crossfade.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in compiled.there(tree):
            archive.writestr(str(path.relative_to(tree)), b"code")
        archive.writestr("gateway/plain.py", b"source")
    compiled.keep(compiled.kept(tree), wheel)


def test_what_is_compiled_of_these_sources_stays(tree: Path) -> None:
    """A check leaves alone what is whole and not older than any source."""
    assert compiled.check(tree) == 0
    assert len(compiled.there(tree)) == 3


@pytest.mark.parametrize("name", ["gateway/a.py", "gateway/plain.py", "pyproject.toml"])
def test_a_newer_source_ends_what_was_compiled(tree: Path, name: str) -> None:
    """A module may know the types of any other: a change in one of them, compiled or not, goes back to the sources."""
    os.utime(tree / name, ns=(1, 1))
    compiled.check(tree)
    assert compiled.there(tree) == []


def test_half_of_it_is_none(tree: Path) -> None:
    """Modules that know each other's memory run together or not at all."""
    (tree / f"policies/b{SUFFIX}").unlink()
    compiled.check(tree)
    assert compiled.there(tree) == []


def test_what_is_not_listed_any_more_goes(tree: Path) -> None:
    """A module that was compiled once and is not listed now would be run in its source's stead."""
    (tree / f"gateway/plain{SUFFIX}").touch()
    age(tree, 0)
    assert not compiled.is_whole(tree)
    compiled.check(tree)
    assert compiled.there(tree) == []


def test_what_is_whole_is_not_compiled_again(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second `make compile` costs nothing."""
    assert compiled.make(tree) == 0
    assert "already" in capsys.readouterr().out


def test_what_was_compiled_of_the_same_sources_is_put_back(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who goes back to the sources and compiles again waits for no compiler, whatever the files' times say."""
    keep(tree)
    compiled.remove(tree)
    (tree / "gateway/a.py").touch()
    assert compiled.make(tree) == 0
    assert "kept" in capsys.readouterr().out
    assert (tree / f"policies/b{SUFFIX}").read_bytes() == b"code"


@pytest.mark.parametrize("name", ["gateway/plain.py", "pyproject.toml", "uv.lock"])
def test_what_was_compiled_of_other_sources_is_not_put_back(tree: Path, name: str) -> None:
    """One byte in a source, in what is listed or in the locked tools, and it is compiled anew."""
    keep(tree)
    compiled.remove(tree)
    with (tree / name).open("a") as file:
        file.write("\n")
    assert not compiled.put_back(tree)
    assert compiled.there(tree) == []


def test_no_class_that_msgspec_makes_is_compiled() -> None:
    """Its options (frozen, array_like, …) would be lost without a word: such classes stand in modules of their own."""
    sources = compiled.listed(compiled.ROOT)
    assert len(sources) > 20
    for path in sources:
        classes = (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.ClassDef))
        made = [node.name for node in classes if any("Struct" in ast.unparse(base) for base in node.bases)]
        assert made == [], f"{path}: compiled, these would not be what they say"


def test_the_tools_of_a_wheel_are_those_of_the_lock() -> None:
    """Who builds a compiled wheel in an environment of its own gets the versions that are tested here."""
    root = Path(compiled.__file__).parents[1]
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    locked = tomllib.loads((root / "uv.lock").read_text("utf-8"))["package"]
    versions = {package["name"]: package["version"] for package in locked}
    pins = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["mypyc"]["dependencies"]
    pinned = dict(pin.split("==") for pin in pins if "==" in pin)
    assert pinned == {name: versions[name] for name in ("hatch-mypyc", "mypy")}
