"""Makes records of other systems' exchanges, redacted as captured ones are, and each of them once.

Rules:
1. An imported row says so: `why` is `imported`, `reason` the system. It is no evidence for any gate, no traffic of ours
   and no answer of a candidate; it counts for readiness, evaluation sets and datasets.
2. A record's id follows from what was imported: the same export again adds nothing, and an import that was cut off
   goes on where it was. Ids begin with the time of the exchange, as all ids do, so that they stand in order of time.
3. Who is forgotten stays so: rows of theirs are not taken in again.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from records import forgetting
from records.erasure import Sieve
from records.exchange import Exchange, FeedbackFrame, Meta
from records.importers.imported import Fields, ImportedExchange, PassedOverError, ReadRow, UnfitRowError
from records.importers.reading import rows_of
from records.parquet import EXCHANGES, FEEDBACK
from records.record import Record, Vote
from records.record_maker import RecordMaker
from records.store import Store

BATCH_ROWS = 2048
BATCH_BYTES = 32 * 1024 * 1024
"""Rows that are held at a time, whichever is reached first."""
_AHEAD_S = 86_400.0
"""How far the clocks of others may be ahead: a row of later would be the newest for years, and never too old."""
_HEAD = b"\r\ncontent-type: application/json"
_CONVERSATION = "session_id"
"""Where a request's metadata names its conversation, as the records read it."""

RouteOf = Callable[[str, bytes], str]
"""(path, body) -> the route that the exchange belongs to; empty: none."""


class BrokenRow(NamedTuple):
    """A row that is not taken in."""

    path: Path
    line: int
    fault: str

    def __str__(self) -> str:
        """`file:line: what is wrong`."""
        return f"{self.path}:{self.line}: {self.fault}"


@dataclass(slots=True)
class ImportCount:
    """What came of it."""

    rows: int = 0
    """Of the exports."""
    imported: int = 0
    known: int = 0
    """They are recorded already."""
    expired: int = 0
    """Older than records are kept."""
    forgotten: int = 0
    without_prompt: int = 0
    """Of those imported: the log has no request of theirs, or only a part of it."""
    votes: int = 0
    broken: int = 0
    passed_over: Counter[str] = field(default_factory=Counter[str])
    """Rows that are no exchanges of a kind that is imported, by what they are."""


@dataclass(slots=True)
class LogImport:
    """One import."""

    store: Store
    maker: RecordMaker
    source: str
    read: ReadRow
    route_of: RouteOf
    now: float
    """Unix seconds: of rows that say no time."""
    oldest: float
    """Unix seconds: what is older would be deleted at once."""
    upstream: str = ""
    """Whose prices hold for rows that say none."""
    trains: bool = True
    """Whether datasets may be made of the rows."""
    count: ImportCount = field(default_factory=ImportCount)
    _records: dict[str, Record] = field(default_factory=dict[str, Record], init=False)
    _votes: dict[str, Vote] = field(default_factory=dict[str, Vote], init=False)
    _bytes: int = field(default=0, init=False)

    def take(self, paths: Iterable[Path]) -> Iterator[BrokenRow]:
        """Import these files; gives each row that cannot be, as it is met.

        Raises:
            OSError, duckdb.Error: one cannot be read, or the records cannot be written: do it again.
            msgspec.MsgspecError: the list of who is forgotten is damaged.
        """
        for path in paths:
            for row in rows_of(path):
                self.count.rows += 1
                fault = row.fault if row.fields is None else self._take_row(row.fields)
                if fault:
                    self.count.broken += 1
                    yield BrokenRow(path, row.line, fault)
        self._flush()

    def _take_row(self, fields: Fields) -> str:
        """Take a row; what is wrong with it, if anything is."""
        try:
            found = list(self.read(fields))
        except UnfitRowError as error:
            return str(error)
        except PassedOverError as error:
            self.count.passed_over[str(error)] += 1
            return ""
        for one in found:
            if one.at is not None and one.at > self.now + _AHEAD_S:
                return f"its time is in the future: {datetime.fromtimestamp(one.at, UTC):%Y-%m-%d %H:%M} UTC"
        for one in found:
            self._take_exchange(one)
        if len(self._records) >= BATCH_ROWS or self._bytes >= BATCH_BYTES:
            self._flush()
        return ""

    def _take_exchange(self, one: ImportedExchange) -> None:
        at = self.now if one.at is None else one.at
        if at < self.oldest:
            self.count.expired += 1
            return
        record = record_of(self, one, imported_id(self.source, one), at)
        if record.id in self._records:
            self.count.known += 1
            return
        self._records[record.id] = record
        self._bytes += record.request_bytes + record.response_bytes
        if (vote := self._vote(one, record)) is not None:
            self._votes[record.id] = vote

    def _vote(self, one: ImportedExchange, record: Record) -> Vote | None:
        if one.score is None and one.corrected is None:
            return None
        said = {"score": one.score} | ({} if one.corrected is None else {"corrected_output": one.corrected})
        frame = FeedbackFrame(record.id, record.arrived_us / 1e6, record.key_id, msgspec.json.encode(said))
        return self.maker.vote(frame)

    def _flush(self) -> None:
        """Write what is held, without what is recorded already or must not be."""
        if not self._records:
            return
        with self.store.held():
            sieve = Sieve(forgetting.forgotten_in(self.store))
            known = set(self.store.ids("id IN (SELECT unnest(?::VARCHAR[]))", [list(self._records)]))
            fresh = [record for record in self._records.values() if record.id not in known]
            kept = [record for record in fresh if not sieve.covers(record)]
            self.count.known += len(self._records) - len(fresh)
            self.count.forgotten += len(fresh) - len(kept)
            self.count.imported += len(kept)
            self.count.without_prompt += sum(record.request_json is None for record in kept)
            votes = [self._votes[record.id] for record in kept if record.id in self._votes]
            self.count.votes += len(votes)
            if kept:
                name = f"import-{kept[0].id}"
                self.store.publish([*self.store.stage(FEEDBACK, votes, name), *self.store.stage(EXCHANGES, kept, name)])
                self._merge(name)
        self._records, self._votes, self._bytes = {}, {}, 0

    def _merge(self, name: str) -> None:
        """Make one of many small files, as the recorder does."""
        number = 0
        while changes := self.store.stage_merge(f"{name}-{number}"):
            self.store.publish(changes)
            number += 1


def imported_id(source: str, one: ImportedExchange) -> str:
    """The id of what was imported: a UUIDv7, equal for the same exchange of the same system.

    Exports of one system differ in the fractions of its seconds: whole ones alone are in the id.
    """
    known = [one.source_id] if one.source_id else [one.request, one.response, one.corrected]
    digest = hashlib.blake2b(msgspec.json.encode([source, *known], order="deterministic"), digest_size=10).digest()
    chance = int.from_bytes(digest, "big")
    head = int(one.at or 0) * 1000 & (1 << 48) - 1
    bits = head << 80 | 7 << 76 | (chance >> 62 & 0xFFF) << 64 | 0b10 << 62 | chance & (1 << 62) - 1
    digits = f"{bits:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def record_of(intake: LogImport, one: ImportedExchange, record_id: str, at: float) -> Record:
    """The row of an imported exchange."""
    request = _request(one)
    response = msgspec.json.encode(one.response) if one.response is not None else b""
    meta = Meta(
        id=record_id,
        worker="import",
        arrived_at=at,
        method="POST",
        target=one.path,
        request_head=_HEAD,
        key_id=_hashed(one.key, intake.maker.pepper),
        key_name="",
        route=intake.route_of(one.path, request),
        variant="baseline",
        why="imported",
        reason=intake.source,
        upstream=intake.upstream,
        model=one.model,
        unit="",
        weight_ppm=0,
        table_version=0,
        no_train=not intake.trains,
        pinned=False,
        retry_count=0,
        status=one.status,
        response_head=_HEAD,
        outcome="complete" if 200 <= one.status < 300 else "upstream_error",
        attempts=[],
        overhead_s=0.0,
        first_byte_s=one.first_byte_s,
        total_s=one.total_s or 0.0,
        request_bytes=len(request),
        request_sha256="",
        response_bytes=len(response),
        response_sha256="",
        chunk_ends=[],
        chunk_times_us=[],
        usage=msgspec.json.encode(one.usage) if one.usage else b"",
    )
    record = intake.maker.record(Exchange(meta, request, response))
    if one.cost_usd is None:
        return record
    paid = {"cost_usd": one.cost_usd, "counterfactual_cost_usd": one.cost_usd, "price_version": intake.source}
    return msgspec.structs.replace(record, **paid)


def _request(one: ImportedExchange) -> bytes:
    """The body, with whose it is and to which conversation it belongs, where the log says so beside it."""
    if one.request is None:
        return b""
    body = dict(one.request)
    if one.user and not body.get("user") and not body.get("safety_identifier"):
        body["user"] = one.user
    metadata = body.get("metadata")
    if one.conversation and (metadata is None or (isinstance(metadata, dict) and _CONVERSATION not in metadata)):
        body["metadata"] = {**(metadata or {}), _CONVERSATION: one.conversation}
    return msgspec.json.encode(body)


def _hashed(key: str, pepper: bytes) -> str:
    return hashlib.blake2b(key.encode(), digest_size=8, key=pepper[:64], person=b"import").hexdigest() if key else ""
