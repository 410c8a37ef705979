"""The first sentence: where a rollout stands and why, for somebody who reads it once and in a hurry.

`crossfade status` and `explain`, the console and webhooks all begin with it; the numbers follow behind.

Rules:
1. Everyday words. What only the glossary explains stands in the lines behind: a test reads every sentence for them.
2. A stop says why it came, when, and what ends it. A wait says what it waits for, how long, and which key says so.
3. Nothing here decides: it words what `policies.rollout` found.
"""

from collections.abc import Callable
from dataclasses import dataclass

from policies.finding_words import DETECTORS, DIFFERENT, GATES, GUARDS, HARM, OVERDUE, UNMEASURED, UNSEEN, UNSURE
from policies.forecast import least_left_s
from policies.results import Alarm, GateResult, GuardResult, Results, gate_kind
from policies.rollout import STOPPED, Decision, Rollout, blocks
from policies.spans import span
from policies.terms import Move, Phase, Verdict

_AT_ONCE_S = 1.0
"""What happened less long ago is not said to have been a while ago."""
_DOUBTFUL_S = 60.0
"""Traffic that comes at all comes within it, most often. A stage above the shadow was reached with traffic."""
_DOUBT = ". Does the app send what the policy's `match` takes?"

_SPACED = str.maketrans("@_", "  ")


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a rollout cannot know of itself."""

    has_leader: bool = True
    """Whether some node leads: nobody else moves a weight up."""
    is_budget_spent: bool = False
    """Whether the day's money for comparing is gone."""


SOUND = Circumstances()


def first_sentence(
    stands: Rollout,
    results: Results | None,
    *,
    now: float,
    entered: Decision | None = None,
    around: Circumstances = SOUND,
) -> str:
    """Where a rollout stands. `entered`: the decision that brought it there; None: not known any more.

    `results`: what was last seen of this stage; None: nobody has looked yet.
    """
    match stands.phase:
        case Phase.ROLLED_BACK | Phase.QUARANTINED | Phase.REJECTED:
            return _stopped(stands, now, entered)
        case Phase.PAUSED:
            return _paused(stands, now, entered)
        case Phase.SUSPENDED:
            return _suspended(stands, now, entered, _trial(stands, results, now, around))
        case Phase.APPROVING:
            after = "the last stage" if stands.next is None else _share(stands.next.weight_ppm)
            ago, _ = _told(now, entered)
            return (
                f"Every check passed {_at(stands)}{ago}; {after} waits for your approval: "
                f"`crossfade promote {stands.route} --reason …`."
            )
        case _:
            return _on_its_way(stands, results, now, around)


def decided_sentence(decision: Decision) -> str:
    """What a decision did, as it is told at once."""
    after, who = decision.rollout, decision.by
    at = _place(after)
    if decision.refused:
        return f"Not done: {decision.reason}."
    by_order = decision.rule == "operator"
    word = decision.reason.removeprefix(f"{who}:").strip()
    said = f"{who} said so ({word})" if word else f"{who} said so"
    match decision.move:
        case Move.ADVANCE:
            why = said if by_order else f"every check passed on {_counted(decision.results.units)}"
            why = "a fixed split, uncertified, as the policy says" if decision.rule == "split" else why
            return f"Moved up to {at}: {why}."
        case Move.JOIN:
            fresh = after.held.moving[len(decision.before.held.moving) :]
            moves = "answered by it from now on as the others are" if after.weight_ppm else "the first to move up"
            return f"{_parts(fresh)} known to be answered well enough, and {moves}."
        case Move.RESTART:
            why = f": {said}" if by_order else ""
            fresh = "the candidate or what it is compared by has changed" if decision.rule == "revision" else ""
            return f"Starts in the shadow, attempt {after.attempt}, with nothing counted yet{why or _aside(fresh)}."
        case Move.RESUME:
            return f"Goes on {_at(after)}: {said}."
        case Move.RETURN:
            paused = ", paused as it was" if after.phase is Phase.PAUSED else ""
            return f"Back {_at(after)}{paused}: {decision.results.tried} test requests went well."
        case Move.RENEW:
            return f"Stays promoted, and counts from zero again: what was counted at {at} has grown old."
        case Move.HOLD if decision.rule == "revision":
            return f"The policy was edited: the rollout stands {_at(after)}."
        case _:
            entered = decision if after.phase is not decision.before.phase else None
            return first_sentence(after, decision.results, now=decision.at, entered=entered)


# Phases ------------------------------------------------------------------------------------------------------------


def _stopped(stands: Rollout, now: float, entered: Decision | None) -> str:
    ago, why = _told(now, entered)
    resume = f"`crossfade resume {stands.route} --reason …`"
    if stands.phase is Phase.REJECTED:
        return f"{_ended(f'Rejected{ago}{why}')} No user saw it; it stays out until a new revision, or {resume}."
    if stands.phase is Phase.QUARANTINED:
        times = (
            f"Rolled back {stands.rollbacks} times, the last time" if ago else f"Rolled back {stands.rollbacks} times"
        )
        return f"{_ended(f'{times}{ago}{why}')} It stays out until a new revision, or {resume}."
    left_s = max(0.0, stands.settings.cooldown_s - stands.lived_s)
    again = f"starts again in the shadow in {span(left_s)}" if left_s else "starts again in the shadow within seconds"
    return f"{_ended(f'Rolled back{ago}{why}')} The baseline answers everything; it {again}, or at once with {resume}."


def _suspended(stands: Rollout, now: float, entered: Decision | None, more: str) -> str:
    ago, why = _told(now, entered)
    where = _ended(f"Suspended {_at(stands)}{ago}{why}")
    return f"{where} The baseline answers everything; {_ended(more)}"


def _trial(stands: Rollout, results: Results | None, now: float, around: Circumstances) -> str:
    """How far the trial of a suspended rollout is."""
    settings, tried = stands.settings, results.tried if results is not None else 0
    calm_left_s = settings.calm_s - stands.suspended_ago_s[-1]
    if not around.has_leader:
        return "no controller is deciding, so it cannot come back. Is `crossfade serve` running?"
    if calm_left_s > 0:
        copies = f"copies of {settings.trial} requests"
        return f"in {span(calm_left_s)} it is tested on {copies}, while apps get the baseline's answers"
    if tried < settings.trial and around.is_budget_spent:
        return "today's budget for comparing is spent (shadow.budget); its test continues at midnight, UTC"
    if tried < settings.trial:
        return f"it is being tested on copies of requests: {tried} of {settings.trial} went well"
    if results is not None and results.fault:
        return results.fault
    rises = stands.ladder.rises
    if rises is not None and rises.shut(now):
        return f"it comes back only within {rises} (advance)"
    return (results.waits_for if results is not None else "") or "it comes back within seconds"


def _paused(stands: Rollout, now: float, entered: Decision | None) -> str:
    ago, why = _told(now, entered)
    more = "" if entered is None or entered.rule == "operator" else ", and grants as many conversations again"
    where = _ended(f"Paused {_at(stands)}{ago}{why}")
    if entered is not None and entered.rule != "operator" and any(map(_only_differs, entered.results.gates)):
        where += f" {DIFFERENT}"
    return f"{where} `crossfade resume {stands.route} --reason …` goes on{more}."


def _only_differs(gate: GateResult) -> bool:
    """Whether a gate stands in the way that cannot see which of two answers is better."""
    return gate.likeness and gate.required and gate.estimate is not None and gate.verdict is not Verdict.PASS


def _on_its_way(stands: Rollout, results: Results | None, now: float, around: Circumstances) -> str:
    lived = f" for {span(stands.lived_s)}" if stands.lived_s >= _AT_ONCE_S else ""
    of = _part_of(stands)
    where = "In the shadow" if not stands.at.weight_ppm else f"At {_place(stands)} of {of}"
    if stands.phase is Phase.PROMOTED:
        where = f"Promoted: answers {_place(stands)} of {of}"
    if stands.ladder.split:
        where = (
            f"A fixed split, uncertified: answers {_place(stands) if stands.weight_ppm else 'nothing'} of the traffic"
        )
    if not around.has_leader:
        why = "no controller is deciding, so it cannot move up"
        if stands.next is None:
            why = "no controller is deciding, so evidence cannot take it back"
        return f"{where}; {why}. Is `crossfade serve` running?"
    if results is None:
        return f"{where}{lived}: the controller has not looked at it yet."
    waits = _wait(stands, results, now, around)
    if stands.phase is Phase.PROMOTED:
        return _ended(f"{where}{lived}{f'; {waits}' if waits else ''}")
    waits = waits or _next(stands, results, now)
    return _ended(f"{where}{lived}: {waits}")


def _part_of(stands: Rollout) -> str:
    """The traffic that a stage's share refers to, if only slices of it move."""
    moving, by = stands.held.moving, stands.ladder.moves_by
    return f"{len(moving)} of {len(stands.drawn)} parts of the traffic by {by}" if by else "the traffic"


def _next(stands: Rollout, results: Results, now: float) -> str:
    """When it moves up, now that nothing is missing."""
    if (rises := stands.ladder.rises) and rises.shut(now):
        return f"every check passed; it moves up only within {rises} (advance)"
    if stands.ladder.split:
        return "its policy asks for no check (mode: split), and it goes to its share within seconds"
    if results.cold:
        return f"every check passed; {results.waits_for}"
    return "every check passed; it moves up within seconds"


# Waits -------------------------------------------------------------------------------------------------------------


def _wait(stands: Rollout, results: Results, now: float, around: Circumstances) -> str:
    """What it waits for; empty: nothing."""
    waits = [each for each in blocks(stands, results) if each[0] != "ladder"]
    if stands.phase is Phase.PROMOTED:
        waits = [each for each in waits if each[0] in ("fault", "unhealthy", "detector")]
    if not waits:
        return ""
    rule, sentence = next((each for each in waits if each[0] in _FIRST), waits[0])
    if rule not in _FIRST and not stands.weight_ppm and around.is_budget_spent:
        return "today's budget for comparing is spent (shadow.budget); it goes on at midnight, UTC"
    if rule not in _FIRST and results.units < stands.at.min_units:
        return _units(stands, results, now)
    return _worded(rule, sentence, stands, results)


_FIRST = frozenset({"fault", "unhealthy", "detector"})
"""What is said before anything that is only not there yet."""


def _units(stands: Rollout, results: Results, now: float) -> str:
    is_open = "1 conversation is open" if results.open_units == 1 else f"{results.open_units:,} conversations are open"
    if not results.units and results.open_units and results.first_closes_at is not None:
        left_s = results.first_closes_at - now
        when = f"in {span(left_s)}" if left_s >= _AT_ONCE_S else "at any moment"
        return f"{is_open}; the first counts {when} (assign.close_after)"
    if not results.units:
        is_doubtful = not stands.at.weight_ppm and stands.lived_s >= _DOUBTFUL_S
        return f"no conversation has come yet{_DOUBT if is_doubtful else ''}"
    more = f"; {is_open}" if results.open_units else ""
    return f"{results.units:,} of the {stands.at.min_units:,} conversations that this stage wants have counted{more}"


def _worded(rule: str, sentence: str, stands: Rollout, results: Results) -> str:
    """A finding in everyday words; one that only another version knows in its own."""
    kind, _, name = rule.partition(" ")
    match kind:
        case "gate":
            gate = next((each for each in results.gates if each.gate == name), None)
            return sentence if gate is None else _gate(gate)
        case "guard":
            guard = next((each for each in results.guards if each.guard == name), None)
            return sentence if guard is None else _guard(guard)
        case "detector":
            return _detector(results, sentence)
        case "slices":
            by = stands.ladder.moves_by
            return f"it is not certain yet of any part of the traffic by {by} that it is answered well enough to move"
        case "gates":
            return "none of the checks that this stage asks for has been made yet"
        case "hold":
            least_s, left_s = stands.at.least_s, least_left_s(stands, results)
            key = "hold" if least_s <= stands.at.hold_s else "days"
            return f"every check passed; the stage lasts {span(least_s)} at least, {span(left_s)} to go ({key})"
        case "days":
            left_s = least_left_s(stands, results)
            return (
                "every check passes now, but one did not at the end of the stage's last whole day; all must pass at "
                f"the end of this one, in {span(left_s)} (days)"
            )
        case "unhealthy":
            return _unhealthy(results)
        case _:
            return sentence


def _guard(guard: GuardResult) -> str:
    """What is measured is said as it is; what is only not certain yet, as that."""
    if guard.guard in UNSEEN and guard.reason.endswith(("none seen yet", "not measured")):
        return UNSEEN[guard.guard]
    if guard.guard in UNSURE and guard.verdict is Verdict.INCONCLUSIVE:
        return UNSURE[guard.guard]
    return GUARDS.get(guard.guard, guard.reason)


def _gate(gate: GateResult) -> str:
    kind = gate_kind(gate.gate)
    name = "likeness" if gate.likeness else "vectors" if gate.fits_index else kind
    what = gate.gate.removeprefix(kind).translate(_SPACED).strip(": ")
    if name not in GATES or (what and gate.estimate is None):
        return gate.reason
    if what:
        return f"{_checked(gate, name)} ({what})"
    return _checked(gate, name)


def _checked(gate: GateResult, name: str) -> str:
    if gate.verdict is Verdict.FAIL:
        return HARM[name]
    if gate.verdict is Verdict.ERROR:
        return OVERDUE[name]
    if gate.estimate is None:
        return UNMEASURED[name]
    if gate.gate == "cost":
        return f"it costs {gate.estimate:.2f} times as much as the baseline, and {gate.limit or 0:g} are allowed"
    more = ""
    if gate.units_to_go:
        more = f"; about {gate.units_to_go:,} more conversations would show it"
    elif gate.units_to_go is None and gate.sd is not None and gate.required:
        more = "; as it looks now, more conversations would not show it"
    return f"it is not certain yet {GATES[name]}{more}"


def _detector(results: Results, sentence: str) -> str:
    """What alarmed; where requests fail, how many really came back."""
    alarm = next((each for each in results.alarms if each.raised), None)
    if alarm is None:
        return sentence
    if alarm.detector == "errors" and results.serving:
        answered, assigned = results.served
        failing = f"the candidate {results.serving}"
        if 0 < assigned == answered:  # what apps sent it, it answered
            failing = f"{DETECTORS['errors']}, copies of requests included"
        return f"{failing}{_tolerated(alarm)}"
    return f"{DETECTORS.get(gate_kind(alarm.detector), sentence)}{_tolerated(alarm)}"


def _unhealthy(results: Results) -> str:
    alarm = next((each for each in results.alarms if each.detector == "errors"), None)
    return f"{results.unhealthy}{'' if alarm is None else _tolerated(alarm)}"


def _tolerated(alarm: Alarm) -> str:
    is_share = gate_kind(alarm.detector) in ("errors", "validity", "latency") and alarm.tolerance is not None
    return f"; {(alarm.tolerance or 0.0) * 100:g} % are tolerated" if is_share else ""


# Causes ------------------------------------------------------------------------------------------------------------


def _told(now: float, entered: Decision | None) -> tuple[str, str]:
    """When, and why, each with what joins it to the sentence; both empty where nobody knows any more."""
    if entered is None or entered.before.phase is entered.rollout.phase:
        return "", ""
    passed_s = now - entered.at
    ago = f" {span(passed_s)} ago" if passed_s >= _AT_ONCE_S else ""
    if entered.rule == "operator":
        return f"{ago} by {entered.by}", f": {entered.reason.removeprefix(f'{entered.by}: ').rstrip('.')}"
    return ago, f": {_cause(entered)}"


def _cause(entered: Decision) -> str:
    """Why evidence stopped it."""
    before, results, rule = entered.before, entered.results, entered.rule
    words: dict[str, Callable[[], str]] = {
        "budget": lambda: _spent(before, results),
        "time": lambda: f"{span(before.at.max_s)} are this stage's limit, and {_missing(before, results)}",
        "futile": lambda: f"more conversations would not help: {_missing(before, results)}",
        "trial": lambda: _failed_trial(before, results, entered.reason),
        "error": lambda: (
            f"it could not be judged for {span(before.settings.error_after_s)}: {_missing(before, results)}"
        ),
    }
    found = words[rule]() if rule in words else _worded(rule, entered.reason, before, results)
    times = len(before.suspended_ago_s) if entered.rollout.phase in STOPPED and rule in ("detector", "unhealthy") else 0
    return f"{found.rstrip('.')}{f'; it was suspended {times} times within a day before' if times else ''}"


def _failed_trial(before: Rollout, results: Results, reason: str) -> str:
    """Why a suspended candidate did not come back."""
    if not results.unhealthy and not any(alarm.raised for alarm in results.alarms):
        tried = f"{results.tried} of {before.settings.trial} requests came back"
        return f"it was suspended, and its test did not end within {span(before.settings.trial_s)}: {tried}"
    return f"it was suspended, tried, and still fails: {results.unhealthy or _detector(results, reason)}"


def _spent(before: Rollout, results: Results) -> str:
    gate = results.spent_gate if before.at.by_pairs else None
    if gate is None:
        return f"{results.units:,} conversations are this stage's limit, and {_missing(before, results)}"
    return f"{gate.n:,} compared conversations are what one check may take, and {_gate(gate).partition(';')[0]}"


def _missing(before: Rollout, results: Results) -> str:
    """The gravest thing that was not shown."""
    if results.fault:
        return results.fault
    unjudged = [each for each in results.gates if each.required and each.verdict is Verdict.ERROR]
    if unjudged:
        return _gate(unjudged[0]).partition(".")[0]
    rule, sentence = next(iter(blocks(before, results)), ("", "it is not certain that it is good enough"))
    return _worded(rule, sentence, before, results).partition(";")[0]


# Words -------------------------------------------------------------------------------------------------------------


def _place(rollout: Rollout) -> str:
    """The share of traffic that the stage stands for, or that it is none."""
    return _share(rollout.at.served_ppm) if rollout.at.weight_ppm else "the shadow"


def _at(rollout: Rollout) -> str:
    return f"at {_place(rollout)}" if rollout.at.weight_ppm else "in the shadow"


def _ended(words: str) -> str:
    """Words as a sentence: a question keeps its mark."""
    return words if words.endswith("?") else f"{words}."


def _share(ppm: int) -> str:
    return f"{ppm / 10_000:g} %"


def _parts(names: tuple[str, ...]) -> str:
    several = len(names) > 1
    return f"{'Parts' if several else 'A part'} of the traffic ({', '.join(names)}) {'are' if several else 'is'}"


def _counted(units: int) -> str:
    return "1 conversation" if units == 1 else f"{units:,} conversations"


def _aside(words: str) -> str:
    return f": {words}" if words else ""
