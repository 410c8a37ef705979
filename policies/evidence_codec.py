"""Evidence as bytes: what a leader keeps, and another goes on from as if nobody had stopped."""

from dataclasses import dataclass

import msgspec

from policies.evidence import Evidence
from policies.open_units import requests_in
from policies.rules import Rules

FORMAT = 1
"""The snapshot's format; another one is refused."""


class SnapshotError(Exception):
    """The bytes are no evidence of this candidate that this version can go on from; says why."""


@dataclass(frozen=True, slots=True)
class _Kept:
    format: int
    evidence: Evidence


def encode(evidence: Evidence) -> bytes:
    """Everything: counts, detectors, the baseline's recent failures, and conversations still open."""
    return msgspec.json.encode(_Kept(FORMAT, evidence))


def decode(data: bytes, rules: Rules) -> Evidence:
    """The evidence as it was, judged by `rules` from now on: the policy may have been edited meanwhile.

    Raises:
        SnapshotError: no snapshot, of another format, or of another candidate or stage than `rules` have.
    """
    try:
        kept = msgspec.json.decode(data, type=_Kept)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SnapshotError(f"not a snapshot of evidence: {error}") from error
    if kept.format != FORMAT:
        raise SnapshotError(f"the snapshot has format {kept.format}, this version reads {FORMAT}")
    found = kept.evidence
    if (found.key.route, found.key.candidate) != (rules.route, rules.key.digest):
        raise SnapshotError(f"evidence of {found.key.route} and candidate {found.key.candidate}, not of this policy")
    if all(stage.weight_ppm != found.key.weight_ppm for stage in rules.ladder.stages):
        raise SnapshotError(f"evidence of a weight of {found.key.weight_ppm} ppm, which is no stage of this policy")
    found.rules = rules
    found.held = sum(map(requests_in, found.open.values()))  # earlier versions did not tell it
    return found
