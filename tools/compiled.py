"""Compile the data plane in place, or go back to its sources: `make compile`, `make uncompile`.

    python tools/compiled.py able      say what compiling needs that is not here, if anything: then the status is 2
    python tools/compiled.py types     say what the compiler would refuse, without compiling
    python tools/compiled.py make      compile what [tool.hatch…hooks.mypyc] in pyproject.toml lists
    python tools/compiled.py check     remove what was compiled of other sources than those that are here
    python tools/compiled.py remove    remove what was compiled

A compiled module lies beside its source, and Python takes it first: one that is older than its source would be run in
its stead, without a word. Every verb of the Makefile checks before it does anything else. What was compiled last is
kept under .cache by the content of its sources, and put back when they are the same again.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("gateway", "policies", "records", "shadow")


def listed(root: Path) -> list[Path]:
    """The sources that are to be compiled."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    hook = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["mypyc"]
    return [root / path for path in hook["include"]]


def there(root: Path) -> list[Path]:
    """The compiled modules that lie here, and the library they share."""
    beside = (path for package in PACKAGES for path in (root / package).rglob("*.so"))
    return [*beside, *root.glob("crossfade__mypyc.*.so")]


def is_whole(root: Path) -> bool:
    """Whether all that is to be compiled is, for this Python, and of the sources that are here."""
    suffix = str(sysconfig.get_config_var("EXT_SUFFIX"))
    made = {root / f"crossfade__mypyc{suffix}", *(path.with_suffix(suffix) for path in listed(root))}
    if made != set(there(root)):
        return False
    return min(path.stat().st_mtime_ns for path in made) >= max(path.stat().st_mtime_ns for path in _sources(root))


def _sources(root: Path) -> Iterator[Path]:
    """All that the compiled modules may depend on: what they know of a type is its source's word."""
    yield root / "pyproject.toml"
    for package in PACKAGES:
        yield from (root / package).rglob("*.py")


def kept(root: Path) -> Path:
    """Where what is compiled of these sources, by this Python and these tools, is kept."""
    found = hashlib.sha256(f"{sys.version}\0{sysconfig.get_config_var('EXT_SUFFIX')}".encode())
    for path in sorted({*_sources(root), root / "uv.lock"}):
        text = path.read_bytes() if path.exists() else b""
        found.update(f"\0{path.relative_to(root)}\0{len(text)}\0".encode() + text)
    return root / ".cache" / "compiled" / found.hexdigest()[:16]


def copied(root: Path, copy: Path) -> Path:
    """What the compiler reads, apart: it moves pyproject.toml while it runs, which everything else reads."""
    copy.mkdir()
    for name in ("pyproject.toml", "uv.lock", "README.md", "LICENSE"):
        shutil.copy2(root / name, copy)
    for package in PACKAGES:
        shutil.copytree(root / package, copy / package, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    return copy


def keep(folder: Path, wheel: Path) -> None:
    """Keep what is compiled in a wheel, in place of what was kept before."""
    shutil.rmtree(folder.parent, ignore_errors=True)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder, [name for name in archive.namelist() if name.endswith(".so")])


def put_back(root: Path) -> bool:
    """Whether what is compiled of these sources was kept, and is whole here now."""
    folder = kept(root)
    for path in there(folder):
        shutil.copyfile(path, root / path.relative_to(folder))
    return is_whole(root)


def missing() -> str:
    """What this machine lacks for compiling; empty: nothing."""
    if not any(map(shutil.which, ("cc", "gcc", "clang"))):
        return "a C compiler: apt-get install gcc libc6-dev"
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        return "Python's headers: apt-get install python3-dev"
    return ""


def able(_: Path) -> int:
    """Whether this machine can compile; 2: it cannot, and what it lacks is said."""
    lacks = missing()
    if lacks:
        print(f"compile: needs {lacks}", file=sys.stderr)
    return 2 if lacks else 0


def types(root: Path) -> int:
    """What the compiler would refuse of the types, in a tenth of its time; 1: something."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    options = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["mypyc"]["mypy-args"]
    sources = [path.relative_to(root) for path in listed(root)]
    return subprocess.run([sys.executable, "-m", "mypy", *options, *sources], check=False, cwd=root).returncode


def make(root: Path) -> int:
    """Compile, unless that was done; 2 if it cannot be done here."""
    if is_whole(root):
        print("compiled: the data plane, already")
        return 0
    remove(root)  # of a module that is not listed any more nothing may stay
    if put_back(root):
        print("compiled: the data plane, as it was kept of these sources")
        return 0
    if able(root):
        return 2
    with tempfile.TemporaryDirectory(prefix="crossfade-compile-") as temporary:
        copy = copied(root, Path(temporary) / "tree")
        folder = kept(copy)  # a source may change meanwhile
        done = subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", temporary],
            cwd=copy, env=os.environ | {"HATCH_BUILD_HOOKS_ENABLE": "1"}, stdout=subprocess.PIPE, check=False,
        )  # fmt: skip
        if done.returncode:
            return done.returncode
        keep(root / folder.relative_to(copy), next(Path(temporary).glob("*.whl")))
    if not put_back(root):
        print("compile: a source was changed meanwhile: make compile once more", file=sys.stderr)
        return 1
    print(f"compiled: {len(listed(root))} modules of the data plane; `make uncompile` goes back to their sources")
    return 0


def remove(root: Path) -> int:
    """Go back to the sources."""
    for path in there(root):
        path.unlink()
    return 0


def check(root: Path) -> int:
    """Go back to the sources, if what was compiled is not of them."""
    if there(root) and not is_whole(root):
        remove(root)
        print("uncompiled: the data plane's sources are newer than what was compiled of them; `make compile`")
    return 0


if __name__ == "__main__":
    sys.exit({"able": able, "types": types, "make": make, "check": check, "remove": remove}[sys.argv[1]](ROOT))
