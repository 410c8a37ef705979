"""Decision records that an earlier version wrote are made again by this one."""

import gzip
from pathlib import Path

from policies.explain import decode, replay
from policies.rounding import differences
from policies.terms import Outcome

RECORDS = Path(__file__).with_name("records_of_before.jsonl.gz")
"""Written by the version before missing verdicts, recurring users, lines and likeness were what they are now: a shadow
certified, one rejected, one with missing scores; a canary by arms under a frozen latency limit, good and slow."""


def test_every_record_of_before_replays():
    """Outcome, reasons and every number but for last digits; what came later is off in rules that did not know it."""
    kept = [decode(line) for line in gzip.decompress(RECORDS.read_bytes()).splitlines()]
    assert [each.decision.outcome for each in kept] == [
        Outcome.PROMOTE, Outcome.REJECTED, Outcome.HOLD, Outcome.HOLD, Outcome.ROLLBACK,
    ]  # fmt: skip
    for each in kept:
        assert differences(each.decision, replay(each)) == []
