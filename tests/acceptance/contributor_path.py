"""A contributor's way, by the docs alone: `make contributor-path` does it in a fresh clone, each step timed.

    python -m tests.acceptance.contributor_path [--check]

`CONTRIBUTING.md` from its top, then the example of `docs/howto/add-a-comparator.md`: its files, its patch, its test,
`make lint`; with --check also `make check`, about a quarter of an hour. 1: a step failed.
"""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests.acceptance.first_hour import say, walked
from tests.acceptance.walk import Reader, Step

LONG_S = 1800.0
"""The longest `make lint` or `make check`."""
BEGUN = (
    Step("make setup"),
    Step(".venv/bin/python -m pytest", "passed"),
    Step("make lint", within_s=LONG_S),
    Step("make check", within_s=LONG_S),
)
ADDED = (
    Step("git apply"),
    Step(".venv/bin/python tools/reference.py"),
    Step(".venv/bin/crossfade policy schema"),
    Step(".venv/bin/python -m pytest -q tests/unit/shadow/compare/test_first_line.py", "3 passed"),
    Step(".venv/bin/python -m pytest -q tests/unit/policies/test_schema.py", "passed"),
    Step("make lint", within_s=LONG_S),
    Step("make check", within_s=LONG_S),
)
STEPS = (*BEGUN, *ADDED)
EXAMPLE = "An example, from an empty file to `make check`"


def play(folder: Path, left_out: dict[str, str], tell: Callable[[str], None] = lambda _: None) -> Reader:
    """Do what the pages say, in `folder`; `left_out`: commands that are not done, and why.

    Raises:
        StepError: a step did not do what its page says.
    """
    with ExitStack() as stack:
        reader = Reader(folder, list(STEPS), left_out=left_out, tell=tell)
        stack.callback(reader.leaves)
        reader.does("export PYTHONPATH=$PWD")
        reader.reads((folder / "CONTRIBUTING.md").read_text("utf-8"))
        reader.reads((folder / "docs/howto/add-a-comparator.md").read_text("utf-8"), [EXAMPLE])
        reader.ends()
    return reader


def main() -> int:
    """Clone, do it, and print each step's time."""
    left_out = {} if "--check" in sys.argv else {"make check": "--check runs it"}
    found = walked("contributor", lambda folder: play(folder, left_out, say))
    if found is None:
        return 1
    cloned_s, reader = found
    say(f"a comparator added, tested and linted: {cloned_s + sum(took for _, took in reader.took):.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
