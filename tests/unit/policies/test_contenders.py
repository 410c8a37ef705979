"""Several candidates in one policy file: what each contender is, and what several cannot mean."""

import pytest

from gateway.config.yaml_file import parse
from policies.compile import decision_rules, route
from policies.contenders import contenders, named_candidates
from policies.lint import findings, named_files
from policies.schema import Policy
from tests.rooms.policy_files import READY, complaints, refused

TWO = """\
route: triage
match: {model: gpt-4o}
baseline: {upstream: openai}
candidates:
  - {name: small, upstream: vllm, model: triage-3b, revision: r1}
  - {name: tuned, upstream: vllm, model: triage-7b, revision: r1}
compare: [json_fields]
stages: [shadow, 1%, 100%]
"""


def read(text: str) -> Policy:
    return Policy.model_validate(parse(text, "p.yaml").value)


def test_each_candidate_is_a_contender_of_its_own():
    """It has a name and a key of its own; all else is the route's: lots, assignment, and what is compared by what."""
    both = contenders(read(TWO))
    rules = [decision_rules(each, READY) for each in both]
    routes = [route(each, weight_ppm=0) for each in both]

    assert [each.route for each in rules] == ["triage@small", "triage@tuned"]
    assert [each.key.candidate for each in rules] == ["vllm/triage-3b", "vllm/triage-7b"]
    assert rules[0].key.digest != rules[1].key.digest
    assert [(each.name, each.assign.salt) for each in routes] == [("triage", "triage")] * 2
    assert [each.candidate and each.candidate.model for each in routes] == ["triage-3b", "triage-7b"]
    assert (rules[0].gates, rules[0].ladder) == (rules[1].gates, rules[1].ladder)


def test_a_policy_with_one_candidate_is_its_own_contender():
    """Nothing of it changes: name, key and route are those it always had."""
    text = TWO.replace("candidates:\n", "").replace("  - {name: small, ", "candidate: {").replace(
        "  - {name: tuned, upstream: vllm, model: triage-7b, revision: r1}\n", ""
    )  # fmt: skip
    one = read(text)

    assert contenders(one) == (one,)
    assert decision_rules(one, READY).route == "triage"
    assert decision_rules(one, READY).key == decision_rules(contenders(read(TWO))[0], READY).key


@pytest.mark.parametrize(
    ("before", "after", "where", "says"),
    [
        ("compare:", "candidate: {upstream: vllm, model: m, revision: r1}\ncompare:", "candidates", "both"),
        ("  - {name: tuned, upstream: vllm, model: triage-7b, revision: r1}\n", "", "candidates", "one entry only"),
        ("name: tuned", "name: small", "candidates.1.name", "small is listed twice"),
        ("model: triage-7b", "model: triage-3b", "candidates.1", "tuned is small under another name"),
        ("route: triage", "route: triage\nmode: split", "mode", "compares nothing"),
        ("compare:", "gates: {quality: off, accept: unmeasured quality}\ncompare:", "gates.quality", "quality is off"),
        ("compare:", "slices: {by: tool, mode: partial}\ncompare:", "slices.mode", "`mode: partial` takes one"),
        ("compare:", "pin_keys: [ada]\ncompare:", "pin_keys", "a pinned request asks"),
        ("upstream: vllm, model: triage-7b", "upstream: nobody, model: m", "candidates.1.upstream", "nobody"),
        ("r1}\ncompare", "r1, drop: [a], set: {a: 1}}\ncompare", "candidates.1.drop", "`a` is both"),
    ],
)  # fmt: skip
def test_what_several_cannot_mean_is_refused(before: str, after: str, where: str, says: str):
    """Each with its place in the file: the list, the one of them, or the key that does not go with several."""
    found = refused(list(findings(read(TWO.replace(before, after, 1)), READY)))

    assert where in [place for place, _ in found]
    assert says in next(message for place, message in found if place == where)


def test_two_are_fine_and_what_holds_for_both_is_said_once():
    """Nothing is refused of two; a doubt about the whole policy is not repeated for each."""
    assert refused(list(findings(read(TWO), READY))) == []
    said = findings(read(TWO + "mode: observe\n"), READY)
    assert len([each for each in said if each.loc == ("mode",)]) == 1


def test_slices_that_hold_the_whole_go_with_several():
    """Each candidate is held to them by evidence of its own."""
    sliced = read(TWO + "slices: {by: [tool, language]}\n")
    assert refused(list(findings(sliced, READY))) == []
    assert [decision_rules(each, READY).gates.slices for each in contenders(sliced)] == [("tool", "language")] * 2


def test_keys_of_a_candidate_are_read_strictly():
    """A typo in one of several is refused where it stands; a policy must have one or several."""
    text = "[{name: small, upstream: vllm, model: m, revison: r1}, {upstream: vllm, model: n, revision: r1}]"
    said = "\n".join(complaints(f"candidates: {text}"))
    assert "`revison` is no key here (did you mean `revision`?)" in said
    assert "`candidates.1.name` is missing" in said
    nobody = parse(
        "\n".join(line for line in TWO.splitlines() if "name:" not in line and "candidates" not in line), "p"
    )
    with pytest.raises(ValueError, match="`candidate` is missing"):
        Policy.model_validate(nobody.value)


def test_files_of_every_candidate_are_named_with_their_place():
    """So that a prompt that is not there is told of in its own line."""
    text = TWO.replace("model: triage-7b,", "model: triage-7b, system_prompt: v2.md,")

    assert list(named_files(read(text))) == [(("candidates", 1, "system_prompt"), "v2.md")]
    assert [loc for loc, _ in named_candidates(read(text))] == [("candidates", 0), ("candidates", 1)]
