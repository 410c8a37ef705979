"""A policy with `feedback` in force, a look at its rollout, and votes on both variants' answers, for tests."""

import msgspec

from gateway import clock
from gateway.control.controller.status import ControllerStatus, PolicyStatus
from gateway.node.datadir import DataDir
from records.parquet import FEEDBACK
from records.store import Store
from tests.fakes.exchanges import exchange_id
from tests.rooms.rollouts import RULES
from tests.rooms.stored_records import keep, record, vote


def ask_for_votes(data: DataDir, window_s: float | None = 86_400.0) -> None:
    """What a controller writes down whose policy has, or has not, `feedback`."""
    policies = (PolicyStatus("a.yaml", "other", None), PolicyStatus("b.yaml", "triage", None, window_s))
    status = ControllerStatus(1, policies, None)
    data.controller_status.parent.mkdir(parents=True, exist_ok=True)
    data.controller_status.write_bytes(msgspec.json.encode(status))


def cast(data: DataDir, *, bad: int, of: int, baseline_bad: int, baseline_of: int, age_s: float = 60.0) -> None:
    """As many voters, of whom so many dislike what they got, on answers of that age."""
    at, store = clock.wall() - age_s, Store(data.records)
    arms = [("candidate", number < bad) for number in range(of)]
    arms += [("baseline", number < baseline_bad) for number in range(baseline_of)]
    more = {"route": "triage", "table_revision": RULES.key.revision}
    made = [record(n, at=at, unit=f"u{n}", variant=variant, **more) for n, (variant, _) in enumerate(arms)]
    keep(store, "a", *made)
    votes = [vote(exchange_id(n, at), -1.0 if is_bad else 1.0, at + 1) for n, (_, is_bad) in enumerate(arms)]
    store.publish(store.stage(FEEDBACK, votes, "b"))
