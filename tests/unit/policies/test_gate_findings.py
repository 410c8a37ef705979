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
    ],
)  # fmt: skip
def test_gates_are_looked_at(gates: str, compare: str, said: str):
    """At its place, one of a list by its position."""
    found = list(gate_findings(policy(f"gates: {gates}", compare=compare)))

    assert said in "".join(f"{'.'.join(map(str, each.loc))} {each.message}\n" for each in found)
    assert bool(found) is bool(said)
