"""The program around a user's scorer: bounds first, then the user's code, then one line for each pair.

Standard output is the pipe to the shadow, so the user's own printing is turned away from it.
"""

import ctypes
import json
import os
import platform
import resource
import signal
import struct
import sys
import traceback
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

from shadow.compare import promptfoo

Score = Callable[[dict[str, Any], dict[str, Any], dict[str, Any]], Any]

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _FILTER = 1, 22, 38, 2
_ALLOW, _DENY = 0x7FFF0000, 0x00050000 | 13
"""SECCOMP_RET_ALLOW; SECCOMP_RET_ERRNO with EACCES."""
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_OTHER_ABI = 0x40000000
_MACHINES = {
    "x86_64": (0xC000003E, (41, 425, 101, 310, 311)),
    "aarch64": (0xC00000B7, (198, 425, 117, 270, 271)),
}
"""AUDIT_ARCH of each, and its numbers of socket, io_uring_setup, ptrace, process_vm_readv and process_vm_writev."""
_FILE_BYTES = 64 * 1024 * 1024


def main() -> int:
    """Serve until standard input ends."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    start = json.loads(sys.stdin.buffer.readline())
    limits = start["limits"]
    bound(limits)
    has_network = not take_network()
    try:
        score = load(start["what"])
    except BaseException as error:  # noqa: BLE001 -- a user's own code: whatever it raises is told, and nothing else
        say(replies, {"problem": f"{where(error)}: {error}", "has_network": has_network})
        return 1
    say(replies, {"has_network": has_network})
    for line in sys.stdin.buffer:
        allow_cpu(limits["cpu_s"])
        asked = json.loads(line)
        say(replies, {"number": asked["number"], **answer(score, asked)})
    return 0


def answer(score: Score, asked: dict[str, Any]) -> dict[str, Any]:
    """What the user's function gives for a pair, or where it failed."""
    try:
        q = score(asked["request"], asked["baseline"], asked["candidate"])
        is_score = isinstance(q, (int, float)) and not isinstance(q, bool) and -1 <= q <= 1
        return {"q": float(q) if is_score else None}
    except MemoryError:
        os._exit(1)  # what is left of it is of no use: it starts again
    except BaseException as error:  # noqa: BLE001 -- a user's own code: whatever it raises is an abstention
        return {"error": where(error)}


def say(replies: BinaryIO, reply: dict[str, Any]) -> None:
    """Write one line for the shadow."""
    replies.write(json.dumps(reply).encode() + b"\n")
    replies.flush()


def where(error: BaseException) -> str:
    """What was raised and where; never its words, which may be of a prompt."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__}, {Path(frames[-1].filename).name}:{frames[-1].lineno}"


def load(what: dict[str, Any]) -> Score:
    """The user's function, from the folder this process runs in.

    Raises:
        Exception: whatever the user's code raises; ValueError where it is not there.
    """
    if "promptfoo" in what:
        return promptfoo.scorer(promptfoo.Checks.of(what["promptfoo"]), function)
    return function(what["ref"])


def function(ref: str) -> Any:
    """`file.py:function`.

    Raises:
        ValueError: it lies elsewhere, or is none.
    """
    file, _, name = ref.partition(":")
    path = Path(file).resolve()
    if not path.is_relative_to(Path.cwd().resolve()):
        raise ValueError("outside of the policies' folder")
    found = getattr(module(path), name, None)
    if not callable(found):
        raise ValueError("no such function")  # noqa: TRY004 -- of a file, not of an argument
    return found


def module(path: Path) -> ModuleType:
    """A user's file, run; what lies beside it can be imported.

    Raises:
        Exception: whatever it raises.
    """
    spec = spec_from_file_location(f"scorer_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ValueError("no Python file")
    sys.path.insert(0, str(path.parent))
    made = module_from_spec(spec)
    sys.modules[spec.name] = made
    spec.loader.exec_module(made)
    return made


def bound(limits: dict[str, int]) -> None:
    """Limit memory, files and CPU time of this process, and end it when the shadow ends."""
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, limits["memory_bytes"]),
        (resource.RLIMIT_DATA, limits["memory_bytes"]),  # the shadow's own bound is another
        (resource.RLIMIT_NOFILE, limits["files"]),
        (resource.RLIMIT_FSIZE, _FILE_BYTES),
    ):
        _, hard = resource.getrlimit(kind)
        top = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (top, top))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def allow_cpu(seconds: int) -> None:
    """Allow this much more CPU time from now on; the kernel kills a process that takes more."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + seconds + 1, hard))


def take_network() -> bool:
    """Forbid this process, and all it starts, to make sockets or to look into other processes. False: it stays.

    Source: seccomp(2), `SECCOMP_MODE_FILTER`; needs no privilege.
    """
    known = _MACHINES.get(platform.machine()) if sys.platform == "linux" else None
    if known is None:
        return False
    machine, numbers = known
    checks = [(_EQUAL, number) for number in numbers]
    if machine == 0xC000003E:
        checks.append((_AT_LEAST, _OTHER_ABI))
    program = [(_LOAD, 0, 0, 4), (_EQUAL, 0, len(checks) + 2, machine), (_LOAD, 0, 0, 0)]
    program += [(how, len(checks) - at, 0, number) for at, (how, number) in enumerate(checks)]
    program += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _DENY)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in program))
    filters = ctypes.create_string_buffer(struct.pack("HP", len(program), ctypes.addressof(code)))
    prctl = ctypes.CDLL(None).prctl
    is_bound = prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    return is_bound and prctl(_PR_SET_SECCOMP, _FILTER, filters, 0, 0) == 0


if __name__ == "__main__":
    sys.exit(main())
