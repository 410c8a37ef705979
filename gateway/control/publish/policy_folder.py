"""The folder of policy files, watched: what loads is in force, and what does not leaves the last good version there."""

import errno
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.config.policies_home import SUFFIXES
from gateway.control.publish.policy_terms import PolicyTerms
from gateway.node.database import writing
from policies.routing import Route
from records.named_file import require_file

MAX_BYTES = 1024 * 1024


class PolicyTextError(Exception):
    """A policy file does not load; each line of the message names file, line and column."""


@dataclass(frozen=True, slots=True)
class CompiledContender:
    """One of several candidates: its route, with it as the candidate, and its terms."""

    route: Route
    terms: PolicyTerms


@dataclass(frozen=True, slots=True)
class Compiled:
    """What a policy file says to the data plane."""

    priority: int
    route: Route
    warnings: tuple[str, ...] = ()
    """What is worth a second look; it keeps nothing from loading."""
    terms: PolicyTerms | None = None
    """What it says to the controller; None: only a route (tests)."""
    votes_window_s: float | None = None
    """How far back votes are compared for people to look at; None: they are not."""
    contenders: tuple[CompiledContender, ...] = ()
    """One for each of several candidates, of which `route` and `terms` are the first; none: there is one."""

    @property
    def parts(self) -> tuple[tuple[Route, PolicyTerms | None], ...]:
        """What each candidate's rollout makes of the route."""
        return tuple((contender.route, contender.terms) for contender in self.contenders) or ((self.route, self.terms),)


Compile = Callable[[str, str], Compiled]
"""(text, file name) -> what it says, or PolicyTextError."""


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """One file, as it stands."""

    name: str
    compiled: Compiled | None
    """What is in force; None: it has never loaded."""
    error: str | None
    """Why its present text does not load."""


_Stamp = tuple[int, int, int]
_AWAY: _Stamp = (0, 0, 0)
"""Of a link whose file is not there."""


@dataclass(slots=True)
class PolicyFolder:
    """The policy files of one folder."""

    folder: Path
    compile: Compile
    good: dict[str, str] = field(default_factory=dict[str, str])
    """The last text that loaded, by file name: taken up from the state, so that a restart does not forget it."""
    files: tuple[PolicyFile, ...] = ()
    _stamps: dict[str, _Stamp] = field(default_factory=dict[str, _Stamp], init=False)
    _was_read: bool = field(default=False, init=False)
    _away: str = field(default="", init=False)
    """Why the folder cannot be read; empty: it can."""
    _device: int = field(default=0, init=False)
    """Where its files were last seen."""

    def read(self) -> bool:
        """Look at the folder again. Returns whether anything in it changed.

        A folder that is away takes no route away: what was in force is, until the folder is there and says otherwise.
        """
        try:
            stamps = self._look()
        except OSError as error:
            return self._stand_in(error)
        self._away = ""
        if self._was_read and stamps == self._stamps:
            return False
        self._stamps, self._was_read = stamps, True
        self.good = {name: text for name, text in self.good.items() if name in stamps}
        self.files = tuple(self._load(name) for name in sorted(stamps))
        return True

    def routes(self) -> tuple[Route, ...]:
        """The routes in force, in matching order: priority first, then file name."""
        return tuple(compiled.route for compiled in self._ordered())

    def terms(self) -> dict[str, PolicyTerms]:
        """What the routes in force say to the controller, by rollout; of two files with one route, the first's."""
        return {terms.name: terms for parts in self.parts() for _, terms in parts if terms is not None}

    def parts(self) -> list[tuple[tuple[Route, PolicyTerms | None], ...]]:
        """What each route in force is made of, in matching order: a part for each of its candidates."""
        found: dict[str, Compiled] = {}
        for compiled in self._ordered():
            found.setdefault(compiled.route.name, compiled)
        return [compiled.parts for compiled in found.values()]

    def errors(self) -> list[str]:
        """What does not load, and why."""
        return [file.error for file in self.files if file.error is not None]

    def warnings(self) -> list[str]:
        """What is worth a second look in what is in force."""
        return [text for file in self.files if file.compiled is not None for text in file.compiled.warnings]

    def _ordered(self) -> list[Compiled]:
        found = [(file.compiled, file.name) for file in self.files if file.compiled is not None]
        found.sort(key=lambda pair: (-pair[0].priority, pair[1]))
        return [compiled for compiled, _ in found]

    def _look(self) -> dict[str, _Stamp]:
        """Each file's stamp.

        Raises:
            OSError: the folder is not there, cannot be read, or is the empty place where another one was mounted.
        """
        device = self.folder.stat().st_dev
        paths = [path for path in self.folder.iterdir() if path.suffix in SUFFIXES and not path.name.startswith(".")]
        if not paths and self._stamps and device != self._device:
            raise FileNotFoundError(errno.ENOENT, "what was mounted there is gone")
        self._device = device
        stamps: dict[str, _Stamp] = {}
        for path in paths:
            try:
                stat = path.stat()
            except FileNotFoundError:
                if path.is_symlink():  # the file stands elsewhere, and there is away: as a folder that is
                    stamps[path.name] = _AWAY
                continue  # taken away between the listing and the look
            stamps[path.name] = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        return stamps

    def _stand_in(self, error: OSError) -> bool:
        """Go on with what was in force while the folder is away. Returns whether anybody has to be told."""
        reason, was_read = error.strerror or type(error).__name__, self._was_read
        if was_read and self._away == reason:
            return False
        self._away, self._was_read, self._stamps = reason, True, {}
        said = f"{self.folder}: {reason}. hint: bring the folder back; to end a route, remove its file from the folder"
        self.files = tuple(PolicyFile(name, self._still(name, self.good[name]), said) for name in sorted(self.good))
        return True

    def _load(self, name: str) -> PolicyFile:
        try:
            text = self._text(name)
            compiled = self.compile(text, name)
        except PolicyTextError as error:
            good = self.good.get(name)
            return PolicyFile(name, self._still(name, good) if good is not None else None, str(error))
        self.good[name] = text
        return PolicyFile(name, compiled, None)

    def _text(self, name: str) -> str:
        try:
            require_file(self.folder / name)
            with (self.folder / name).open("rb") as file:
                data = file.read(MAX_BYTES + 1)
            text = data.decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PolicyTextError(f"{name}: {error}. hint: a policy is a readable file in UTF-8") from error
        if len(data) > MAX_BYTES:
            raise PolicyTextError(f"{name}: longer than {MAX_BYTES} bytes. hint: one file is one migration")
        return text

    def _still(self, name: str, text: str) -> Compiled | None:
        try:
            return self.compile(text, name)
        except PolicyTextError:
            return None  # it was good for another version of Crossfade, or with another settings file


def load_good(connection: sqlite3.Connection) -> dict[str, str]:
    """The last texts that loaded, as an earlier controller kept them."""
    return dict(connection.execute("SELECT file, text FROM policies").fetchall())


def keep_good(connection: sqlite3.Connection, good: dict[str, str], now: float) -> None:
    """Keep the last texts that loaded."""
    with writing(connection):
        connection.execute("DELETE FROM policies")
        rows = [(name, text, now) for name, text in good.items()]
        connection.executemany("INSERT INTO policies (file, text, loaded_at) VALUES (?, ?, ?)", rows)
