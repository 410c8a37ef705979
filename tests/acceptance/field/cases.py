"""The cases, each with what has to come of it."""

from dataclasses import dataclass
from typing import Literal

from tests.acceptance.field.stand_ins import Sampler

Ending = Literal["promoted", "undecided", "taken back"]

ALIKE = 0.89
"""A model that is right so often agrees with itself in 0.8 of its answers."""
LESS = 0.76
"""And with such a model in 0.68: 0.12 less than that one with itself."""
SLOW_FOR = 1000
"""Answers of a brown-out."""
SECONDS = 0.3
"""What the baseline takes else: so long that a busy machine's own tenths do not hide three times as much."""
_POLICY = """\
route: field
match: {{model: gpt-4o}}
baseline: {{upstream: openai{deterministic}}}
candidate: {{upstream: vllm, model: tuned, revision: r1, first_byte: 60s, total: 90s}}
assign: {{by: [user], close_after: 1s, population: fixed}}
shadow: {{max_in_flight: 16, queue: 8192, budget: $1000/day, sample: {sample}}}
compare: [{comparator}]
gates: {{quality: {{margin: {margin}}}, errors: {{margin: 0.1}}, latency: {latency}, cost: off}}
guards: {{length_ratio: {{min: 0.1, max: 10}}}}
stages:
  - shadow: {{min_units: {min_units}, days: 0}}
  - 50%: {{min_units: 100, hold: 1s, reverse_shadow: {sample}}}
  - 100%: {{hold: 1s, reverse_shadow: 5%}}
"""
_JUDGE = "judge: {upstream: third, model: judge, sample: 100%, version: '1'}"


@dataclass(frozen=True, slots=True)
class FieldCase:
    """One case."""

    name: str
    baseline: Sampler
    candidate: Sampler
    policy: str
    ending: Ending
    says: str = ""
    """What the last decision's text has to say."""
    top_ppm: int = 1_000_000
    """The most weight the candidate may have had."""


def _written(
    comparator: str = "exact", *, margin: float = 0.05, min_units: int = 100, latency: str = "off", sample: str = "100%"
) -> str:
    deterministic = ", deterministic: true" if latency != "off" else ""
    return _POLICY.format(
        comparator=comparator, margin=margin, min_units=min_units, latency=latency, deterministic=deterministic,
        sample=sample,
    )  # fmt: skip


def _brown_out(name: str, seconds: float, ending: Ending, top_ppm: int) -> FieldCase:
    """The baseline four times as slow in its first answers; `seconds`: what the candidate always takes."""
    # A line is known from 12 blocks of 250 requests of the baseline on. On a busy machine the shadow cannot ask beside
    # each of so many: what grows too old is a loss of the candidate's, and it is not for that that it is held here.
    policy = _written(latency="{relative: {ttft_p95: 1.2x, block: 1s}, warmup: 20}", min_units=3500, sample="20%")
    baseline = Sampler("baseline", 1.0, SECONDS, slow=4.0, slow_for=SLOW_FOR)
    return FieldCase(name, baseline, Sampler("candidate", 1.0, seconds), policy, ending, top_ppm=top_ppm)


def cases() -> tuple[FieldCase, ...]:
    """All of them, with models that have answered nothing yet."""
    return (
        FieldCase("A/A", Sampler("b", ALIKE), Sampler("c", ALIKE), _written(), "promoted"),
        FieldCase(
            "0.12 less alike", Sampler("b", ALIKE), Sampler("c", LESS), _written(), "undecided",
            "let a judge, a scorer or people score the pairs", 0,
        ),
        FieldCase(
            "0.12 less, judged", Sampler("b", ALIKE), Sampler("c", LESS), _written(_JUDGE, margin=0.02), "taken back",
            "harm is certified", 0,
        ),
        _brown_out("brown-out, 3x slower", 3 * SECONDS, "taken back", 500_000),
        _brown_out("brown-out, equal", SECONDS, "promoted", 1_000_000),
    )  # fmt: skip
