"""The controller's part of `/metrics`: where each rollout stands, and what each gate says."""

from collections.abc import Iterable, Mapping, Sequence

from gateway.control.events.reader import EventReader
from gateway.control.leader.webhooks import Notifier
from gateway.control.publish.weights import Weighed
from gateway.control.state.port import Counts
from gateway.telemetry.metrics import PREFIX, Sample
from policies.forecast import finish_days
from policies.results import GateResult
from policies.rollout import Decision
from policies.routing import PPM
from policies.rules import DAY_S
from policies.terms import Outcome, Phase


def samples(
    weighed: Mapping[str, Weighed],
    shown: Mapping[str, Decision],
    decisions: Mapping[tuple[str, str], int],
    *,
    errors: int,
) -> list[Sample]:
    """Samples of all rollouts. `shown`: the last evaluations, if this node leads; `decisions`: by route, outcome."""
    found = [Sample(f"{PREFIX}policy_errors", errors)]
    for name, each in weighed.items():
        candidate = each.route.candidate
        if candidate is not None:
            weight = each.route.weight_ppm / PPM if each.route.mode in ("apply", "split") else 0.0
            found.append(Sample(f"{PREFIX}weight_ratio", weight, (name,)))
            found.append(Sample(f"{PREFIX}policy_info", 1, (name, candidate.revision or "")))
            found.append(Sample(f"{PREFIX}uncertified", int(each.route.mode == "split"), (name,)))
    for name, decision in shown.items():
        found.append(Sample(f"{PREFIX}stage", decision.rollout.stage, (name,)))
        held, drawn = decision.rollout.held, decision.rollout.drawn
        found += [Sample(f"{PREFIX}slice_moving", int(each in held.moving), (name, each)) for each in drawn]
        is_suspended = decision.rollout.phase is Phase.SUSPENDED
        found.append(Sample(f"{PREFIX}suspended", int(is_suspended), (name,)))
        found.append(Sample(f"{PREFIX}units", decision.results.units, (name,)))
        answered, assigned = decision.results.served
        if assigned:
            found.append(Sample(f"{PREFIX}served_ratio", answered / assigned, (name,)))
        intake = decision.results.intake
        found.append(Sample(f"{PREFIX}late_requests", intake.late, (name,)))
        found += [Sample(f"{PREFIX}skipped_requests", n, (name, reason)) for reason, n in intake.skipped.items()]
        found += _gates(name, decision.results.gates)
        found += [
            Sample(f"{PREFIX}detector_log10", alarm.log10_m, (name, alarm.detector))
            for alarm in decision.results.alarms
        ]
    # From the start with 0: a series that is born at 1 rises by nothing, and an alert on it sleeps through the first.
    routes = [name for name, each in weighed.items() if each.route.candidate is not None]
    counts = {(name, str(outcome)): 0 for name in routes for outcome in Outcome} | dict(decisions)
    found += [Sample(f"{PREFIX}decisions_total", count, labels) for labels, count in counts.items()]
    return found


def finishes(shown: Mapping[str, Decision], finish_s: Mapping[str, float], now: float) -> list[Sample]:
    """When each candidate has all traffic. `finish_s`: how long that takes where its pace is not known, by route."""
    found: list[Sample] = []
    for name, decision in shown.items():
        if decision.rollout.next is None:
            continue  # it has what its ladder gives
        days = finish_days(decision.rollout, decision.results)
        left_s = finish_s.get(name, finish_s.get("")) if days is None else days * DAY_S
        if left_s is not None:
            found.append(Sample(f"{PREFIX}finish_timestamp_seconds", now + left_s, (name,)))
    return found


def loop_samples(reading: EventReader, notifier: Notifier, counts: Counts, *, leads: bool) -> list[Sample]:
    """How the loop itself does: webhooks, reading, leadership, and what the shared state met."""
    told = {"sent": notifier.sent, "failed": notifier.failed, "dropped": notifier.dropped}
    return [
        *(Sample(f"{PREFIX}webhooks_total", count, (outcome,)) for outcome, count in told.items() if count),
        Sample(f"{PREFIX}evidence_lag_seconds", reading.lag_s),
        *(Sample(f"{PREFIX}evidence_discarded_total", n, labels) for labels, n in reading.discarded.items()),
        Sample(f"{PREFIX}outbox_events", reading.outbox.pending),
        Sample(f"{PREFIX}leader", int(leads)),
        Sample(f"{PREFIX}state_refused_total", counts.refused),
        Sample(f"{PREFIX}state_restored_total", counts.restored),
    ]


def _gates(route: str, gates: Sequence[GateResult]) -> Iterable[Sample]:
    for gate in gates:
        numbers = {
            "gate_estimate": gate.estimate, "gate_lower": gate.lower, "gate_upper": gate.upper,
            "gate_limit": gate.limit, "gate_log10_e": gate.log10_e, "gate_verdict": float(gate.verdict),
        }  # fmt: skip
        for name, value in numbers.items():
            if value is not None:
                yield Sample(PREFIX + name, value, (route, gate.gate))
