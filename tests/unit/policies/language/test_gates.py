"""Gates and guards as a policy writes them."""

import pytest

from policies.language.gates import Gates
from tests.rooms.policy_files import complaints, policy


@pytest.mark.parametrize(
    ("latency", "limit"),
    [
        ("{}", ("ttft", 0.95, None, 1.2)), ("{warmup: 0}", ("ttft", 0.95, None, 1.2)),
        ("{total_p99: 2s}", ("total", 0.99, 2.0, None)), ("{relative: {total_p50: 1.5x}}", ("total", 0.5, None, 1.5)),
        ("{relative: {}}", ("ttft", 0.95, None, 1.2)),
    ],
)  # fmt: skip
def test_a_latency_gate_is_one_quantile_of_one_measure(latency: str, limit: tuple[object, ...]):
    """In seconds, or as a multiple of the baseline's; by default 1.2 times its p95 to the first token."""
    gate = policy(f"gates: {{latency: {latency}}}").gates.latency

    assert gate is not None
    assert gate.limit == limit


def test_gates_that_may_be_switched_off_are():
    """`off` is a word here, not false."""
    gates = policy("gates: {latency: off, validity: off, cost: off}").gates

    assert (gates.latency, gates.validity, gates.cost) == (None, None, None)


def test_a_gate_may_be_switched_off_but_not_left_empty():
    """An empty gate could mean either; harm by errors and by quality is always looked for."""
    assert "is empty (write `off`, or leave it out for the default)" in complaints("gates: {cost: }")[0]
    assert complaints("gates: {quality: off}") != []
    assert complaints("gates: {errors: off}") != []


@pytest.mark.parametrize(
    "guard", ["error_rate: 0%", "judge_bias: 0", "length_ratio: {min: 2}", "breaker: {window: 0s}", "outputs: maybe"]
)
def test_guards_that_could_never_hold_are_refused(guard: str):
    """A tolerance of nothing rolls back at the first accident."""
    assert len(complaints(f"guards: {{{guard}}}")) == 1


def test_the_json_schema_has_the_word_off():
    """Beside the gate itself."""
    assert Gates.model_json_schema()["properties"]["cost"]["anyOf"][0] == {"const": "off"}


def test_one_limit_is_all_a_latency_gate_has():
    """Two would be two gates."""
    assert "more than one limit" in complaints("gates: {latency: {ttft_p95: 1s, relative: {ttft_p95: 2x}}}")[0]
