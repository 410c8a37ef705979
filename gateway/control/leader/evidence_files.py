"""One file pair per transition, for people and for auditors: what moved, on which evidence, by whom.

`evidence/ROUTE/<moment>-<word>-<id>.json` holds the whole decision record, from which the decision can be made again
(`crossfade policy explain --replay`); the Markdown beside it says the same in words.
"""

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from gateway.control.state.port import Decided
from policies.results import GateResult
from policies.rollout import Decision
from policies.terms import Move
from records.durable import replace


class EvidenceFile(msgspec.Struct, frozen=True):
    """The JSON file."""

    decision_id: str
    route: str
    at: str
    """UTC."""
    by: str
    move: str
    outcome: str
    rule: str
    reason: str
    candidate: str
    revision: str
    candidate_key: str
    from_stage: str
    to_stage: str
    policy_sha256: str
    """Of the policy file's text."""
    window: tuple[str, str]
    """The time lived on the stage before, UTC."""
    units: int
    record: msgspec.Raw
    """The decision record."""


class _Holds(msgspec.Struct):
    record: msgspec.Raw


def record_in(content: bytes) -> bytes:
    """The decision record that a JSON file written here holds; what is no such file comes back as it is."""
    try:
        return bytes(msgspec.json.decode(content, type=_Holds).record)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return content


def write(folder: Path, decided: Decided, decision: Decision, policy_sha256: str) -> Path:
    """Write both files; what was written before under the same id is written again. Returns the JSON file's path.

    Raises:
        OSError: one cannot be written.
    """
    before, after = decision.before, decision.rollout
    at = datetime.fromtimestamp(max(0.0, decision.at), UTC)
    began = datetime.fromtimestamp(max(0.0, decision.at - before.lived_s), UTC)
    kept = EvidenceFile(
        decision_id=decided.id, route=decided.route, at=at.isoformat(), by=decision.by, move=decided.move,
        outcome=decided.outcome, rule=decision.rule, reason=decision.reason, candidate=before.key.candidate,
        revision=before.key.revision, candidate_key=before.key.digest, from_stage=before.at.label,
        to_stage=after.at.label, policy_sha256=policy_sha256, window=(began.isoformat(), at.isoformat()),
        units=decision.results.units, record=msgspec.Raw(decided.record),
    )  # fmt: skip
    directory = folder / decided.route
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    word = decision.rule if decided.move == Move.HOLD else decided.move
    path = directory / f"{at:%Y%m%dT%H%M%SZ}-{word}-{decided.id[-12:]}.json"
    replace(path, msgspec.json.encode(kept))
    replace(path.with_suffix(".md"), markdown(kept, decision, decided.text).encode())
    return path


def markdown(kept: EvidenceFile, decision: Decision, text: str) -> str:
    """The same for people."""
    rows = [
        ("decision", f"{kept.outcome} ({kept.move}), by rule `{kept.rule}`"),
        ("stage", f"{kept.from_stage} → {kept.to_stage}, weight {decision.rollout.weight_ppm / 10_000:g}%"),
        ("candidate", f"{kept.candidate}@{kept.revision or kept.candidate_key} (key {kept.candidate_key})"),
        ("by", kept.by),
        ("at", kept.at),
        ("window", f"{kept.window[0]} to {kept.window[1]}, {kept.units} units"),
        ("policy", f"sha256 {kept.policy_sha256}"),
        ("id", kept.decision_id),
    ]
    table = [f"| {name} | {_cell(value)} |" for name, value in rows]
    gates = [_gate(gate) for gate in decision.results.gates]
    head = ["| gate | verdict | estimate | interval | limit | log10 e (needed) |", "|---|---|---|---|---|---|"]
    return "\n".join(
        [
            f"# {kept.route}: {kept.outcome}", "", _cell(kept.reason), "", "| | |", "|---|---|", *table, "",
            *([*head, *gates, ""] if gates else []), "```", text.replace("```", "'''"), "```", "",
        ]
    )  # fmt: skip


def _gate(gate: GateResult) -> str:
    return (
        f"| {gate.gate} | {gate.verdict.name} | {_number(gate.estimate)} | "
        f"{_number(gate.lower)} to {_number(gate.upper)} | {_number(gate.limit)} | "
        f"{_number(gate.log10_e)} ({_number(gate.needed)}) |"
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _cell(text: str) -> str:
    return text.replace("\n", " ").replace("|", "\\|")
