"""A user's own scorer, in a process of its own: whatever it does, a pair gets a score or an abstention.

The process has no secret in its environment, no network where the kernel lets us take it away, and bounds on memory,
files and processor time. It is killed when it is late, and started again when it is next needed.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from records.named_file import read_named, require_file
from shadow.compare import promptfoo, python, schema
from shadow.compare.pair import Pair, Score

Why = Literal["start", "busy", "timeout", "crash", "junk", "error", "no_score", "too_large", "closed"]
"""Why there is no verdict: it does not start; too many wait; it was late; it died; it wrote no reply of ours; it
raised; it gave no number from -1 to 1; the pair is larger than a line may be; its policy was changed meanwhile."""
_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONDONTWRITEBYTECODE": "1",
    "OPENBLAS_NUM_THREADS": "1",  # each thread reserves memory that would count
    "OMP_NUM_THREADS": "1",
}
_MOST_SKIPPED = 256
_END_S = 5.0
_MOST_CONFIG_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ScorerLimits:
    """What a scorer may use."""

    call_s: float = 10.0
    """One pair, by the clock."""
    start_s: float = 30.0
    """Importing the scorer and what it needs."""
    cpu_s: int = 10
    """One pair, of the processor."""
    memory_bytes: int = 2 * 1024**3
    """Address space."""
    files: int = 64
    waiting: int = 64
    """Pairs that wait; more are not scored."""
    line_bytes: int = 32 * 1024 * 1024
    """A pair, as it is told."""


@dataclass(slots=True)
class OwnScorer:
    """Scores pairs by a user's program: `shadow.ports.Scorer`. One at a time."""

    folder: Path
    """The policy's: the scorer's file lies in it, and the process runs in it."""
    what: Mapping[str, Any]
    """`{"ref": "file.py:function"}`, or `{"promptfoo": …}`."""
    limits: ScorerLimits = ScorerLimits()
    not_ready: Callable[[str], None] = lambda _: None
    """Told why it does not start. No text of a request or an answer."""
    abstentions: Counter[Why] = field(default_factory=Counter["Why"])
    problem: str = ""
    """Why it last did not start."""
    has_network: bool | None = None
    """Whether the kernel let its sockets be taken away; None: not started yet."""
    _process: asyncio.subprocess.Process | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Guards the process: one question, then its answer."""
    _waiting: int = 0
    _number: int = 0
    _skip: int = 0
    """Pairs to abstain on before another start is tried."""
    _skip_next: int = 0
    _is_closed: bool = False

    async def score(self, pair: Pair) -> Score:
        """The user's score, or an abstention."""
        found = await self._score(pair)
        if found.abstained:
            self.abstentions[found.told["abstained_for"]] += 1
        return found

    def close(self) -> None:
        """End the process, and all that it has started, for good. A pair that is scored or waits abstains."""
        self._is_closed = True
        self._kill()

    async def aclose(self) -> None:
        """The same, and wait until it is gone."""
        self._is_closed = True
        await self._end()

    def _kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _end(self) -> None:
        self._kill()
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(TimeoutError):  # what it has started elsewhere may hold its pipe
                async with asyncio.timeout(_END_S):
                    await process.communicate()

    async def _score(self, pair: Pair) -> Score:
        if self._waiting >= self.limits.waiting:
            return python.abstention("busy")
        self._number += 1
        number, line = self._number, python.question(pair, self._number)
        if len(line) > self.limits.line_bytes:
            return python.abstention("too_large")
        self._waiting += 1
        try:
            async with self._turn:
                return await self._ask(line, number)
        finally:
            self._waiting -= 1

    async def _ask(self, line: bytes, number: int) -> Score:
        if self._is_closed:  # another has its place: nobody would end a process that it starts now
            return python.abstention("closed")
        if self._process is None and not await self._start():
            return python.abstention("start")
        done = False
        try:
            async with asyncio.timeout(self.limits.call_s):
                reply = await self._exchange(line)
            found = python.read(reply, number) if reply.endswith(b"\n") else python.abstention("crash")
            done = found.told.get("abstained_for") not in ("crash", "junk")
        except TimeoutError:
            found = python.abstention("timeout")
        except OSError:
            found = python.abstention("crash")
        except ValueError:  # a line that does not end
            found = python.abstention("junk")
        finally:
            if not done:  # cancelled, too: what it may still say is no answer to the next question
                await self._give_up()
        self._skip_next = 0 if done else self._skip_next
        return found

    async def _exchange(self, line: bytes) -> bytes:
        """The scorer's next line; cut short if the process has ended."""
        process = self._process
        if process is None or process.stdin is None or process.stdout is None or process.stdin.is_closing():
            return b""  # it has ended, and uvloop lets nobody write to its pipe
        process.stdin.write(line)
        await process.stdin.drain()
        return await process.stdout.readline()

    async def _start(self) -> bool:
        """Start the process, unless it has failed again and again: then fewer and fewer pairs try."""
        if self._skip:
            self._skip -= 1
            return False
        try:
            self.problem = await self._begin()
        except (OSError, ValueError, TimeoutError) as error:
            self.problem = f"it does not start: {type(error).__name__}"
        if self.problem:
            self.not_ready(self.problem)
            await self._give_up()
        return not self.problem

    async def _begin(self) -> str:
        """Why it cannot score; empty: it can."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-m", "shadow.scorer_program",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # what it prints may be of a prompt
            cwd=self.folder,
            env=_ENVIRONMENT,
            start_new_session=True,  # so that all it starts ends with it
            limit=python.MAX_REPLY_BYTES,
        )  # fmt: skip
        limits = {"cpu_s": self.limits.cpu_s, "memory_bytes": self.limits.memory_bytes, "files": self.limits.files}
        async with asyncio.timeout(self.limits.start_s):
            line = await self._exchange(json.dumps({"what": self.what, "limits": limits}).encode() + b"\n")
        said = msgspec.json.decode(line, type=dict[str, Any]) if line else {"problem": "it ends at once"}
        self.has_network = said.get("has_network") is True
        return str(said.get("problem", ""))

    async def _give_up(self) -> None:
        """End a process that is of no use, and let more pairs pass each time before another is tried."""
        self._skip, self._skip_next = self._skip_next, min(max(1, 2 * self._skip_next), _MOST_SKIPPED)
        await self._end()


def unfit(comparator: str, file: str, folder: Path) -> str:
    """Why a comparator cannot use the file that its options name; empty: it can, or nobody knows until it runs."""
    try:
        if comparator == "promptfoo":
            _checks(file, folder)
        elif comparator == "schema":
            schema.make({"file": file}, lambda name: read_named(folder / name))
    except (OSError, ValueError) as error:
        return str(error)
    return ""


def own(name: str, options: Mapping[str, object], folder: Path, not_ready: Callable[[str], None]) -> OwnScorer:
    """The scorer for the policy's `python` or `promptfoo` options; `not_ready` is told why it does not start.

    Raises:
        OSError: there is no such file.
        ValueError: it holds no assertions that can be taken over.
    """
    if name == "python":
        with contextlib.suppress(FileNotFoundError):  # its own process says so, and finds it once it is there
            require_file(folder / str(options["ref"]).partition(":")[0])
        return OwnScorer(folder, {"ref": options["ref"]}, not_ready=lambda why: not_ready(f"{options['ref']}: {why}"))
    file = str(options["file"])
    checks = _checks(file, folder)
    return OwnScorer(folder, {"promptfoo": checks.plain()}, not_ready=lambda why: not_ready(f"{file}: {why}"))


def _checks(file: str, folder: Path) -> promptfoo.Checks:
    text = read_named(folder / file)
    try:
        tree: Any = yaml.safe_load(text) if len(text) <= _MOST_CONFIG_BYTES else None
    except yaml.YAMLError as error:
        raise ValueError(f"{file}: no YAML. hint: a promptfoo configuration, in YAML or JSON") from error
    return promptfoo.read(tree, file)
