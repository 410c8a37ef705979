"""How a process begins and ends that the supervisor starts."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from gateway.process import read_boot, say_ready, stop_asked


def started(folder: Path, program: str) -> tuple[int, str, str]:
    """What a module says that the supervisor starts: its status, stdout and stderr."""
    (folder / "made.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "gateway.process", "made", "--boot-fd", "0"],
        env=os.environ | {"PYTHONPATH": f"{Path.cwd()}:{folder}"}, input="{}", capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


class Boot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one process is told."""

    a: int = 0


BEGUN = """\
import atexit, gc, sys, threading, time
import msgspec
from gateway.process import read_boot

class Boot(msgspec.Struct):
    pass

class Kept:
    def __del__(self):
        print("taken apart")

kept = Kept()
kept.itself = kept
was_on = gc.isenabled()
"""


@pytest.mark.parametrize(("end", "status"), [("0", 0), ("3", 3)])
def test_an_orderly_end_waits_for_all_and_takes_nothing_apart(tmp_path: Path, end: str, status: int) -> None:
    """Threads are joined, who asked to finish finishes, what was written is out, the status is the module's."""
    program = f"""{BEGUN}
if __name__ == "__main__":
    assert read_boot(None, Boot) == Boot()
    atexit.register(print, "asked to finish")
    threading.Thread(target=lambda: [threading.main_thread().join(), print("a thread")]).start()
    sys.exit({end})
"""
    assert started(tmp_path, program) == (status, "a thread\nasked to finish\n", "")


def test_what_is_imported_is_out_of_the_collectors_sight(tmp_path: Path) -> None:
    """While modules are imported it is off; once the boot is read it is on, and what was imported is frozen."""
    program = f"""{BEGUN}
if __name__ == "__main__":
    before = gc.get_freeze_count()
    read_boot(None, Boot)
    print(was_on, before, gc.isenabled(), gc.get_freeze_count() > 1000, sys.argv[1:])
    sys.exit(0)
"""
    assert started(tmp_path, program) == (0, "False 0 True True ['--boot-fd', '0']\n", "")


@pytest.mark.parametrize(
    ("end", "said"), [("raise ValueError('odd')", "ValueError: odd"), ("sys.exit('refused')", "refused")]
)
def test_another_end_is_the_interpreters(tmp_path: Path, end: str, said: str) -> None:
    """What was not met is told with its place and ends with 1, and so does a last word."""
    status, stdout, stderr = started(tmp_path, f"{BEGUN}\nread_boot(None, Boot)\n{end}\n")

    assert (status, stdout) == (1, "taken apart\n")
    assert stderr.splitlines()[-1] == said


def test_one_that_is_aborted_writes_where_it_stood(tmp_path: Path) -> None:
    """SIGABRT, as the supervisor sends to one that hangs, leaves its file and line in the log, and ends it."""
    program = "import os, signal\n\ndef stuck() -> None:\n    os.kill(os.getpid(), signal.SIGABRT)\n\nstuck()\n"
    status, _, stderr = started(tmp_path, program)

    assert status == -signal.SIGABRT
    assert f'File "{tmp_path}/made.py", line 4 in stuck' in stderr


def pipe_with(content: bytes) -> list[str]:
    """The arguments of a process whose supervisor wrote `content`."""
    ours, theirs = os.pipe()
    os.write(theirs, content)
    os.close(theirs)
    return ["--boot-fd", str(ours)]


def test_the_boot_is_what_the_pipe_holds() -> None:
    """A process reads all that its supervisor wrote into the pipe it names."""
    assert read_boot(pipe_with(b'{"a": 1}'), Boot) == Boot(1)


def test_a_boot_of_another_version_is_refused() -> None:
    """A key that this version does not know is no small thing: it would be read and do nothing."""
    with pytest.raises(msgspec.ValidationError, match="`b`"):
        read_boot(pipe_with(b'{"b": 1}'), Boot)


def test_without_a_pipe_nothing_begins() -> None:
    """Started by hand, without a boot pipe, a process says how it is used and ends with 2."""
    with pytest.raises(SystemExit) as ended:
        read_boot([], Boot)

    assert ended.value.code == 2


def test_ready_is_one_byte_and_the_end() -> None:
    """The supervisor reads one byte, and then that nothing more comes."""
    ours, theirs = os.pipe()

    say_ready(theirs)
    say_ready(-1)  # nobody asked

    assert os.read(ours, 10) == b"+"
    assert os.read(ours, 10) == b""
    os.close(ours)


def test_a_signal_asks_to_stop() -> None:
    """SIGTERM and SIGINT ask a process to end, and do not end it."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        for number in before:
            stop = stop_asked()
            signal.raise_signal(number)

            assert stop.is_set()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
