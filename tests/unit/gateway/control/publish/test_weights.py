"""What is published of policies and rollouts."""

from dataclasses import replace

import msgspec
import pytest

from gateway.control.publish.policy_compiler import PolicyReader
from gateway.control.publish.policy_folder import Compiled
from gateway.control.publish.weights import plan_of, served_of, weigh
from policies.compile import KnownUpstream, Surroundings
from policies.rollout import Rollout, start
from policies.routing import PPM
from policies.rules import CandidateKey
from policies.terms import Phase

SURROUNDINGS = Surroundings(
    {"openai": KnownUpstream(has_background_key=True), "vllm": KnownUpstream(has_background_key=True)}
)
POLICY = """\
route: r
match: {model: gpt-4o}
baseline: {upstream: openai}
candidate: {upstream: vllm, model: m, revision: r1}
shadow: {budget: $10/day}
compare: [exact]
stages: [shadow, 5%, {25%: {reverse_shadow: 7%}}, {100%: {holdback: 2%}}]
"""


def compiled(text: str = POLICY) -> Compiled:
    return PolicyReader(SURROUNDINGS).compile(text, "a.yaml")


def rollout(stage: int = 2, phase: Phase = Phase.CANARY, text: str = POLICY) -> Rollout:
    terms = compiled(text).terms
    assert terms is not None
    return replace(start(terms.rules), stage=stage, phase=phase)


def weighed(found: Rollout | None, text: str = POLICY, *, most_ppm: int = PPM, nodes: int = 1):
    made = compiled(text)
    return weigh(made.route, made.terms, found, most_ppm=most_ppm, nodes=nodes)


def test_the_rollouts_weight() -> None:
    """The weight is the rollout's; it says which evidence it is of, and the shadow's part with the stage's own."""
    found = weighed(rollout(), nodes=2)
    assert found.route.weight_ppm == 250_000
    assert found.served is not None
    assert (found.served.key.weight_ppm, found.served.lot.reverse_ppm, found.served.lot.salt) == (250_000, 70_000, "r")
    assert found.shadow is not None
    assert (found.shadow.reverse_ppm, found.shadow.budget_usd_per_day) == (70_000, 5.0)
    assert not found.is_promoted
    assert served_of({"r": found}) == {"r": found.served}
    assert plan_of({"r": found}).routes == (found.shadow,)


def test_without_a_rollout_of_this_very_candidate_nothing_moves() -> None:
    """No rollout, another candidate's, or no policy: weight 0, no evidence, no shadow."""
    other = replace(rollout(), key=CandidateKey("vllm/m", "r2"))
    for found in (weighed(None), weighed(other), weigh(compiled().route, None, rollout(), most_ppm=PPM, nodes=1)):
        assert (found.route.weight_ppm, found.served, found.shadow) == (0, None, None)


def test_an_edited_ladder_lowers_at_once() -> None:
    """Where the policy now allows less than the rollout stands on, less is served, and it is no evidence."""
    found = weighed(rollout(), POLICY.replace("{25%: {reverse_shadow: 7%}}", "60%"))
    assert (found.route.weight_ppm, found.served) == (50_000, None)


def test_no_more_than_is_allowed() -> None:
    """While the shared state is away a weight is only ever lowered."""
    assert weighed(rollout(), most_ppm=10_000).route.weight_ppm == 10_000
    assert weighed(rollout(), most_ppm=10_000).served is None


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
