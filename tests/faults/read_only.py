"""A data directory whose file system becomes read-only under traffic, and can be written again.

It is a mount over itself in a mount namespace of its own (`unshare -m`, which needs root): what is opened from then on
can only be read, what is open goes on. A worker and the controller are killed meanwhile, so that others begin on it.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec

from policies.routing import decode
from tests.fakes.thread import in_thread
from tests.fakes.upstream import FakeUpstream
from tests.rooms.served_route import POLICY, ask
from tests.rooms.serving import REAL, Serving
from tests.rooms.waiting import PATIENCE_S, await_true

ASKED = 20
"""Requests of each part of the run."""
LOST = "crossfade_journal_lost_total{"


class ReadOnlyFound(msgspec.Struct):
    """What came of it."""

    asked: int = 0
    answered: int = 0
    recorded: int = 0
    lost_said: int = 0
    kill: int = -1
    """The command's status, while nothing can be written."""
    kill_said: str = ""
    is_killed_later: bool = False
    """Whether the kill, said while nothing could be written, is in force and written once it can."""
    off: int = -1
    """The same of `kill --off`, once it can."""
    is_serving: bool = False
    """Whether `status` says so, in the end."""

    def held(self) -> bool:
        """Whether no app noticed, what was lost is counted, orders acted, and all came back."""
        is_counted = self.answered == self.recorded + self.lost_said
        orders = self.kill == self.off == 0 and self.is_killed_later
        return self.answered == self.asked > 0 and is_counted and orders and self.is_serving

    def report(self) -> str:
        """All of it."""
        return str(self)


def read_only(directory: Path) -> ReadOnlyFound:
    """Play it.

    Raises:
        RuntimeError: the run inside the namespace failed; its output is in the message.
    """
    command = ["unshare", "-m", sys.executable, "-m", "tests.faults.read_only", str(directory)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=3 * PATIENCE_S)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode(errors="replace"))
    return msgspec.json.decode(done.stdout, type=ReadOnlyFound)


def run_inside(directory: Path) -> ReadOnlyFound:
    """The run itself, in a namespace of its own."""
    found = ReadOnlyFound()
    with in_thread(FakeUpstream(require_key=False)) as upstream:
        url = upstream.base_url
        settings = f"upstreams: {{openai: {{base_url: '{url}'}}, vllm: {{kind: vllm, base_url: '{url}'}}}}"
        (directory / "crossfade-policies").mkdir()
        (directory / "crossfade-policies" / "a.yaml").write_text(POLICY)
        with Serving(directory, settings, worker=REAL) as serving:
            serving.await_ready()
            serving.await_control()
            _ask(serving, found)
            _mount("--bind", str(serving.data), str(serving.data))
            _mount("-o", "remount,bind,ro", str(serving.data))
            _ask(serving, found)
            done = serving.crossfade("kill")
            found.kill, found.kill_said = done.returncode, done.stdout + done.stderr
            for slot in ("controller", "worker-0"):
                _kill(serving, slot)
            _ask(serving, found)
            _mount("-o", "remount,bind,rw", str(serving.data))
            _await_all_back(serving, found)
    return found


def _await_all_back(serving: Serving, found: ReadOnlyFound) -> None:
    renewed_at = _renewed_at(serving)
    await_true(lambda: _renewed_at(serving) > renewed_at, "the lease is renewed again")
    await_true(lambda: not any(each["pid"] is None for each in serving.status()["processes"]), "all processes run")
    await_true((serving.data / "KILL").exists, "the kill is written")
    found.is_killed_later = "KILLED" in serving.crossfade("status").stdout
    found.off = serving.crossfade("kill", "--off").returncode
    _ask(serving, found)
    await_true(lambda: _told(serving, found) == found.answered, "all is recorded, or counted as lost")
    found.is_serving = serving.crossfade("status").returncode == 0


def _told(serving: Serving, found: ReadOnlyFound) -> int:
    """How many exchanges are told of, one way or the other."""
    said = msgspec.json.decode(serving.crossfade("records", "stats", "--json").stdout or "[]")
    found.recorded = sum(line["exchanges"] for line in said if line["variant"] == "baseline")
    lines = serving.admin("/metrics").text.splitlines()
    found.lost_said = sum(round(float(line.split()[-1])) for line in lines if line.startswith(LOST))
    return found.recorded + found.lost_said


def _renewed_at(serving: Serving) -> float:
    return decode((serving.data / "routing.json").read_bytes()).lease.renewed_at


def _ask(serving: Serving, found: ReadOnlyFound) -> None:
    for _ in range(ASKED):
        found.asked += 1
        found.answered += bool(ask(serving))


def _kill(serving: Serving, slot: str) -> None:
    """End a process of this gateway, and wait until the gateway is ready without it, or with another."""
    pid = serving.pid_of(slot)
    assert pid is not None
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    assert parent == serving.process.pid, "what the status file says is old"
    os.kill(pid, signal.SIGKILL)
    await_true(lambda: not Path(f"/proc/{pid}").exists(), f"{slot} is gone")
    await_true(serving.is_ready, "it is ready again")


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(run_inside(Path(sys.argv[1]))))
