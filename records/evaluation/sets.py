"""The registry of evaluation sets: `evals/<name>/` in the data directory.

    evals/<name>/set.json     name, route, where it came from, SHA-256 of the rows, hash of every prompt
    evals/<name>/rows.jsonl   the rows, one per line
    evals/<name>/runs.jsonl   what each run found, oldest first

Rules:
1. A set is written whole or not at all, and its rows never change: another content is another set. Scores over time
   are then scores of the same questions.
2. Equal rows stand in it once.
3. `prompt_hashes` are those of the records (`Record.prompt_hash`): whoever builds a dataset leaves out, or refuses,
   every exchange that has one of them.
"""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec

from records import durable
from records.prompt_dates import SYSTEM_ROLES
from records.request_facts import read_question
from records.wire.assemble import surface_of

FOLDER = "evals"
"""In the data directory."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SET, _ROWS, _RUNS = "set.json", "rows.jsonl", "runs.jsonl"
CHAT = "/v1/chat/completions"


class EvalSetError(ValueError):
    """A set cannot be made or read; the message says why and what to do."""


class EvalRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """One question."""

    request: dict[str, Any]
    """The request's body; without a model each variant answers with its own."""
    expected: str | None = None
    """A good answer's text, JSON where the answer is JSON; None: unlabelled, variants are held against each other."""
    path: str = CHAT
    source: str = ""
    """Where it came from: `file:line`, or the exchange's id."""
    prompt_hash: str = ""
    """As the records have it; empty until it is registered."""

    @property
    def id(self) -> str:
        """16 hex digits, equal for equal questions with equal labels."""
        data = msgspec.json.encode((self.path, self.request, self.expected), order="deterministic")
        return hashlib.sha256(data).hexdigest()[:16]


class EvalSet(msgspec.Struct, frozen=True):
    """A registered set, without its rows."""

    name: str
    route: str
    """Whose questions they are: its policy says how answers are compared."""
    rows: int
    labelled: int
    sha256: str
    """Of the rows."""
    registered_at: float
    """Unix seconds."""
    source: str
    prompt_hashes: tuple[str, ...]
    questions: str = ""
    """SHA-256 of what is asked and expected, system prompts left out: sets that have it in common differ in nothing
    else, and their scores can be compared. Empty: of a set that was registered before it was kept."""


class EvalScore(msgspec.Struct, frozen=True):
    """One variant's part of a run."""

    variant: str
    """`baseline`, `candidate`, or `UPSTREAM:MODEL`."""
    rows: int
    """That were scored."""
    failed: int
    """Answers that were none."""
    mean: float | None
    """Score, 1 as good as the label; of an unlabelled set, less the first variant's. None: nothing was scored."""
    sd: float | None
    cost_usd: float | None
    """Of all its answers, cached ones as they cost then; None: no price is known."""


class EvalRun(msgspec.Struct, frozen=True):
    """One finished run."""

    at: float
    """Unix seconds."""
    route: str
    sha256: str
    """Of the set's rows then."""
    metric: str
    scores: tuple[EvalScore, ...]


def check(about: EvalSet, rows: Sequence[EvalRow]) -> None:
    """Refuse what can be no set, wherever it would be kept: before a folder is made for it.

    Raises:
        EvalSetError: the name is none, or there are no rows.
    """
    if not _NAME.fullmatch(about.name):
        raise EvalSetError(f"{about.name!r} is no name. hint: letters, digits, dot, dash and underscore; 64 at most")
    if not rows:
        raise EvalSetError(
            f"{about.source}: there is no row in it. hint: see what `crossfade eval add --help` says of files"
        )


def register(data: Path, made: Iterable[EvalRow], about: EvalSet, pepper: bytes) -> EvalSet:
    """Write a set; `about` has its name, route, source and moment. Registering the same again changes nothing.

    Raises:
        EvalSetError: the name is none, is taken by other rows, or there are no rows.
        OSError: the disk refused.
    """
    rows = list({row.id: _hashed(row, pepper) for row in made}.values())
    check(about, rows)
    text = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    found = msgspec.structs.replace(
        about,
        rows=len(rows),
        labelled=sum(row.expected is not None for row in rows),
        sha256=hashlib.sha256(text).hexdigest(),
        prompt_hashes=tuple(sorted({row.prompt_hash for row in rows if row.prompt_hash})),
        questions=_questions(rows),
    )
    folder = data / FOLDER / about.name
    if (folder / _SET).exists():
        before = read(data, about.name)
        if (before.sha256, before.route) != (found.sha256, found.route):
            raise EvalSetError(
                f"{about.name} is taken by {before.rows} other rows of {before.route}. hint: give it another name; a "
                "set's rows never change, so that its scores can be compared"
            )
        return before
    _write(folder, text, msgspec.json.encode(found))
    return found


def _questions(rows: Iterable[EvalRow]) -> str:
    """What `EvalSet.questions` says: the order of rows, the model that is asked and the system prompt do not matter."""
    asked = sorted(
        msgspec.json.encode((row.path, _unprompted(row.request), row.expected), order="deterministic") for row in rows
    )
    return hashlib.sha256(b"\n".join(asked)).hexdigest()


def _unprompted(request: dict[str, Any]) -> dict[str, Any]:
    """A request without its system prompt and its model."""
    kept = {name: value for name, value in request.items() if name not in ("model", "instructions")}
    for name in kept.keys() & {"messages", "input"}:
        turns: Any = kept[name]
        if isinstance(turns, list):
            kept[name] = [turn for turn in cast("list[Any]", turns) if not _is_system(turn)]
    return kept


def _is_system(turn: object) -> bool:
    return isinstance(turn, dict) and cast("dict[str, Any]", turn).get("role") in SYSTEM_ROLES


def _hashed(row: EvalRow, pepper: bytes) -> EvalRow:
    if row.prompt_hash:
        return row
    asked = read_question(surface_of(row.path), msgspec.json.encode(row.request), "", pepper)
    return msgspec.structs.replace(row, prompt_hash=asked.prompt_hash)


def _write(folder: Path, rows: bytes, about: bytes) -> None:
    """All of it appears at once."""
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for name, content in ((_ROWS, rows), (_SET, about)):
            (fresh / name).write_bytes(content)
        durable.place(fresh, folder)
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def read(data: Path, name: str) -> EvalSet:
    """The set of that name.

    Raises:
        EvalSetError: there is none, or it is damaged.
    """
    path = data / FOLDER / name / _SET
    if not _NAME.fullmatch(name) or not path.is_file():
        known = ", ".join(each.name for each in registered(data)) or "none yet: `crossfade eval add` registers one"
        raise EvalSetError(f"no evaluation set is called {name!r}. hint: there are {known}")
    try:
        return msgspec.json.decode(path.read_bytes(), type=EvalSet)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise EvalSetError(f"{path} is damaged: {error}. hint: remove its folder, and register it again") from error


def registered(data: Path) -> list[EvalSet]:
    """All sets, by name.

    Raises:
        EvalSetError: one is damaged.
    """
    return [read(data, path.parent.name) for path in sorted((data / FOLDER).glob(f"[!.]*/{_SET}"))]


def rows_file(data: Path, name: str) -> Path:
    """Where a set's rows stand: what `dataset build --against` reads."""
    return data / FOLDER / name / _ROWS


def rows_of(data: Path, about: EvalSet) -> Iterator[EvalRow]:
    """Its rows.

    Raises:
        EvalSetError: they are not those that were registered.
    """
    path = rows_file(data, about.name)
    text = path.read_bytes()
    if hashlib.sha256(text).hexdigest() != about.sha256:
        raise EvalSetError(f"{path} is not what was registered. hint: remove its folder, and register it again")
    yield from (msgspec.json.decode(line, type=EvalRow) for line in text.splitlines())


def add_run(data: Path, name: str, run: EvalRun) -> None:
    """Keep what a run found.

    Raises:
        OSError: the disk refused.
    """
    fd = os.open(data / FOLDER / name / _RUNS, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, msgspec.json.encode(run) + b"\n")
        os.fsync(fd)
    finally:
        os.close(fd)


def runs_of(data: Path, name: str) -> list[EvalRun]:
    """What its runs found, oldest first; a line that a crash cut off is no run."""
    try:
        lines = (data / FOLDER / name / _RUNS).read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    found: list[EvalRun] = []
    for line in lines:
        try:
            found.append(msgspec.json.decode(line, type=EvalRun))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
    return found
