"""A policy as the controller compiles it, and a rollout of it."""

from dataclasses import replace

from gateway.control.publish.policy_compiler import PolicyReader
from gateway.control.publish.policy_folder import Compiled
from policies.rollout import Rollout, start
from policies.surroundings import KnownUpstream, Surroundings
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
