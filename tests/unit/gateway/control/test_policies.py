import pytest

from gateway import yamlfile
from gateway.control.policies import PolicyReader, first_stage_ppm
from gateway.control.policy_files import PolicyTextError
from policies.compile import Known, Surroundings
from policies.schema import Policy

SURROUNDINGS = Surroundings({"openai": Known(has_background_key=True), "vllm": Known(has_background_key=True)})
POLICY = """\
route: support-triage
priority: 3
match: {model: gpt-4o}
baseline: {upstream: openai}
candidate: {upstream: vllm, model: triage-7b, revision: 2026-11-18}
compare: [json_fields]
"""


def reader() -> PolicyReader:
    return PolicyReader(SURROUNDINGS, first_stage_ppm)


def test_a_policy_becomes_a_route() -> None:
    """A file's priority, route and candidate arrive in the table's form, at the weight of its first stage."""
    compiled = reader().compile(POLICY + "stages: [shadow, 1%, 100%]\n", "support-triage.yaml")
    assert (compiled.priority, compiled.route.name, compiled.route.weight_ppm) == (3, "support-triage", 0)
    assert compiled.route.candidate is not None
    assert (compiled.route.candidate.upstream, compiled.route.candidate.revision) == ("vllm", "2026-11-18")


@pytest.mark.parametrize(
    ("stages", "weight_ppm"), [(["shadow", "1%"], 0), (["30%"], 300_000), ([{"5%": {"hold": "24h"}}, "100%"], 50_000)]
)
def test_the_weight_of_the_first_stage(stages: list[object], weight_ppm: int) -> None:
    """Until rollouts have a state of their own, a policy stands at its first stage."""
    policy = Policy.model_validate({**yamlfile.parse(POLICY, "a.yaml").value, "stages": stages})
    assert first_stage_ppm(policy) == weight_ppm


def test_a_weight_comes_from_the_seam() -> None:
    """Whatever weighs a policy decides its route's weight; the file's stages are only its ladder."""
    compiled = PolicyReader(SURROUNDINGS, lambda _: 123_456).compile(POLICY + "stages: [shadow, 100%]\n", "a.yaml")
    assert compiled.route.weight_ppm == 123_456


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (POLICY + "stags: [30%]\n", "a.yaml:7:1: `stags` is no key here. hint: did you mean `stages`?"),
        (POLICY.replace("vllm", "vlmm") + "stages: [30%]\n", "a.yaml:5:"),
        ("{", "a.yaml:"),
        ("", "a.yaml"),
    ],
)
def test_what_does_not_load_says_where(text: str, expected: str) -> None:
    """An error is one line per place: file, line, column, and what was meant, without the file's own text."""
    with pytest.raises(PolicyTextError) as error:
        reader().compile(text, "a.yaml")
    assert expected in str(error.value)
    assert "\n" not in str(error.value)
