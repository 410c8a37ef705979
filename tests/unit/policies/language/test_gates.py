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
    assert gate.limits == (limit,)


def test_gates_that_may_be_switched_off_are():
    """`off` is a word here, not false."""
    gates = policy("gates: {quality: off, latency: off, validity: off, cost: off}").gates

    assert (gates.quality, gates.latency, gates.validity, gates.cost) == (None, None, None, None)


def test_a_gate_may_be_switched_off_but_not_left_empty():
    """An empty gate could mean either; harm by errors is always looked for."""
    assert "is empty (write `off`, or leave it out for the default)" in complaints("gates: {cost: }")[0]
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


def test_a_latency_gate_may_have_several_limits():
    """Each quantile that is named has its own; seconds come before multiples."""
    gate = policy("gates: {latency: {total_p95: 8s, ttft_p95: 1s, relative: {ttft_p50: 2x}}}").gates.latency

    assert gate is not None
    assert gate.limits == (("ttft", 0.95, 1.0, None), ("total", 0.95, 8.0, None), ("ttft", 0.5, None, 2.0))


@pytest.mark.parametrize(("margin", "means"), [("0.02", 0.02), ("2%", 0.02), ("-0.02", -0.02), ("-2%", -0.02)])
def test_a_margin_below_nought_demands_better(margin: str, means: float):
    """In both ways of writing it."""
    gates = policy(f"gates: {{quality: {{margin: {margin}}}}}").gates.quality

    assert gates is not None
    assert [gate.margin for gate in gates] == [pytest.approx(means)]


@pytest.mark.parametrize("margin", ["0", "0%", "-0", "1", "-1", "100%", ".nan", "much", "true"])
def test_a_margin_that_means_nothing_is_refused(margin: str):
    """At 0 one that is equal would never pass, and at 1 anything would."""
    assert len(complaints(f"gates: {{quality: {{margin: {margin}}}}}")) == 1


def test_one_quality_is_short_for_a_list():
    """It is written back as it was written; several stay a list."""
    one, two = (policy(f"gates: {{quality: {text}}}").gates for text in ("{margin: 2%}", "[{}, {metric: judge}]"))

    assert one.model_dump()["quality"]["margin"] == 0.02
    assert [each["metric"] for each in two.model_dump()["quality"]] == [None, "judge"]
