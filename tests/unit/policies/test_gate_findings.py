"""What is said about gates, by itself; with everything else, `test_lint`."""

import pytest

from policies.gate_findings import gate_findings
from tests.rooms.policy_files import policy


@pytest.mark.parametrize(
    ("gates", "compare", "said"),
    [
        ("{}", "[exact]", ""),
        ("{quality: {margin: -2%}}", "[exact]", "gates.quality.margin exact says how alike"),
        ("{quality: {margin: 15%}}", "[exact]", "gates.quality.margin one answer in 7 may be worse"),
        ("{quality: [{metric: exact}, {}]}", "[exact]", "gates.quality.1 does not say which score it uses"),
        ("{quality: off}", "[exact]", "gates.quality nothing would check"),
        ("{quality: off, accept: unmeasured quality, cost: {required: true}}", "[]", ""),
        ("{quality: off, accept: unmeasured quality, cost: {required: true}}\nslices: {by: tool}", "[]",
         "slices quality is off, so slices have nothing to check"),
        ("{}\nslices: {by: [tool, length, tool]}", "[exact]", "slices.by.2 tool is listed twice"),
        ("{}\nslices: {by: [tool, length]}", "[exact]", ""),
        ("{}\nslices: {by: tool, mode: partial}", "[exact]", ""),
        ("{}\nslices: {by: [tool, length], mode: partial}", "[exact]",
         "slices.by several dimensions put a request into several slices"),
        ("{}\nslices: {by: language, mode: partial}", "[exact]", "slices.by a worker cannot tell this"),
        ("{}\nslices: {by: length, mode: partial}", "[exact]", "slices.by a growing conversation changes its slice"),
        (f"{{}}\nslices: {{by: 'metadata:{'k' * 200}', mode: partial}}", "[exact]", "slices.by is longer than 128"),
        ("{latency: {relative: {ttft_p95: 2x, block: 1m}}}", "[exact]", "gates.latency.relative.block a block of 1m"),
        ("{}", "[exact, {python: {ref: 'a.py:f'}}]",
         "compare.1 python scores, but no gate uses it: quality uses exact"),
        ("{quality: [{metric: exact}, {metric: python}]}", "[exact, {python: {ref: 'a.py:f'}}]", ""),
        ("{quality: off, accept: unmeasured quality, cost: {required: true}}", "[{python: {ref: 'a.py:f'}}]",
         "compare.0 python scores, but no gate uses it: quality is off"),
    ],
)  # fmt: skip
def test_gates_are_looked_at(gates: str, compare: str, said: str):
    """At its place, one of a list by its position."""
    found = list(gate_findings(policy(f"gates: {gates}", compare=compare)))

    assert said in "".join(f"{'.'.join(map(str, each.loc))} {each.message}\n" for each in found)
    assert bool(found) is bool(said)


@pytest.mark.parametrize(
    ("stages", "is_said"),
    [("[shadow, 50%, 100%]", True), ("[shadow, 25%, 100%]", False), ("[shadow, 100%: {approve: manual}]", False)],
)
def test_much_traffic_at_once_is_worth_a_second_look(stages: str, *, is_said: bool):
    """Where half of it or more follows the shadow, and nobody is asked for a word."""
    found = list(gate_findings(policy(stages=stages)))
    assert [each.message.startswith("the first stage after the shadow takes 50% of the traffic") for each in found] == [
        True
    ] * is_said


def test_what_gates_do_not_go_by_has_a_way_out():
    """The gates with it, as they would be written."""
    found = list(gate_findings(policy(compare="[exact, {python: {ref: 'a.py:f'}}]")))
    assert [each.hint for each in found] == [
        "write `gates: {quality: [{metric: exact}, {metric: python}]}`, or remove it"
    ]
