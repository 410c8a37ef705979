"""Why: the only renderer of decisions, for command line, admin API, console and logs; and the record that proves one.

A record holds all that a decision was made of. `replay` makes it again: with the same code on the same machine, bit for
bit; on another machine, but for the last digits (`policies.rounding`).
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from policies.evidence import Evidence
from policies.first_sentence import decided_sentence
from policies.forecast import forecast
from policies.results import Alarm, GateResult, GuardResult, Intake, Noise, Results, gate_kind
from policies.review import Conditions, review
from policies.rollout import Decision, Rollout, command, revise, step
from policies.rules import Rules
from policies.simulate import Simulation
from policies.terms import Verb, Verdict
from policies.votes import Votes

FORMAT = 1
"""The record's format; a newer one is refused."""


_AGAIN = 2
"""Conversations of a user, on average, above which it is said that users come again."""
_TINY = re.compile(r"\$(\d(?:\.\d+)?e-\d+)")
_CALENDAR_END = 253_402_300_800.0
"""The first second of the year 10,000."""


class RecordError(Exception):
    """The bytes are no decision record that this version can replay."""


@dataclass(frozen=True, slots=True)
class GivenOrder:
    """An operator's word, as it was given."""

    verb: Verb
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """A decision, and everything it can be computed from again."""

    version: str
    """Of the code that decided."""
    decision: Decision
    seen: Conditions
    evidence: Evidence | None = None
    """Closed counts and detectors, with the rules they were judged by."""
    order: GivenOrder | None = None
    format: int = FORMAT
    revised: Rules | None = None
    """The edited policy's, where an edit decided."""


def record(decision: Decision, evidence: Evidence, seen: Conditions, *, version: str) -> DecisionRecord:
    """The record of what `step` decided on `evidence`; conversations still open are left out."""
    return DecisionRecord(version, decision, seen, evidence.closed())


def replay(kept: DecisionRecord) -> Decision:
    """The decision, made again from what the record holds."""
    before, now = kept.decision.before, kept.decision.at
    if kept.order:
        seen = Results(cold=kept.seen.cold)
        return command(before, kept.order.verb, now=now, by=kept.order.by, reason=kept.order.reason, seen=seen)
    if kept.revised:
        return revise(before, kept.revised, now=now)
    if kept.evidence is None:
        return step(before, kept.decision.results, now=now)
    found = review(kept.evidence, before, now=now, seen=kept.seen)
    return step(before, _untold(found, kept.decision.results), now=now)


def _untold(found: Results, told: Results) -> Results:
    """What was found, without what a record of before does not tell: how much its detectors tolerate, which their
    reasons say.
    """
    if any(alarm.tolerance is not None for alarm in told.alarms):
        return found
    return replace(found, alarms=tuple(replace(alarm, tolerance=None) for alarm in found.alarms))


def encode(kept: DecisionRecord) -> bytes:
    """The record as one JSON object."""
    return msgspec.json.encode(kept)


def decode(data: bytes) -> DecisionRecord:
    """The record that `data` holds.

    Raises:
        RecordError: not a record, or of a newer format.
    """
    try:
        found = msgspec.json.decode(data, type=DecisionRecord)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError(f"not a decision record: {error}") from error
    if found.format > FORMAT:
        raise RecordError(f"the record has format {found.format}, this version reads up to {FORMAT}: upgrade it")
    return found


def text(decision: Decision) -> str:
    """The decision for people: a sentence anyone understands, then the numbers behind it."""
    return f"{decided_sentence(decision)}\n{numbers(decision)}"


def numbers(decision: Decision) -> str:
    """What, by which rule, on which evidence."""
    before, after = decision.before, decision.rollout
    now, then = where(before), where(after)
    head = (
        f"ROUTE {before.route}  CANDIDATE {before.key.candidate}@{before.key.revision or before.key.digest}"
        f"  STAGE {now if now == then else f'{now} -> {then}'}  DECISION {decision.outcome}"
        f"  {_when(decision.at)}  RULE {decision.rule}"
    )
    results = decision.results
    lines = [head, f"  {decision.reason}"]
    lines += [_gate_line(gate) for gate in results.gates]
    lines += [_guard_line(guard) for guard in results.guards if guard.verdict is not Verdict.PASS]
    if quiet := [guard.guard for guard in results.guards if guard.verdict is Verdict.PASS]:
        lines.append(f"  {'PASS':<12}  guards: {', '.join(quiet)}")
    lines += [_alarm_line(alarm) for alarm in results.alarms]
    if results.serving:
        lines.append(f"  {'ILL' if results.unhealthy else 'serving':<12}  the candidate {results.serving}")
    lines += _noise_lines(results.noise)
    lines += [f"  {'intake':<12}  {sentence}" for sentence in intake(results.intake)]
    if results.gates and now == then:
        lines.append(f"  {'forecast':<12}  {forecast(after, results)}")
    lines += [f"  {gate.gate:<12}  {_meaning(gate)}" for gate in results.gates if "@" not in gate.gate]
    if results.gates:
        lines.append(f"  every gate at its full alpha, all must pass; attempt {before.attempt}; looks: continuous")
    return plain_money("\n".join(lines))


def plain_money(text: str) -> str:
    """A reason with its dollars as people write them: `$0.0000097`, which the record has as `$9.7e-06`.

    Records keep their words: a replay has to find the same.
    """
    return _TINY.sub(lambda found: f"${Decimal(found[1]):f}", text)


def intake(found: Intake) -> list[str]:
    """What did not come into the evidence as it should, each kind in a sentence; none: all did."""
    told: list[str] = []
    if found.late:
        told.append(f"{_share(found.late, found.requests)} requests were told after their conversation was counted")
    if found.most_worth and found.units > _AGAIN * found.users:
        told.append(
            f"{found.units} conversations of {found.users} user{'s' * (found.users != 1)}, who together are worth "
            f"{found.most_worth:.0f} at most"
        )
    lost = sum(found.skipped.values())
    if lost:
        reasons = ", ".join(f"{name} {n}" for name, n in found.skipped.items())
        told.append(f"{_share(lost, found.drawn)} requests that were drawn were not asked: {reasons}")
    return told


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / whole:.1%})"


def votes_text(votes: Votes) -> str:
    """What users' votes say, below the decision they are no part of."""
    return f"  {_raised(votes.raised):<12}  {votes.reason}\n  {'':<12}  {votes.remark}"


def fields(decision: Decision) -> bytes:
    """The decision as one JSON object, with the text people read under `text`."""
    return msgspec.json.encode({"text": text(decision), **msgspec.to_builtins(decision)})


def summary(simulation: Simulation) -> bytes:
    """A simulation as one JSON object: the last line of `crossfade policy simulate --json`."""
    results = simulation.deciding.results if simulation.deciding else None
    return msgspec.json.encode(
        {
            "decision": simulation.outcome,
            "units": simulation.units,
            "decided_at_unit": simulation.decided_at_unit,
            "rule": simulation.deciding.rule if simulation.deciding else "no data",
            "reason": simulation.deciding.reason if simulation.deciding else "no pair was given",
            "stage": where(simulation.last.rollout) if simulation.last else "shadow",
            "gates": [_gate_row(gate) for gate in results.gates] if results else [],
            "guards": [
                {"guard": guard.guard, "verdict": guard.verdict.name, "reason": guard.reason}
                for guard in (results.guards if results else ())
            ],
            "detectors": [
                {"detector": alarm.detector, "log10_m": alarm.log10_m, "limit": alarm.limit, "raised": alarm.raised}
                for alarm in (results.alarms if results else ())
            ],
            "noise": msgspec.to_builtins(results.noise if results else Noise()),
        }
    )


def _gate_row(gate: GateResult) -> dict[str, str | float | bool | None]:
    return {
        "gate": gate.gate, "estimate": gate.estimate, "lower": gate.lower, "upper": gate.upper, "limit": gate.limit,
        "log10_e": gate.log10_e, "verdict": gate.verdict.name, "reason": gate.reason, "n": gate.n,
        "required": gate.required, "units_to_go": gate.units_to_go,
    }  # fmt: skip


def _when(at: float) -> str:
    """A moment as people write it; as a bare number where it is none that a calendar has."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}" if 0 <= at < _CALENDAR_END else f"at {at:g}"


def where(rollout: Rollout) -> str:
    """The stage's name, and the phase where that says more."""
    plain = rollout.phase in ("shadow", "canary", "promoted")
    label = f"{rollout.at.label} (split, uncertified)" if rollout.ladder.split else rollout.at.label
    return label if plain else f"{label} ({rollout.phase})"


def _gate_line(gate: GateResult) -> str:
    more = f"; about {gate.units_to_go} more units" if gate.units_to_go else ""
    return f"  {gate.verdict.name:<12}  {gate.reason}{more}{'' if gate.required else ' (not required here)'}"


_MEANINGS = {
    "likeness": "shows that answers are as like the baseline's as those are to each other; cannot see which of two "
    "different answers is better",
    "vectors": "shows index compatibility: vectors point where the baseline's do; says nothing of quality",
    "quality": "shows that scores are no worse on average; cannot see what the scorer does not see, nor a part of the "
    "traffic in which answers are worse",
    "validity": "shows that answers keep to their schema or tools; cannot see whether their content is right",
    "errors": "shows that requests fail no more often; cannot see answers that arrive and are wrong",
    "latency": "shows how long the requests of this stage take; cannot see a higher load, or single bad hours",
    "cost": "says what was paid; proves nothing",
}


def _meaning(gate: GateResult) -> str:
    """What a gate certifies, and what it cannot see."""
    kind = "likeness" if gate.likeness else "vectors" if gate.fits_index else gate_kind(gate.gate)
    return _MEANINGS[kind]


def _guard_line(guard: GuardResult) -> str:
    return f"  {guard.verdict.name:<12}  {guard.reason}{'' if guard.required else ' (not required)'}"


def _noise_lines(noise: Noise) -> list[str]:
    """The noise floor and what the candidate does beside it; nothing where nothing was compared."""
    if noise.agree is None and noise.agree_again is None:
        return []
    again = "not measured" if noise.agree_again is None else f"{noise.agree_again:.3f} on {noise.again_n} asked twice"
    ours = "not measured" if noise.agree is None else f"{noise.agree:.3f} on {noise.n}"
    paid = "" if noise.again_usd is None else f"; {noise.again_n} repeat calls, ${noise.again_usd:.2f}"
    return [f"  {'likeness':<12}  baseline to itself {again}, candidate to baseline {ours} (decides nothing){paid}"]


def _alarm_line(alarm: Alarm) -> str:
    return f"  {_raised(alarm.raised):<12}  {alarm.reason}"


def _raised(raised: bool) -> str:  # noqa: FBT001 -- the one thing it says in a word
    return "ALARM" if raised else "quiet"
