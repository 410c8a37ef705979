"""What the tree looks like, beside an earlier commit.

    python -m tools.house [COMMIT]

Counts over the four packages: modules, long files, public class names that stand for two things, loose files, and how
many modules `--help` of each command loads.
"""

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from gateway.cli.arguments import COMMANDS
from tools.check_names import PACKAGES, classes

FIRST = "5e75926"
"""The commit before the rooms."""
LONG_LINES = (300, 400)
LOADED = """
import contextlib, io, sys
from gateway.cli.main import main
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
    main([sys.argv[1], "--help"])
print(len(sys.modules))
"""


def counts(root: Path) -> Mapping[str, int]:
    """Each figure of the tree at `root`, by what it counts."""
    files = [path for package in PACKAGES for path in (root / package).rglob("*.py")]
    lines = [len(path.read_text("utf-8").splitlines()) for path in files]
    found = {"modules": len(files)}
    found |= {f"of these over {long} lines": sum(each > long for each in lines) for long in LONG_LINES}
    homes = classes(root)
    found["public class names"] = len(homes)
    found["of these in two places or more"] = sum(len(places) > 1 for places in homes.values())
    for folder in ("gateway", "gateway/control"):
        found[f"loose files in {folder}/"] = sum(path.name != "__init__.py" for path in (root / folder).glob("*.py"))
    return found | {f"modules loaded by {command} --help": _loaded(root, command) for command in COMMANDS}


def _loaded(root: Path, command: str) -> int:
    done = subprocess.run(
        [sys.executable, "-P", "-c", LOADED, command], cwd=root, env={"PYTHONPATH": str(root)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(done.stdout)


def main() -> int:
    """Print both trees' figures as a table."""
    commit = sys.argv[1] if len(sys.argv) > 1 else FIRST
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(["git", "archive", commit, *PACKAGES], capture_output=True, check=True)
        subprocess.run(["tar", "x", "-C", folder], input=packed.stdout, check=True)
        before = counts(Path(folder))
    now = counts(Path())
    print(f"| | {commit} | now |\n|---|---|---|")
    for what, value in now.items():
        print(f"| {what} | {before[what]} | {value} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
