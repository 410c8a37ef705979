"""The end of a process that has done all it had to."""

import subprocess
import sys

import pytest

PROGRAM = """
import atexit, sys
from gateway.ending import Ending

class Kept:
    def __del__(self):
        print("taken apart")

kept = Kept()
kept.itself = kept
ending = Ending()
atexit.register(ending.leave)
atexit.register(print, "asked to finish")
ending.status = {status}
"""


@pytest.mark.parametrize(
    ("status", "ends", "said"),
    [(0, 0, "asked to finish\n"), (3, 3, "asked to finish\n"), (None, 0, "asked to finish\ntaken apart\n")],
)
def test_who_ended_in_order_leaves_everything_as_it_stands(status: int | None, ends: int, said: str) -> None:
    """The others at exit come first, what was printed is out; without a status the interpreter ends as ever."""
    program = PROGRAM.format(status=status)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (ends, said, "")
