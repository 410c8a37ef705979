"""What is published of policies and rollouts."""

from dataclasses import replace

import msgspec
import pytest

from gateway.control.publish.weights import Weighed, one_serving, plan_of, served_of, shares, weigh
from policies.rollout import Rollout, start
from policies.routing import PPM, CandidateLimits
from policies.rules import BaselineP99, CandidateKey, Gates, Held, Ladder, Quality, Rules, Stage
from policies.terms import Phase
from policies.warm_rule import WarmRule
from shadow.plan import LotSince
from shadow.warming import WarmWish
from tests.rooms.compiled_policies import POLICY, compiled, rollout


def weighed(found: Rollout | None, text: str = POLICY, *, most_ppm: int = PPM, nodes: int = 1):
    made = compiled(text)
    return weigh(made.route, made.terms, found, most_ppm=most_ppm, nodes=nodes)


def test_the_rollouts_weight() -> None:
    """The weight is the rollout's; it says which evidence it is of, and the shadow's part with the stage's own."""
    found = weighed(rollout(), nodes=2)
    assert found.route.weight_ppm == 250_000
    assert found.served is not None
    assert (found.served.key.weight_ppm, found.served.lot.reverse_ppm, found.served.lot.salt) == (250_000, PPM, "r")
    assert found.shadow is not None
    assert (found.shadow.reverse_ppm, found.shadow.budget_usd_per_day) == (PPM, 5.0)
    assert not found.is_promoted
    assert served_of({"r": found}) == {"r": found.served}
    told = msgspec.structs.replace(found.shadow, lots=(LotSince(8, found.served.lot),))
    assert plan_of({"r": found}, {}, 8).routes == (told,)


def test_the_shadow_is_told_the_lots_of_the_last_tables() -> None:
    """Each from the first table that went by it: what was served under an older one is drawn by its lot."""
    found = weighed(rollout())
    assert found.served is not None
    less = msgspec.structs.replace(found.served, lot=msgspec.structs.replace(found.served.lot, reverse_ppm=50_000))
    before = {5: {"r": found.served}, 6: {"r": found.served, "other": less}, 7: {"r": less}, 8: {}}
    (route,) = plan_of({"r": found}, before, 9).routes
    assert [(each.version, each.lot.reverse_ppm) for each in route.lots] == [(5, PPM), (7, 50_000), (9, PPM)]


def test_the_shadow_is_told_what_has_to_be_warm() -> None:
    """Its plan carries the leader's wish; at weight 0 alone, where the settings say so, a cold start is allowed for."""
    made, rule = compiled(), WarmRule(within_s=300.0)
    assert made.terms is not None
    terms = replace(made.terms, warm=rule)
    stands = {0: rollout(0, Phase.SHADOW), 2: rollout()}
    found = {stage: weigh(made.route, terms, each, most_ppm=PPM, nodes=1).shadow for stage, each in stands.items()}
    assert {stage: each and each.cold_s for stage, each in found.items()} == {0: 300.0, 2: 0.0}
    wish = WarmWish(3, 10.0)
    (told,) = plan_of({"r": weighed(rollout())}, {}, 8, {"r": wish, "other": WarmWish(1, 1.0)}).routes
    assert told.warm == wish


def test_without_a_rollout_of_this_very_candidate_nothing_moves() -> None:
    """No rollout, another candidate's, or no policy: weight 0, no evidence, no shadow."""
    other = replace(rollout(), key=CandidateKey("vllm/m", "r2"))
    for found in (weighed(None), weighed(other), weigh(compiled().route, None, rollout(), most_ppm=PPM, nodes=1)):
        assert (found.route.weight_ppm, found.served, found.shadow) == (0, None, None)


def test_an_edited_ladder_lowers_at_once() -> None:
    """Where the policy now allows less than the rollout stands on, less is served, and it is no evidence."""
    found = weighed(rollout(), POLICY.replace("{25%: {reverse_shadow: 7%}}", "60%"))
    assert found.served is not None
    assert (found.route.weight_ppm, found.served.is_evidence) == (50_000, False)


def test_no_more_than_is_allowed() -> None:
    """While the shared state is away a weight is only ever lowered."""
    assert weighed(rollout(), most_ppm=10_000).route.weight_ppm == 10_000
    served = weighed(rollout(), most_ppm=10_000).served
    assert served is not None
    assert not served.is_evidence


UNKNOWN = BaselineP99()


def suspended(ago_s: float, p99: BaselineP99 = UNKNOWN) -> Rollout:
    found = rollout(phase=Phase.SUSPENDED)
    return replace(found, suspended_ago_s=(ago_s,), held=Held(watch=1), baseline_p99=p99)


def test_a_suspended_rollout_is_asked_nothing_and_then_everything() -> None:
    """For a minute nobody, and nothing is evidence; then it is beside every answer."""
    calm, tried = weighed(suspended(59.0), nodes=2), weighed(suspended(60.0), nodes=2)
    for found, sample_ppm in ((calm, 0), (tried, PPM)):
        assert (found.route.weight_ppm, found.is_promoted) == (0, False)
        assert found.served is not None
        assert found.shadow is not None
        assert found.served.key.is_trial
        assert found.served.is_evidence is bool(sample_ppm)
        lot, plan = found.served.lot, found.shadow
        assert (lot.sample_ppm, lot.reverse_ppm, lot.noise_ppm) == (sample_ppm, 0, 0)
        assert (plan.sample_ppm, plan.reverse_ppm, plan.noise_ppm, plan.budget_usd_per_day) == (sample_ppm, 0, 0, 5.0)


@pytest.mark.parametrize(
    ("p99", "first_byte_s"),
    [
        (BaselineP99(), 30.0),
        (BaselineP99(first_token_s=0.1), 30.0),
        (BaselineP99(whole_s=4.0), 30.0),
        (BaselineP99(first_token_s=20.0, whole_s=4.0), 40.0),
        (BaselineP99(whole_s=40.0), 80.0),
    ],
)
def test_a_tried_candidate_that_hangs_is_known_within_minutes(p99: BaselineP99, first_byte_s: float) -> None:
    """It is waited for as long as a served one, and half a minute at least: slow in the background is not failed."""
    shadow = weighed(suspended(60.0, p99)).shadow
    assert shadow is not None
    assert shadow.candidate.first_byte_s == first_byte_s


@pytest.mark.parametrize("phase", [Phase.ROLLED_BACK, Phase.QUARANTINED, Phase.REJECTED])
def test_a_stopped_rollout_serves_nothing(phase: Phase) -> None:
    """After a rollback nobody gets the candidate, and nobody pays for a shadow."""
    found = weighed(rollout(0, phase))
    assert (found.route.weight_ppm, found.served, found.shadow) == (0, None, None)


def test_bypass_is_the_baseline_only() -> None:
    """A bypassed route has no evidence and no shadow."""
    found = weighed(rollout(), POLICY + "mode: bypass\n")
    assert (found.served, found.shadow, found.route.mode) == (None, None, "bypass")


def test_the_end_of_the_ladder() -> None:
    """At 100 %, less what is held back, the candidate is promoted."""
    found = weighed(rollout(3, Phase.PROMOTED))
    assert (found.route.weight_ppm, found.is_promoted) == (980_000, True)
    assert msgspec.json.decode(msgspec.json.encode(found.shadow))["route"] == "r"


def test_every_node_publishes_the_same_limits() -> None:
    """How long the candidate may take comes from the stored rollout, at any weight; before that is known, defaults."""
    assert weighed(rollout()).route.limits == CandidateLimits()
    for known in (rollout(), rollout(0, Phase.SHADOW), rollout(0, Phase.ROLLED_BACK)):
        found = weighed(replace(known, baseline_p99=BaselineP99(3.0, 40.0))).route.limits
        assert (found.first_token_s, found.whole_s, found.patience_first_token_s) == (6.0, 80.0, 3.0)


def test_an_edited_breaker_reaches_the_table() -> None:
    """No restart, no new candidate: the next table has it."""
    edited = POLICY + "guards: {breaker: {consecutive: 3, open: 9s}}\n"
    breaker = weighed(rollout(), edited).route.breaker
    assert (breaker.consecutive, breaker.open_s, weighed(rollout(), edited).route.weight_ppm) == (3, 9.0, 250_000)


LIKENESS = Quality(likeness=True)


@pytest.mark.parametrize(
    ("quality", "weight_ppm", "settled_ppm", "shares_"),
    [
        (LIKENESS, 0, None, (0, PPM, False)),
        (LIKENESS, 0, 0, (0, 20_000, False)),
        (LIKENESS, 50_000, 0, (0, 20_000, True)),
        (LIKENESS, 250_000, 0, (PPM, PPM, True)),
        (LIKENESS, 250_000, 250_000, (70_000, 20_000, True)),
        (Quality(likeness=True, deterministic=True), 0, None, (0, 20_000, False)),
        (Quality(), 0, None, (0, 20_000, False)),
        (Quality(), 250_000, 0, (PPM, 20_000, False)),
        (Quality(), 250_000, 250_000, (70_000, 20_000, False)),
    ],
)
def test_the_baseline_is_asked_for_all_until_quality_is_certified(
    quality: Quality, weight_ppm: int, settled_ppm: int | None, shares_: tuple[int, int, bool]
) -> None:
    """Once beside the candidate's own conversations, twice where likeness is what counts; then only now and then."""
    ladder = Ladder((Stage(0), Stage(50_000), Stage(250_000, reverse_shadow_ppm=70_000, reverse_until_ppm=PPM)))
    stage = [stage.weight_ppm for stage in ladder.stages].index(weight_ppm)
    rules = Rules("r", CandidateKey("vllm/m"), Gates(quality), ladder=ladder)
    standing = replace(start(rules), stage=stage, held=Held(settled_ppm=settled_ppm))
    assert shares(standing, rules, 20_000) == shares_


SPLIT = """\
route: r
match: {model: gpt-4o}
baseline: {upstream: openai}
candidate: {upstream: vllm, model: m, revision: r1}
mode: split
stages: [30%]
"""


def test_a_split_has_a_weight_and_no_shadow() -> None:
    """Who serves is known all the same; nobody is asked in the background."""
    found = weighed(rollout(1, Phase.PROMOTED, SPLIT), SPLIT)

    assert (found.route.weight_ppm, found.route.mode, found.shadow) == (300_000, "split", None)
    assert found.served is not None
    assert (found.served.lot.sample_ppm, found.served.is_evidence) == (0, True)


def test_what_is_sliced_is_told_to_whoever_reads() -> None:
    """The dimensions go with what is served; without any there is nothing."""
    sliced = POLICY + "slices: {by: [language, tool]}\n"
    found, plain = weighed(rollout(text=sliced), sliced).served, weighed(rollout()).served

    assert found is not None
    assert plain is not None
    assert (found.sliced_by, plain.sliced_by) == (("language", "tool"), ())


def test_of_several_candidates_one_is_published() -> None:
    """While nobody serves all are asked; then the one that does has its weight, and the others are neither asked nor
    told of.
    """
    each = weighed(rollout())
    shadow = Weighed(msgspec.structs.replace(each.route, weight_ppm=0), each.served, each.shadow)
    assert one_serving({"r@a": shadow, "r@b": shadow}, None) == (shadow.route, {"r@a": shadow, "r@b": shadow})
    route, found = one_serving({"r@a": shadow, "r@b": each}, "r@b")

    assert (route.weight_ppm, found["r@b"]) == (250_000, each)
    assert (found["r@a"].route.weight_ppm, found["r@a"].served, found["r@a"].shadow) == (0, None, None)


SLICED = POLICY + "slices: {by: tool, mode: partial}\n"


def test_only_certified_slices_are_published() -> None:
    """Of the policy's own dimension; of another one the rollout knows nothing, and nothing moves."""
    held = Held(moving=("tool=a",))
    partly = replace(rollout(text=SLICED), held=held, drawn=("tool=a", "tool=b"))
    found = weighed(partly, SLICED)
    assert (found.route.moves_by, found.route.moving, found.route.weight_ppm) == ("tool", ("tool=a",), 250_000)
    assert found.served is not None
    assert (found.served.sliced_by, found.served.is_evidence) == (("tool",), True)

    for other in (SLICED.replace("tool", "length"), POLICY):
        edited = weighed(partly, other)
        assert (edited.route.moving, edited.route.weight_ppm) == ((), 0)
    away = weighed(replace(partly, phase=Phase.SUSPENDED, suspended_ago_s=(61.0,)), SLICED)
    assert away.served is not None
    assert (away.served.sliced_by, away.route.weight_ppm) == (("tool",), 0)  # what is tried is known by its slice, too
    before = weighed(replace(rollout(), held=held), SLICED)
    assert (before.route.moving, before.route.weight_ppm) == ((), 0)


@pytest.mark.parametrize(("moving", "noise_ppm"), [(("tool=a",), PPM), (("tool=a", "tool=b"), 20_000)])
def test_while_a_slice_waits_the_baseline_is_asked_twice(moving: tuple[str, ...], noise_ppm: int) -> None:
    """At every stage: what it is like to itself is what the slice is held to."""
    ladder = Ladder((Stage(0), Stage(50_000), Stage(PPM)), moves_by="tool")
    rules = Rules("r", CandidateKey("vllm/m"), Gates(Quality(likeness=True)), ladder=ladder)
    stands = replace(start(rules), stage=1, phase=Phase.CANARY, drawn=("tool=a", "tool=b"), held=Held(moving=moving))

    assert shares(stands, rules, 20_000)[1] == noise_ppm
