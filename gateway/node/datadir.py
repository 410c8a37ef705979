"""The data directory: where everything lies that Crossfade keeps, and how its files are made and replaced.

crossfade-data/
  FORMAT         which versions may read this directory
  routing.json   the routing table
  KILL           if present: baseline only, at once
  journal.key    seals the journal's segments     pepper   keys are kept as HMACs under it
  journal/  records/  state.db  evals/
  readers/       how far the shadow, the controller and the exporter have read the journal
  run/           files of the processes that run now; nothing here outlives a start
"""

import contextlib
import errno
import fcntl
import json
import os
import secrets
import stat
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from records.durable import replace
from records.named_file import require_file

FORMAT = 1
"""What this version writes."""
READABLE_BY = 1
"""The oldest format a version must know to read what this one writes."""
SECRET_BYTES = 32
LOCK_TRIES = 5
SOCKETS_PATH_BYTES = 70
"""Longest path of a directory of sockets: a socket's own path is bounded to about a hundred bytes."""
LOCK_PAUSE_S = 0.02
FOREIGN_HINT = "name an empty folder, or one that is not there yet, as `data` in the settings or by --data"
"""What to do where a data directory is to be made in somebody's folder, which would then be closed to all others."""
_HELD = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES})
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


_OURS = frozenset({
    "FORMAT", "KILL", "KILL.spare", "evals", "evidence", "forgotten.json", "journal", "journal.key", "lock", "pepper",
    "policies", "readers", "records", "replays", "routing.json", "run", "state.backup", "state.db", "state.key",
    "lost+found",
})  # fmt: skip
"""What may lie in a data directory before its first start: of an earlier start that was cut off, of an operator, and of
the file system itself."""


class DataDirError(Exception):
    """The data directory cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class DataDir:
    """Paths under one data directory."""

    root: Path

    @property
    def format(self) -> Path:
        """Which versions may read this directory."""
        return self.root / "FORMAT"

    @property
    def is_one(self) -> bool:
        """Whether something of ours lies there: it was made by a gateway, an import or a fetch, or copied from one."""
        ours = (self.format, self.state, self.routing)
        return any(path.exists() for path in ours) or any(self.records.glob("*/date=*"))

    @property
    def foreign(self) -> str:
        """The name of something that lies there and is not ours, where nothing says that the directory is; else empty.

        Keys and policies may have been put there before the first start, and a fresh volume holds what its maker needs.

        Raises:
            OSError: it cannot be looked into.
        """
        if self.is_one or not self.root.exists():
            return ""
        names = sorted(path.name for path in self.root.iterdir())
        return next((name for name in names if name not in _OURS and not name.startswith((".", "crossfade"))), "")

    @property
    def routing(self) -> Path:
        """The routing table."""
        return self.root / "routing.json"

    @property
    def kill(self) -> Path:
        """The kill file."""
        return self.root / "KILL"

    @property
    def kill_spare(self) -> Path:
        """What becomes the kill file where the disk has no place for another file."""
        return self.root / "KILL.spare"

    @property
    def journal(self) -> Path:
        """The journals of all workers."""
        return self.root / "journal"

    @property
    def readers(self) -> Path:
        """How far others than the recorder have read the journals."""
        return self.root / "readers"

    @property
    def records(self) -> Path:
        """What was recorded."""
        return self.root / "records"

    @property
    def evals(self) -> Path:
        """Evaluation sets, and what variants answered to them."""
        return self.root / "evals"

    @property
    def state(self) -> Path:
        """Keys, audit and the policies last read whole."""
        return self.root / "state.db"

    @property
    def run(self) -> Path:
        """Files of the processes that run now."""
        return self.root / "run"

    @property
    def lock(self) -> Path:
        """Held by the supervisor that serves from here."""
        return self.root / "lock"

    @property
    def supervisor_status(self) -> Path:
        """What the supervisor says of itself."""
        return self.run / "supervisor.json"

    @property
    def controller_status(self) -> Path:
        """What the controller says of the policies."""
        return self.run / "controller.json"

    @property
    def shadow_plan(self) -> Path:
        """What the controller tells the shadow."""
        return self.run / "shadow.json"

    @property
    def gpu(self) -> Path:
        """What an answer of servers that are paid by the hour costs of late."""
        return self.run / "gpu.json"

    @property
    def warm(self) -> Path:
        """How many replicas of servers that have to be warm answer the shadow."""
        return self.run / "warm.json"

    def live(self, worker: str) -> Path:
        """A worker's live counters."""
        return self.run / f"{worker}.live"

    def exposition(self, process: str) -> Path:
        """A process's part of `/metrics`."""
        return self.run / f"{process}.prom"


def prepare(root: Path) -> DataDir:
    """Make the directory, or check that this version may use the one that is there.

    Raises:
        DataDirError: of a newer format, not ours to write, or somebody's folder of something else.
    """
    data = DataDir(root)
    try:
        if foreign := data.foreign:
            raise DataDirError(
                f"{root} is no data directory: it holds {foreign!r}, which is not Crossfade's; nothing was changed. "
                f"hint: {FOREIGN_HINT}"
            )
        for path in (data.root, data.journal, data.records, data.evals, data.readers, data.run):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if data.root.stat().st_uid == os.geteuid():  # a volume may belong to somebody else: `doctor` speaks of it
            data.root.chmod(0o700)
        _check_format(data.format)
        with contextlib.suppress(OSError):
            data.kill_spare.touch(0o600)
    except OSError as error:
        hint = "name a directory this user may write, as `data` in the settings"
        if error.errno == errno.EROFS:
            hint = f"let its file system be written again (`dmesg` may say why it is read-only), or {hint}"
        raise DataDirError(f"{root}: {error.strerror or error}. hint: {hint}") from error
    return data


def _check_format(path: Path) -> None:
    try:
        found = json.loads(path.read_bytes())
        readable_by = int(found["readable_by"])
    except FileNotFoundError:
        replace(path, json.dumps({"format": FORMAT, "readable_by": READABLE_BY}).encode() + b"\n")
        return
    except (ValueError, KeyError, TypeError) as error:
        raise DataDirError(
            f"{path} says nothing this version understands. hint: restore the file, or use another directory"
        ) from error
    if readable_by > FORMAT:
        raise DataDirError(
            f"{path.parent} was written by a newer version (readable from format {readable_by} on, this version knows "
            f"{FORMAT}). hint: run that version, or use another directory"
        )


@contextlib.contextmanager
def held(data: DataDir) -> Generator[None]:
    """The directory is ours alone while this lasts; the kernel lets go of it if we die.

    Both it and its file `lock` are locked: whoever takes the file for a stale one and removes it lets nobody else in.

    Raises:
        DataDirError: another supervisor holds it, or `lock` is no file.
    """
    with contextlib.ExitStack() as stack:
        try:
            fd = os.open(data.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except IsADirectoryError as error:
            raise DataDirError(f"{data.lock} is a directory. hint: remove it") from error
        stack.callback(os.close, fd)
        directory = os.open(data.root, _DIRECTORY)
        stack.callback(os.close, directory)
        try:
            _lock(fd)
            _lock(directory)
        except OSError as error:
            holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise DataDirError(
                f"another Crossfade (pid {holder}) serves from {data.root}. hint: stop it, or give this one another "
                "directory (`data` in the settings)"
            ) from error
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        yield


def _lock(fd: int) -> None:
    """Take the lock; who only looks whether it is held (`is_held`) has it for an instant, so one refusal is none.

    Raises:
        OSError: somebody holds it.
    """
    for _ in range(LOCK_TRIES - 1):
        if not _refused(fd, fcntl.LOCK_EX):
            return
        time.sleep(LOCK_PAUSE_S)  # at start, before any loop runs
    if _refused(fd, fcntl.LOCK_EX):
        raise BlockingIOError


def _refused(fd: int, how: int) -> bool:
    """Whether somebody else has a lock that keeps us from this one. Where directories take none, none is missed."""
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in _HELD or not stat.S_ISDIR(os.fstat(fd).st_mode)
    return False


def is_held(data: DataDir) -> bool:
    """Whether a supervisor serves from here."""
    return _is_held(data.lock, os.O_RDWR | os.O_CLOEXEC) or _is_held(data.root, _DIRECTORY)


def _is_held(path: Path, flags: int) -> bool:
    try:
        fd = os.open(path, flags)
    except OSError:
        return False
    try:
        return _refused(fd, fcntl.LOCK_SH)
    finally:
        os.close(fd)


def clear_run(data: DataDir) -> None:
    """Remove what an earlier start left in `run/`. Only for the holder of the directory."""
    for path in data.run.iterdir():
        with contextlib.suppress(IsADirectoryError, PermissionError):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def sockets(data: DataDir) -> Generator[Path]:
    """A directory for Unix sockets, for this user only: `run/`, or a temporary one if that path is too long."""
    if len(bytes(data.run.absolute())) <= SOCKETS_PATH_BYTES:
        yield data.run.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="crossfade-") as name:
        yield Path(name)


def secret(path: Path) -> bytes:
    """The 32 bytes whose hex stands in `path`; made there, for this user only, if there is nothing yet.

    Raises:
        DataDirError: it cannot be read or made, or holds something else.
    """
    try:
        if not path.exists():
            _make_secret(path, secrets.token_bytes(SECRET_BYTES))
        require_file(path)
        content = path.read_bytes().strip()
    except OSError as error:
        raise DataDirError(f"{path}: {error.strerror or error}. hint: let this user read it") from error
    try:
        found = bytes.fromhex(content.decode("ascii"))
    except ValueError:
        found = b""
    if len(found) != SECRET_BYTES:
        raise DataDirError(
            f"{path} does not hold {SECRET_BYTES} bytes as hex. hint: `openssl rand -hex 32` makes such a file"
        )
    return found


def keep_secret(path: Path, content: bytes) -> None:
    """Make a secret's file, unless there is one.

    Raises:
        DataDirError: it cannot be made.
    """
    try:
        _make_secret(path, content)
    except OSError as error:
        raise DataDirError(f"{path}: {error.strerror or error}. hint: let this user write there") from error


def _make_secret(path: Path, content: bytes) -> None:
    """Make it whole under another name, and link it: of two that make it at once, one wins and both read that.

    Raises:
        OSError: it cannot be made.
    """
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    replace(fresh, content.hex().encode() + b"\n")
    try:
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
    finally:
        fresh.unlink()
