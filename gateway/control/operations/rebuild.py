"""Evidence made again from the records: every observation leaders noted, in order, under the rules of its time.

Counts and histograms come out exactly as they were, and so do the detectors, which follow the order. What closed after
a stage's last observation is told by a row of its own, when the stage is left or the policy edited. Where two leaders
noted the same place in the order, the later one's counts: what the other noted from there on never got into any kept
evidence. Neither did what was noted under a state that is gone: an order of its own, of another history.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import msgspec

from policies import explain, rounding
from policies.events import PairEvent
from policies.evidence import Evidence, EvidenceKey
from policies.rules import Held, Rules
from records.comparison import Observation
from records.store import Store

_OURS = """(
    SELECT * FROM (SELECT NULL::VARCHAR AS history WHERE false UNION ALL BY NAME FROM observations_all)
    WHERE route = ?1 AND coalesce(history, '') = ?2
)"""
"""What was noted of a route while the state was there that is kept now."""
_ROWS = f"""
SELECT * REPLACE (epoch_us(observed_at)::BIGINT AS observed_at) FROM {_OURS} WHERE seq <= ?3
QUALIFY row_number() OVER (PARTITION BY seq ORDER BY leader_epoch DESC, observed_at DESC) = 1
        AND coalesce(leader_epoch, 0) >= max(coalesce(leader_epoch, 0)) OVER (
            ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
ORDER BY seq
"""  # noqa: S608 -- our own words
_RULES = """
SELECT epoch_us(decided_at)::BIGINT, record_json FROM decisions_all
WHERE route = ? AND rule = 'revision' ORDER BY decided_at, version
"""
_BATCH = 2000
EVERYTHING = 2**62


@dataclass(frozen=True, slots=True)
class Timeline:
    """Which rules held when."""

    changes: Sequence[tuple[int, Rules]]
    """Microseconds, and what held from then on; in order."""

    def at(self, moment_us: int, otherwise: Rules) -> Rules:
        """What held at a moment; before all that is known: `otherwise`."""
        return next((rules for since_us, rules in reversed(self.changes) if since_us <= moment_us), otherwise)


@dataclass(slots=True)
class EvidenceReplay:
    """Evidence on its way back."""

    timeline: Timeline
    otherwise: Rules
    """What holds where the records say nothing of the rules."""
    evidence: Evidence | None = None
    observed: int = 0
    left: int = 0
    """Rows that say where a stage, or the rules of until then, ended."""
    last_seq: int = 0
    unreadable: int = 0
    forgotten: int = 0
    """Observations of exchanges that were erased since."""

    def feed(self, rows: Iterable[Observation]) -> None:
        """Observe again, in order."""
        for row in rows:
            self.last_seq = row.seq
            if not row.event_json and row.node:  # of who is forgotten
                self.forgotten += 1
                continue
            try:
                event = msgspec.json.decode(row.event_json, type=PairEvent) if row.event_json else None
                held = msgspec.json.decode(row.held_json, type=Held)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                self.unreadable += 1
                continue
            evidence = self._at(row, held.watch)
            if row.watermark is not None:
                evidence.advance(row.watermark)
            if event is None:
                self.left += 1
            else:
                evidence.observe(event, held)
                self.observed += 1

    def _at(self, row: Observation, watch: int) -> Evidence:
        """The evidence that a row is of, begun with it if need be, under the rules of its time."""
        rules = self.timeline.at(row.observed_us, self.otherwise)
        key = EvidenceKey(row.route, row.candidate_key, row.attempt, row.weight_ppm, row.epoch, watch)
        if self.evidence is None:
            self.evidence = Evidence(key, rules)
        self.evidence.judge_by(rules)
        if self.evidence.key != key:
            self.evidence = self.evidence.next(key, rules)
        return self.evidence


def timeline(store: Store, route: str) -> Timeline:
    """The rules of a route over time, as the decisions say.

    Raises:
        OSError, duckdb.Error: the records cannot be read.
    """
    changes: list[tuple[int, Rules]] = []
    for moment_us, text in store.read(lambda views: views.execute(_RULES, [route]).fetchall()):
        try:
            revised = explain.decode(text.encode()).revised
        except explain.RecordError:
            continue  # of a version that wrote no rules
        if revised is not None:
            changes.append((moment_us, revised))
    return Timeline(changes)


def replay(
    store: Store,
    route: str,
    rules: Rules,
    *,
    history: str = "",
    up_to_seq: int = EVERYTHING,
    watch: Callable[[int], None] = lambda _: None,
) -> EvidenceReplay:
    """Observe a route's recorded events again, up to one of them.

    `history`: the kept rollout's. `watch` is told of each batch, how many it had.

    Raises:
        OSError, duckdb.Error: the records cannot be read.
    """
    found = EvidenceReplay(timeline(store, route), rules)
    cursor = store.stream(_ROWS, [route, history, up_to_seq])
    names = ["observed_us" if column[0] == "observed_at" else column[0] for column in cursor.description or ()]
    while rows := cursor.fetchmany(_BATCH):
        found.feed(_observation(dict(zip(names, row, strict=True))) for row in rows)
        watch(len(rows))
    return found


def positions(store: Store, route: str, history: str = "") -> dict[str, int]:
    """The last event of each node that was observed; what nobody told of is no node's.

    Raises:
        OSError, duckdb.Error: the records cannot be read.
    """
    query = f"SELECT node, max(number) FROM {_OURS} WHERE node <> '' GROUP BY node"  # noqa: S608 -- our own words
    found = store.read(lambda views: views.execute(query, [route, history]).fetchall())
    return {str(node): int(number or 0) for node, number in found}


def _observation(fields: dict[str, object]) -> Observation:
    fields.pop("date", None)
    known = {name: value for name, value in fields.items() if name in Observation.__struct_fields__}
    for name in ("leader_epoch", "number"):  # rows from before these columns
        if known.get(name) is None:
            known.pop(name, None)
    return msgspec.convert(known, Observation)


def differences(kept: Evidence, made: Evidence) -> list[str]:
    """The differences of two evidences; empty: they are the same."""
    if kept.key != made.key:
        return [f"it is of another stage: {made.key} instead of {kept.key}"]
    histograms = sorted(kept.histograms.keys() | made.histograms.keys())
    counts = sorted(kept.counts.keys() | made.counts.keys())
    detectors = sorted(kept.detectors.keys() | made.detectors.keys())
    parts = (
        "outputs_candidate", "outputs_baseline", "requests", "clusters", "clusters_of_all", "open", "recent", "line",
        "beside", "more_lines", "more_beside", "variety", "bursts", "empty",
    )  # fmt: skip
    return [
        *(f"histogram {name}" for name in histograms if kept.histogram(name) != made.histogram(name)),
        *(f"weights of {name}" for name in histograms if kept.weighed(name) != made.weighed(name)),
        *(
            f"count {name}: {made.count(name)} instead of {kept.count(name)}"
            for name in counts
            if kept.count(name) != made.count(name)
        ),
        *(
            f"detector {name}"
            for name in detectors
            if rounding.differences(kept.detectors.get(name), made.detectors.get(name))
        ),
        *(name.replace("_", " ") for name in parts if rounding.differences(getattr(kept, name), getattr(made, name))),
    ]
