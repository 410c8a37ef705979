"""The recorder, a process of its own: follows the journals, and writes what happened into the records, exactly once.

One commit, in this order; a crash between any two steps loses nothing and repeats nothing:
1. rows are staged: written under hidden names and synced;
2. `records/progress.json` is replaced: it says how far the journals are recorded, which staged files belong to that,
   and what all of it adds up to. This is the commit;
3. the staged files are renamed to where they are seen;
4. segments that are recorded are removed.
Whoever starts finishes step 3 of the last commit, removes what was staged and not committed, and reads on from there.

Longer than a file should be: what is gathered, the order of the commit and what a start finds of it are one proof.
"""

import fcntl
import os
import secrets
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import duckdb
import msgspec

from gateway import clock
from gateway.control.journals.cursors import needed_from
from gateway.control.journals.follower import Journals
from gateway.control.journals.tail import Progress
from gateway.control.prices import usd_per_answer_text
from gateway.control.recorder import retirements
from gateway.control.recorder.boot import RecorderBoot
from gateway.control.recorder.gpu_ledger import GpuLedger
from gateway.control.recorder.inputs import RecorderInputs
from gateway.control.recorder.sifter import Sifter
from gateway.control.recorder.tally import Tally, expose
from gateway.control.recorder.vote_tally import VoteTally
from gateway.log import Log
from gateway.node.plain_error import disk_hint, plain
from gateway.process import read_boot, say_ready, stop_asked
from gateway.telemetry.metrics import PREFIX, Sample, render
from records.comparison import Comparison
from records.durable import DAMAGE_HINT, replace
from records.exchange import Exchange, FeedbackFrame, Gap, Note
from records.feedback import last_of_each
from records.gpu_hours import GpuAccount
from records.journal.reader import Found
from records.parquet import COMPARISONS, EXCHANGES, FEEDBACK, GPU_HOURS, NOTED
from records.record import Record, Vote
from records.record_maker import bare
from records.store import PROGRESS, FileChange, Store

POLL_S = 0.1
BATCH_S = 0.5
"""Longest that what was found waits to be written."""
BATCH_BYTES = 16 * 1024 * 1024
"""Of frames: about what a batch takes of memory."""
POSITION_S = 5.0
"""How often progress is written down where there is nothing to write."""
EXPOSE_S = 1.0
GPU_S = 60.0
"""How often it tells what an answer of servers that are paid by the hour costs."""
MERGE_S = 5.0
REMOVE_S = 5.0
"""How often segments are looked at that others held when they were recorded."""
FORGET_S = 5.0
"""How often it is looked whether a forgetting was cut off."""
EXPIRE_S = 600.0
RETRY_S = 1.0
"""Pause after the disk refused."""
STOP_S = 5.0
"""Longest that a recorder told to stop goes on reading."""
KNOWN_S = 2 * 24 * 3600.0
"""How far back ids are compared where the progress file is gone; the journal keeps an hour."""


class RecorderProgress(msgspec.Struct):
    """What a commit writes down: `records/progress.json`."""

    epoch: str
    """Of the file: names of another's files are never taken again."""
    commits: int = 0
    workers: dict[str, Progress] = {}
    changes: tuple[FileChange, ...] = ()
    """To be published before anything else."""
    tally: Tally = msgspec.field(default_factory=Tally)
    gpu: dict[str, GpuAccount] = {}
    """Upstreams that are paid by the hour."""
    retiring: dict[str, str] = {}
    """Model -> the day on which it is turned off, as providers' lists of models said."""
    format: int = 1


@dataclass(slots=True)
class Recorder:
    """One step at a time: `step` reads a batch and commits it when it is due."""

    boot: RecorderBoot
    log: Log
    store: Store = field(init=False)
    journals: Journals = field(init=False)
    state: RecorderProgress = field(init=False)
    _rows: list[Record] = field(default_factory=list[Record], init=False)
    _votes: list[Vote] = field(default_factory=list[Vote], init=False)
    _noted: dict[str, list[msgspec.Struct]] = field(default_factory=dict[str, list[msgspec.Struct]], init=False)
    """Rows of the control plane, by table."""
    _bytes: int = field(default=0, init=False)
    _oldest: float | None = field(default=None, init=False)
    """When the first of what is not yet written was found."""
    _known: set[str] = field(default_factory=set[str], init=False)
    """Ids that are recorded although the progress file does not say so: it was lost."""
    _due: dict[str, float] = field(default_factory=dict[str, float], init=False)
    _inputs: RecorderInputs = field(init=False)
    _sifter: Sifter = field(init=False)
    _ballot: VoteTally = field(init=False)
    _gpu: GpuLedger = field(init=False)
    _exposed: str = field(default="", init=False)
    """The tally's text as of the last commit: what a crash cannot take back."""
    _is_published: bool = field(default=False, init=False)
    _alone: int = field(default=-1, init=False)

    def __post_init__(self) -> None:
        self.store = Store(Path(self.boot.records), self._tell_of_damage)
        self._inputs = RecorderInputs(self.boot)
        self._sifter = Sifter(self.store, self.log)
        self._ballot = VoteTally(self.store, self.log)
        self._gpu = GpuLedger(self.boot.hourly)

    @property
    def _progress_path(self) -> Path:
        return self.store.root / PROGRESS

    def begin(self, now: float) -> None:
        """Take up where an earlier recorder stopped. `now`: Unix seconds.

        Raises:
            OSError, duckdb.Error: the disk refuses; the supervisor starts us again.
        """
        self._be_alone()
        with self.store.held():
            self.state = self._load(now)
            self._gpu.begin(self.state.gpu, self.state.tally, now)
            self._publish()
            self.store.clean()
            for left in self.store.root.glob(f".{self._progress_path.name}.*"):
                left.unlink()
        self.journals = Journals(
            Path(self.boot.journal),
            bytes.fromhex(self.boot.journal_key),
            self.state.workers,
            needed=partial(needed_from, Path(self.boot.readers)),
        )
        self._exposed = expose(self.state.tally)
        self._read_routing()

    def _be_alone(self) -> None:
        """Refuse to record beside another recorder; the kernel lets go of it if we die.

        Raises:
            OSError: there is one.
        """
        self.store.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._alone = os.open(self.store.root / ".recorder", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._alone, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def close(self) -> None:
        """Let another record."""
        os.close(self._alone)

    def _load(self, now: float) -> RecorderProgress:
        try:
            return msgspec.json.decode(self._progress_path.read_bytes(), type=RecorderProgress)
        except FileNotFoundError:
            pass
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self.log.alarm("recorder.progress_damaged", hint="it is made anew; ids of the last two days are compared")
            self._progress_path.rename(self._progress_path.with_suffix(".damaged"))
        self._known = self.store.recent_ids(int((now - KNOWN_S) * 1_000_000))
        return RecorderProgress(secrets.token_hex(4))

    # One step -----------------------------------------------------------------------------------------------------

    def step(self, now: float) -> bool:
        """Read, and write what is due. Returns whether there was anything. `now`: Unix seconds."""
        found = self.journals.poll(now, BATCH_BYTES - self._bytes)
        if found:
            self._read_routing()  # behind the journals: the table that they were served from is there, with its prices
        for one in found:
            self._take(one)
        self._settle(now)
        if (found or self._gpu.hours) and self._oldest is None:
            self._oldest = now
        for action in (
            self._commit_due,
            self._merge_due,
            self._remove_due,
            self._forget_due,
            self._expire_due,
            self._expose_due,
        ):
            self._attempt(action, now)
        return bool(found)

    def _attempt(self, action: Callable[[float], None], now: float) -> None:
        """Do it, unless the disk refuses: then what was found stays here, and no more than a batch of it is read."""
        try:
            action(now)
        except (OSError, duckdb.Error) as error:
            if self.log.is_news("recorder.disk_refused", plain(error)):
                self.log.alarm("recorder.disk_refused", reason=plain(error), hint=disk_hint(error))
            self._due["commit"] = now + RETRY_S

    def _commit_due(self, now: float) -> None:
        if self._is_due(now):
            self.commit(now)

    def _merge_due(self, now: float) -> None:
        if self._oldest is None and self._every("merge", MERGE_S, now):
            self._merge()

    def _remove_due(self, now: float) -> None:
        if self._oldest is None and self._every("remove", REMOVE_S, now):
            self.journals.remove_recorded(now, self.boot.journal_retention_s)

    def _forget_due(self, now: float) -> None:
        if self._every("forget", FORGET_S, now):
            with self.store.held():
                self._publish()
                self._sifter.look()

    def _expire_due(self, now: float) -> None:
        if self._every("expire", EXPIRE_S, now):
            self._expire(now)

    def _expose_due(self, now: float) -> None:
        if self._every("expose", EXPOSE_S, now):
            self._expose(now)

    def _is_due(self, now: float) -> bool:
        if 0 < self._due.get("commit", 0.0) - now <= RETRY_S:
            return False
        if self._oldest is None:
            return self.journals.progress() != self.state.workers and self._every("position", POSITION_S, now)
        return self._bytes >= BATCH_BYTES or not 0 <= now - self._oldest < BATCH_S

    def _every(self, what: str, seconds: float, now: float) -> bool:
        if 0 < self._due.get(what, 0.0) - now <= seconds:  # further off: of a clock that was set back since
            return False
        self._due[what] = now + seconds
        return True

    def _take(self, found: Found) -> None:
        match found:
            case Exchange():
                self._bytes += len(found.request_body) + len(found.response_body) + 1024
                if found.meta.id in self._known:
                    return
                row = self._record(found)
                if not self._gpu.takes(row):
                    self._add(row)
            case FeedbackFrame():
                self._bytes += len(found.body) + 256
                vote = self._inputs.maker.vote(found)
                if vote is not None:
                    self.state.tally.count("records_total", ("feedback",))
                    self._votes.append(vote)
            case Gap():
                self.state.tally.add_gap(found)
            case Note():
                self._bytes += len(found.row) + 256
                self._take_note(found)

    def _take_note(self, note: Note) -> None:
        try:
            row: msgspec.Struct = msgspec.msgpack.decode(note.row, type=NOTED[note.table].row)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self.state.tally.lose("unreadable")
            return
        self.state.tally.count("records_total", (note.table,))
        if not isinstance(row, Comparison):
            self._noted.setdefault(note.table, []).append(row)
        elif not self._gpu.takes_call(
            row, self._inputs.maker.upstream_asked(row.route, of_candidate=row.asked == "candidate")
        ):
            self._add(row)

    def _settle(self, now: float) -> None:
        """Charge what was paid by the hour."""
        for row in self._gpu.settle(self.state.tally, now):
            self._add(row)

    def _add(self, row: Record | Comparison) -> None:
        """Count a row that is whole, and keep it until it is written."""
        if isinstance(row, Record):
            self.state.tally.add(row)
            self.state.retiring |= retirements.told_by(row)
            self._rows.append(row)
        else:
            self.state.tally.add_comparison(row)
            self._noted.setdefault(COMPARISONS.name, []).append(row)

    def _record(self, exchange: Exchange) -> Record:
        try:
            reading = self._inputs.maker.read(exchange)
            self.state.tally.add_odd(reading.odd)
            return self._inputs.maker.record(exchange, reading=reading)
        except Exception as error:  # noqa: BLE001 -- fence: one body that nobody foresaw must not stop all the others
            self.log.alarm("recorder.unreadable", id=exchange.meta.id, reason=type(error).__name__)
            self.state.tally.lose("unreadable")
            return bare(exchange.meta)

    # Committing ---------------------------------------------------------------------------------------------------

    def commit(self, now: float) -> None:
        """Write what was found, and how far that is.

        Raises:
            OSError, duckdb.Error: the disk refused; call it again.
        """
        with self.store.held():
            self._publish()
            self._sifter.look()
            rows = self._sifter.rows(self._rows)
            votes = last_of_each(self._sifter.votes(self._votes))
            self._ballot.count(votes, rows, self.state.tally)
            name = self._name()
            changes = self.store.stage(EXCHANGES, rows, name) + self.store.stage(FEEDBACK, votes, name)
            for table, noted in self._noted.items():
                changes += self.store.stage(NOTED[table], self._sifter.noted(noted), name)
            changes += self.store.stage(GPU_HOURS, self._gpu.hours, name)
            self.state.tally.lose("damaged", self.journals.take_damage())
            self._write_down(changes)
            self._rows, self._votes, self._noted, self._bytes, self._oldest = [], [], {}, 0, None
            self._gpu.hours = []
            self._ballot.committed()
            self._publish()
        self.journals.remove_recorded(now, self.boot.journal_retention_s)

    def _write_down(self, changes: list[FileChange]) -> None:
        """Commit the batch: after this, a restart continues behind it."""
        workers = self.journals.progress()
        fresh = msgspec.structs.replace(
            self.state, commits=self.state.commits + 1, workers=workers, changes=tuple(changes)
        )
        replace(self._progress_path, msgspec.json.encode(fresh))
        self.state = fresh
        self._is_published = False
        self._exposed = expose(fresh.tally)

    def _publish(self) -> None:
        """Publish the last commit's files, unless that is done."""
        if not self._is_published:
            self.store.publish(self.state.changes)
            self._is_published = True

    def finish(self, now: float) -> None:
        """Write what was found; the journal keeps what the disk refuses."""
        self._gpu.finish(self.state.tally)
        if self._oldest is not None or self._gpu.hours:
            self._attempt(self.commit, now)
        self._attempt(self._expose, now)

    def _name(self) -> str:
        return f"{self.state.commits:010d}-{self.state.epoch}"

    def _merge(self) -> None:
        """Make one file of many small ones. Only while nothing waits to be written: the tally would tell of it."""
        with self.store.held():
            self._publish()
            changes = self.store.stage_merge(self._name())
            if changes:
                self._write_down(changes)
                self._publish()
                self._due.pop("merge", None)  # more may be due, and comes after the next commit

    def _expire(self, now: float) -> None:
        with self.store.held():
            gone = self.store.expire(int((now - self.boot.retention_s) * 1_000_000))
        if gone:
            self.log.info("recorder.expired", dates=gone)

    def _tell_of_damage(self, path: str) -> None:
        self.log.alarm("records.file_set_aside", file=path, hint=DAMAGE_HINT)

    def _expose(self, now: float) -> None:
        lag_s = 0.0 if self._oldest is None else now - self._oldest
        here = [
            Sample(f"{PREFIX}journal_lag_seconds", max(lag_s, self.journals.lag_s(now))),
            Sample(f"{PREFIX}records_damaged_files", float(self.store.damaged())),
            *retirements.samples(self.state.tally.baseline_models(), self.boot.shutdown, self.state.retiring),
        ]
        replace(Path(self.boot.exposition), (self._exposed + render([*here, *self._gpu.samples()])).encode())
        if self.boot.hourly and self._every("gpu", GPU_S, now):
            replace(Path(self.boot.gpu), usd_per_answer_text(self._gpu.usd_per_answer()))
        self._read_routing()

    def _read_routing(self) -> None:
        """Learn whose prices hold, and which routes may be told of from their beginning."""
        if self.state.tally.begin(self._inputs.read_routing()) and self._oldest is None:  # else with the next commit
            self._exposed = expose(self.state.tally)


def run(recorder: Recorder, stop: threading.Event, now: Callable[[], float] = clock.wall) -> None:
    """Record until told to stop; then what is already in the journals, within STOP_S.

    Raises:
        OSError, duckdb.Error: the records cannot be opened; the supervisor starts us again.
    """
    recorder.begin(now())
    say_ready(recorder.boot.ready_fd)
    while not stop.is_set():
        if not recorder.step(now()):
            stop.wait(POLL_S)
    last = now() + STOP_S
    while recorder.step(now()) and now() < last:
        pass
    recorder.finish(now())
    recorder.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the recorder as the supervisor starts it."""
    boot, stop, log = read_boot(argv, RecorderBoot), stop_asked(), Log("recorder")
    try:
        run(Recorder(boot, log), stop)
    except (OSError, duckdb.Error) as error:
        log.alarm("recorder.failed", reason=f"{type(error).__name__}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
