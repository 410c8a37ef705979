"""The first sentence: every phase and every reason has one, and nobody needs the glossary for it."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from policies import guards
from policies.events import PairEvent
from policies.evidence import Evidence
from policies.first_sentence import Circumstances, decided_sentence, first_sentence
from policies.results import Alarm, GateResult, GuardResult, Results
from policies.review import Conditions, review
from policies.rollout import Decision, Rollout, blocks, command, revise, start, step
from policies.rules import Gates, Guards, Ladder, Rules, Stage
from policies.terms import Move, Phase, Verb, Verdict
from policies.windows import RiseWindow
from tests.rooms.pair_events import KEY, evidence, filled, pair
from tests.rooms.rollouts import GOOD, HEALTHY, PASSES, QUIET, RULES, UNSURE, WAITS

NOW = 1_800_000_000.0
GLOSSARY = Path(__file__).parents[3] / "docs/glossary.md"

PLAIN = frozenset(
    {
        "app", "attempt", "baseline", "candidate", "comparison", "decision", "feedback", "hold", "journal", "limit",
        "move", "promote", "quarantined", "roll back", "route", "rollout", "score", "shadow", "stage", "suspended",
        "upstream",
    }
)  # fmt: skip
"""Words of the glossary that the README uses at once, or that everybody knows: they may stand in a sentence."""
NEVER = re.compile(
    r"log10|e-value|(?<!un)certif|confidence|\bunits?\b|inconclusive|interval|alpha|p-value|\bnan\b|(?-i:None)", re.I
)


def hard_words() -> set[str]:
    """What only the glossary explains."""
    rows = re.findall(r"^\| ([^|]+?) \|", GLOSSARY.read_text("utf-8"), re.MULTILINE)
    words = {word.strip().lower() for row in rows[2:] for word in row.split(",")}
    return words - PLAIN - {"word"}


def assert_plain(sentence: str) -> None:
    assert sentence[0].isupper()
    assert sentence.rstrip("`")[-1] in ".?"
    outside = re.sub(r"`[^`]*`|\([a-z_]+(\.[a-z_]+)?\)", "", sentence)  # commands and policy keys are what one types
    assert not NEVER.search(outside), sentence
    found = [word for word in hard_words() if re.search(rf"\b{re.escape(word)}s?\b", outside.lower())]
    assert not found, (found, sentence)
    assert "_" not in outside, sentence


SUSPENDING = replace(RULES.rollback, trial=200)


def at(stage: int, phase: Phase, **more: float) -> Rollout:
    return replace(start(RULES), stage=stage, phase=phase, lived_s=60.0, settings=SUSPENDING, **more)  # pyright: ignore[reportArgumentType]


WHERE = {
    Phase.SHADOW: at(0, Phase.SHADOW),
    Phase.CANARY: at(1, Phase.CANARY),
    Phase.APPROVING: at(1, Phase.APPROVING),
    Phase.PAUSED: at(1, Phase.PAUSED),
    Phase.PROMOTED: at(3, Phase.PROMOTED),
    Phase.SUSPENDED: replace(at(1, Phase.SUSPENDED), suspended_ago_s=(60.0,)),
    Phase.ROLLED_BACK: at(0, Phase.ROLLED_BACK, rollbacks=1),
    Phase.QUARANTINED: at(0, Phase.QUARANTINED, rollbacks=3),
    Phase.REJECTED: at(0, Phase.REJECTED),
}


def gate(name: str, verdict: Verdict, estimate: float | None = 0.01, **more: bool) -> GateResult:
    return GateResult(name, verdict, f"{name}: log10 e 0.2 of 1.3: harm is certified", 300, estimate, sd=0.4,
                      units_to_go=None, limit=0.6, **more)  # fmt: skip


GATES = [
    gate(name, verdict, estimate, likeness=meaning == "likeness", fits_index=meaning == "vectors")
    for name, meaning in (
        ("quality", ""), ("quality", "likeness"), ("quality", "vectors"), ("validity", ""), ("errors", ""),
        ("latency", ""), ("cost", ""),
    )
    for verdict in (Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.FAIL)
    for estimate in (None, 0.01)
]  # fmt: skip
GUARDS = [
    GuardResult(each.guard, verdict, f"{each.guard}: 12 of 100 units{end}")
    for each in guards.watch(evidence(RULES))
    for verdict in (Verdict.INCONCLUSIVE, Verdict.FAIL)
    for end in ("", "none seen yet", "not measured")
]
ALARMS = [
    Alarm(name, 5.0, 4.0, raised=True, reason=f"detector {name}: log10 5 of 4", tolerance=0.02)
    for name in ("errors", "validity", "quality", "latency")
]
SERVED = "failed its last 5 requests (HTTP 5xx)"
FOUND: list[Results] = [
    Results(),
    replace(UNSURE, units=0, open_units=240, first_closes_at=NOW + 1620),
    replace(UNSURE, units=0, open_units=1, first_closes_at=NOW - 5),
    replace(UNSURE, units=40, open_units=7),
    replace(UNSURE, units=20_000),
    replace(UNSURE, units=20_000, gates=(PASSES, replace(WAITS, futile=True))),
    GOOD,
    replace(GOOD, units=1_000_000),
    replace(GOOD, tried=57),
    replace(GOOD, tried=200),
    replace(GOOD, tried=200, fault="the comparisons are 12 min behind the traffic, and 10 min are allowed"),
    replace(GOOD, fault="the comparisons are 12 min behind the traffic, and 10 min are allowed"),
    replace(GOOD, unhealthy=f"the candidate {SERVED}"),
    *(Results((PASSES, each), (HEALTHY,), (QUIET,), units=300) for each in GATES),
    *(Results((PASSES,), (each,), (QUIET,), units=300) for each in GUARDS),
    *(Results((PASSES,), (HEALTHY,), (each,), units=300, serving=SERVED) for each in ALARMS),
]


def moves(phase: Phase) -> list[Decision]:
    """Every decision that any finding and any word brings about in a phase."""
    stands = WHERE[phase]
    long = replace(stands, lived_s=1e9, seen_at=NOW, suspended_ago_s=stands.suspended_ago_s and (1e6,))
    lasting = replace(stands, error_s=1e6, seen_at=NOW)
    often = replace(stands, suspended_ago_s=(80.0, 60.0))
    made = [step(each, found, now=NOW) for each in (stands, long, lasting, often) for found in FOUND]
    made += [command(stands, verb, now=NOW, by="ann", reason="incident 7") for verb in Verb]
    made += [
        revise(stands, replace(RULES, key=KEY), now=NOW),
        revise(stands, replace(RULES, ladder=Ladder((Stage(0), Stage(500_000)))), now=NOW),
    ]
    return made


@pytest.mark.parametrize(
    ("served", "says"),
    [
        ((57, 62), f"the candidate {SERVED}; 2 % are tolerated"),
        (
            (62, 62),
            "the candidate failed too many of its latest requests, copies of requests included; 2 % are tolerated",
        ),
    ],
)
def test_a_candidate_that_failed_copies_alone_is_not_said_to_have_failed_apps(served: tuple[int, int], says: str):
    """Where all was answered that apps sent it, how much that was is no reason."""
    ill = Results((PASSES,), (HEALTHY,), (ALARMS[0],), units=300, serving=SERVED, served=served)
    decided = step(WHERE[Phase.CANARY], ill, now=NOW)

    assert says in first_sentence(decided.rollout, ill, now=NOW, entered=decided)


@pytest.mark.parametrize("phase", list(Phase))
def test_every_decision_begins_with_a_plain_sentence(phase: Phase):
    """Whatever is found or said in a phase, what is told at once needs no glossary, then or an hour later."""
    for decision in moves(phase):
        assert_plain(decided_sentence(decision))
        later = first_sentence(decision.rollout, None, now=NOW + 3600, entered=decision)
        assert_plain(later)


@pytest.mark.parametrize("phase", list(Phase))
def test_every_wait_has_its_sentence(phase: Phase):
    """All that can stand between a stage and the next is said in its own words, never by its number."""
    told = {first_sentence(WHERE[phase], found, now=NOW) for found in FOUND}
    for sentence in told:
        assert_plain(sentence)
    if phase in (Phase.SHADOW, Phase.CANARY):
        rules = {rule for found in FOUND for rule, _ in blocks(WHERE[phase], found)}
        assert {"fault", "unhealthy", "detector", "gates", "units"} < rules
        assert len(told) > 40


def test_conversations_that_are_open_are_told_with_when_they_count():
    """Before the first counts: how many are open, when the first counts, and which key of the policy says so."""
    waiting = replace(UNSURE, units=0, open_units=240, first_closes_at=NOW + 1620)
    stands = replace(WHERE[Phase.SHADOW], lived_s=180.0)
    assert first_sentence(stands, waiting, now=NOW) == (
        "In the shadow for 3 min: 240 conversations are open; the first counts in 27 min (assign.close_after)."
    )


def test_a_route_that_nothing_comes_to_is_doubted_in_the_shadow_alone_and_not_at_once():
    """Where traffic came up to this stage, or the minute is not over, the question would send people after nothing."""
    nothing, doubt = replace(UNSURE, units=0), "no conversation has come yet. Does the app send"
    assert doubt in first_sentence(replace(WHERE[Phase.SHADOW], lived_s=180.0), nothing, now=NOW)
    for stands in (replace(WHERE[Phase.SHADOW], lived_s=20.0), replace(WHERE[Phase.CANARY], lived_s=180.0)):
        assert first_sentence(stands, nothing, now=NOW).endswith("no conversation has come yet.")


def test_a_rollback_says_what_happened_when_and_what_ends_it():
    """The cause in numbers anyone understands, and neither `hold` nor seconds of cooldown."""
    ill = replace(GOOD, unhealthy=f"the candidate {SERVED}", alarms=(replace(QUIET, tolerance=0.02),))
    stands = replace(WHERE[Phase.CANARY], settings=replace(RULES.rollback, cooldown_s=86_400.0, trial=0))
    decision = step(stands, ill, now=NOW)
    assert decision.move is Move.ROLL_BACK
    rest = replace(decision.rollout, lived_s=120.0)
    assert first_sentence(rest, None, now=NOW + 130, entered=decision) == (
        "Rolled back 2 min ago: the candidate failed its last 5 requests (HTTP 5xx); 2 % are tolerated. The baseline "
        "answers everything; it starts again in the shadow in 24 h, or at once with `crossfade resume triage "
        "--reason …`."
    )


def test_a_suspension_says_what_happened_and_how_far_its_trial_is():
    """From the alarm to the return or the rollback: why, and what comes next."""
    ill = replace(GOOD, unhealthy=f"the candidate {SERVED}")
    away = step(WHERE[Phase.CANARY], ill, now=NOW)
    why = f"Suspended at 5 %: the candidate {SERVED}. The baseline answers everything; "
    assert (
        decided_sentence(away)
        == f"{why}in 60 s it is tested on copies of 200 requests, while apps get the baseline's answers."
    )
    trying = replace(away.rollout, suspended_ago_s=(70.0,), seen_at=NOW + 70)
    told = first_sentence(trying, replace(GOOD, tried=57), now=NOW + 70, entered=away)
    assert told.endswith("it is being tested on copies of requests: 57 of 200 went well.")
    spent = first_sentence(trying, GOOD, now=NOW + 70, around=Circumstances(is_budget_spent=True))
    assert "today's budget for comparing is spent (shadow.budget)" in spent
    alone = first_sentence(trying, GOOD, now=NOW + 70, around=Circumstances(has_leader=False))
    assert "no controller is deciding, so it cannot come back" in alone
    back = step(trying, replace(GOOD, tried=200), now=NOW + 70)
    assert decided_sentence(back) == "Back at 5 %: 200 test requests went well."
    failed = step(trying, replace(GOOD, tried=3, alarms=(ALARMS[0],)), now=NOW + 70)
    assert decided_sentence(failed).startswith(
        "Rolled back: it was suspended, tried, and still fails: the candidate failed too many of its latest "
        "requests; 2 % are tolerated."
    )


def test_the_third_alarm_of_a_day_says_so():
    """Why this one cost the day, where others did not."""
    often = replace(WHERE[Phase.CANARY], suspended_ago_s=(80.0, 60.0))
    third = step(often, replace(GOOD, alarms=(ALARMS[0],)), now=NOW)
    assert "; it was suspended 2 times within a day before. " in decided_sentence(third)


def test_an_operators_word_is_told_with_who_said_it():
    """Who and why, and not which rule."""
    decision = command(WHERE[Phase.CANARY], Verb.ROLLBACK, now=NOW, by="ann", reason="incident 7")
    assert first_sentence(decision.rollout, None, now=NOW + 7200, entered=decision).startswith(
        "Rolled back 2 h ago by ann: incident 7. "
    )


def test_what_waits_for_a_word_says_since_when():
    """Which stage, on what evidence, how long ago, and the command; where nobody knows since when, all but that."""
    asking = replace(at(1, Phase.CANARY), ladder=replace(RULES.ladder, stages=tuple(
        replace(stage, approve="manual") for stage in RULES.ladder.stages
    )))  # fmt: skip
    asked = step(asking, GOOD, now=NOW)
    word = "50 % waits for your approval: `crossfade promote triage --reason …`."

    assert asked.move is Move.AWAIT
    assert decided_sentence(asked) == f"Every check passed at 5 %; {word}"
    assert first_sentence(asked.rollout, GOOD, now=NOW + 7200, entered=asked) == (
        f"Every check passed at 5 % 2 h ago; {word}"
    )
    assert first_sentence(asked.rollout, GOOD, now=NOW + 7200) == f"Every check passed at 5 %; {word}"


def test_a_stop_that_nobody_remembers_is_told_without_a_cause():
    """An old one's decision may be gone; what ends it is still said."""
    assert first_sentence(WHERE[Phase.REJECTED], None, now=NOW) == (
        "Rejected. No user saw it; it stays out until a new revision, or `crossfade resume triage --reason …`."
    )


@pytest.mark.parametrize(
    ("around", "words"),
    [
        (Circumstances(has_leader=False), "no controller is deciding, so it cannot move up"),
        (Circumstances(is_budget_spent=True), "today's budget for comparing is spent (shadow.budget)"),
    ],
)
def test_what_a_rollout_cannot_know_is_said_first(around: Circumstances, words: str):
    """Without a leader, or without money to compare, nothing else it waits for would help."""
    told = first_sentence(WHERE[Phase.SHADOW], UNSURE, now=NOW, around=around)
    assert words in told
    assert_plain(told)


def test_what_has_all_traffic_has_nowhere_to_move_up():
    """Without anybody who decides, the news of a promoted candidate is that nothing would take it back."""
    told = first_sentence(WHERE[Phase.PROMOTED], GOOD, now=NOW, around=Circumstances(has_leader=False))
    assert "no controller is deciding, so evidence cannot take it back" in told
    assert "move up" not in told


def test_a_hold_says_how_long_it_lasts():
    """The stage's least time and what is left of it."""
    stage = replace(RULES.ladder.stages[1], hold_s=86_400.0)
    stands = replace(
        WHERE[Phase.CANARY], ladder=Ladder((RULES.ladder.stages[0], stage, Stage(1_000_000))), lived_s=7200.0
    )
    assert first_sentence(stands, replace(GOOD, units=300), now=NOW) == (
        "At 5 % of the traffic for 2 h: every check passed; the stage lasts 24 h at least, 22 h to go (hold)."
    )


DAYS = replace(RULES.ladder.stages[0], hold_s=3600.0, days=1, by_pairs=True)
DAILY = replace(WHERE[Phase.SHADOW], ladder=Ladder((DAYS, *RULES.ladder.stages[1:])))


@pytest.mark.parametrize(
    ("lived_s", "at_day", "words"),
    [
        (6 * 3600.0, None, "every check passed; the stage lasts 24 h at least, 18 h to go (days)."),
        (
            30 * 3600.0,
            (),
            "every check passes now, but one did not at the end of the stage's last whole day; all must pass at the "
            "end of this one, in 18 h (days).",
        ),
        (30 * 3600.0, ("quality",), "every check passed; it moves up within seconds."),
    ],
)
def test_whole_days_say_how_long_they_last(lived_s: float, at_day: tuple[str, ...] | None, words: str):
    """A stage's least time may be a day; from its first day on, what is certified must have been so at a day's end."""
    stands = replace(DAILY, lived_s=lived_s, held_at_day=at_day)
    said = first_sentence(stands, replace(GOOD, units=300), now=NOW)
    assert said.endswith(words)
    assert_plain(said)


def test_a_checks_own_budget_is_told_by_its_pairs():
    """Not by the conversations of the stage, which are no limit where each check has its own."""
    spent = replace(gate("quality", Verdict.INCONCLUSIVE), n=4000, budget=4000)
    decision = step(DAILY, Results((spent,), (HEALTHY,), (QUIET,), units=90_000), now=NOW)
    said = decided_sentence(decision)
    assert decision.rule == "budget"
    assert "4,000 compared conversations are what one check may take" in said
    assert "90,000" not in said
    assert_plain(said)


def test_answers_that_are_not_certified_yet_are_not_called_alike():
    """A guard that is only not sure accuses nobody; one that is sure does."""
    said = {}
    for verdict in (Verdict.INCONCLUSIVE, Verdict.FAIL):
        found = replace(GOOD, units=300, guards=(GuardResult("outputs", verdict, "outputs: 3 of 9"),))
        said[verdict] = first_sentence(WHERE[Phase.SHADOW], found, now=NOW)
    assert said[Verdict.INCONCLUSIVE].endswith(
        "it is not certain yet that its answers are as varied as the baseline's."
    )
    assert said[Verdict.FAIL].endswith("it gives the same answer too often.")


def test_open_conversations_of_real_traffic_reach_the_sentence():
    """What the leader knows beside the evidence is what the sentence says."""
    rules = Rules("triage", KEY, Gates(latency=None), Guards(outputs="observed"))
    found: Evidence = evidence(rules)
    events: list[PairEvent] = [pair(f"u{i}") for i in range(3)]
    for event in events:
        found.observe(event)
    seen = Conditions(NOW, open_units=3, first_closes_at=NOW + 60)
    results = review(found, start(rules), now=NOW, seen=seen)
    assert "3 conversations are open; the first counts in 60 s" in first_sentence(start(rules), results, now=NOW)
    assert filled(events, rules).count("units") == 3


SPLIT = Ladder((Stage(0, min_units=0), Stage(300_000)), split=True)


def test_a_fixed_split_says_what_it_is():
    """In the one word that must not be missing: nothing has certified its share."""
    rules = replace(RULES, gates=Gates(None, None, None, None, None), ladder=SPLIT)
    up = step(start(rules), Results(), now=NOW)
    there = first_sentence(up.rollout, Results(units=5), now=NOW)
    below = first_sentence(up.before, Results(), now=NOW)

    assert decided_sentence(up) == "Moved up to 30 %: a fixed split, uncertified, as the policy says."
    assert there == "A fixed split, uncertified: answers 30 % of the traffic."
    assert below.startswith(
        "A fixed split, uncertified: answers nothing of the traffic: its policy asks for no check (mode: split), and"
    )
    for sentence in (there, below):
        assert_plain(sentence)


def test_hours_in_which_nothing_rises_are_told():
    """All is well, and it waits for somebody to be there."""
    ladder = replace(RULES.ladder, rises=RiseWindow((6,), 540, 1020, "Europe/Berlin"))
    said = first_sentence(replace(WHERE[Phase.SHADOW], ladder=ladder), GOOD, now=NOW)

    assert said.endswith("every check passed; it moves up only within sun 9:00-17:00 Europe/Berlin (advance).")
    assert_plain(said)


def test_servers_that_are_not_warm_yet_are_told():
    """Certified or tried, it waits for them, and says how many answer; an operator's word says that it did not wait."""
    cold = replace(GOOD, cold="2 of 4 replicas answer; it gives up in 8 min", tried=200)
    tried = replace(
        WHERE[Phase.SUSPENDED], settings=replace(RULES.rollback, trial=200, calm_s=10.0), suspended_ago_s=(100.0,)
    )
    told = "it waits for its servers to be warm: 2 of 4 replicas answer; it gives up in 8 min."
    word = command(WHERE[Phase.SHADOW], Verb.PROMOTE, now=NOW, by="ana", reason="go", seen=cold)

    assert first_sentence(WHERE[Phase.SHADOW], cold, now=NOW).endswith(f"every check passed; {told}")
    assert first_sentence(tried, cold, now=NOW).endswith(f"The baseline answers everything; {told}")
    assert decided_sentence(word).endswith(
        "ana said so (go; its servers were not waited for: 2 of 4 replicas answer; it gives up in 8 min)."
    )
    assert_plain(first_sentence(WHERE[Phase.SHADOW], cold, now=NOW))


def test_an_operators_word_is_told_as_one_even_if_it_is_empty():
    """Whoever raises by hand without a reason has raised it: no check is said to have passed."""
    for phase, verb in ((Phase.SHADOW, Verb.PROMOTE), (Phase.PAUSED, Verb.RESUME), (Phase.ROLLED_BACK, Verb.RESUME)):
        said = decided_sentence(command(WHERE[phase], verb, now=NOW, by="ana", reason=""))
        assert said.endswith("ana said so.")
        assert "passed" not in said


@pytest.mark.parametrize(
    ("gate", "ends"),
    [
        ("quality@language=german", "compared with the baseline's (language=german)."),
        ("quality:promptfoo", "compared with the baseline's (promptfoo)."),
        ("latency:total_p95", "that it answers fast enough (total p95)."),
    ],
)
def test_further_gates_and_slices_say_which(gate: str, ends: str):
    """In the words of their kind, with what they are of."""
    waits = replace(WAITS, gate=gate, estimate=-0.2)
    said = first_sentence(WHERE[Phase.SHADOW], replace(GOOD, gates=(PASSES, waits)), now=NOW)

    assert said.endswith(ends)
    assert_plain(said)


def partly(stands: Rollout, *moving: str) -> Rollout:
    """Where slices move alone: two are tested, and these are certified."""
    held = replace(stands.held, moving=moving)
    ladder = replace(stands.ladder, moves_by="tool")
    return replace(stands, ladder=ladder, drawn=("tool=pay", "tool=search"), held=held, lived_s=7200.0)


def test_where_parts_of_the_traffic_move_alone_they_are_told():
    """Of how many parts a share is, that none is certain yet, and which joins, in plain words."""
    shadow, canary = partly(WHERE[Phase.SHADOW]), partly(WHERE[Phase.CANARY], "tool=pay")
    none = first_sentence(shadow, GOOD, now=NOW)
    some = first_sentence(canary, replace(UNSURE, units=40), now=NOW)
    top = first_sentence(partly(WHERE[Phase.PROMOTED], "tool=pay", "tool=search"), GOOD, now=NOW)
    joins = [decided_sentence(step(each, replace(GOOD, joins=("tool=search",)), now=NOW)) for each in (shadow, canary)]
    both = decided_sentence(step(shadow, replace(GOOD, joins=("tool=search", "tool=pay")), now=NOW))

    assert none == (
        "In the shadow for 2 h: it is not certain yet of any part of the traffic by tool that it is answered well "
        "enough to move."
    )
    assert some.startswith("At 5 % of 1 of 2 parts of the traffic by tool for 2 h: ")
    assert top.startswith("Promoted: answers 98 % of 2 of 2 parts of the traffic by tool for 2 h")
    assert joins == [
        "A part of the traffic (tool=search) is known to be answered well enough, and the first to move up.",
        "A part of the traffic (tool=search) is known to be answered well enough, and answered by it from now on as "
        "the others are.",
    ]
    assert both.startswith("Parts of the traffic (tool=search, tool=pay) are known to be answered well enough, and ")
    for sentence in (none, some, top, *joins, both):
        assert_plain(sentence.replace("tool=", ""))


def test_where_likeness_alone_was_asked_for_a_pause_says_what_would_tell_better_from_worse() -> None:
    """More conversations would not help: two answers that differ say nothing of which is better."""
    for verdict, advised in ((Verdict.INCONCLUSIVE, True), (Verdict.PASS, False)):
        waits = gate("quality", verdict, likeness=True)
        stuck = replace(UNSURE, units=20_000, gates=(replace(waits, futile=True), replace(WAITS, futile=True)))
        decision = step(at(1, Phase.CANARY), stuck, now=NOW)
        assert decision.rollout.phase is Phase.PAUSED
        told = decided_sentence(decision)
        assert ("let a judge, a scorer or people score the pairs" in told) is advised, told
