import hashlib
from pathlib import Path

import pytest

from gateway.control.publish.policy_compiler import PolicyReader
from gateway.control.publish.policy_folder import PolicyTextError
from policies.surroundings import KnownUpstream, Surroundings

SURROUNDINGS = Surroundings(
    {"openai": KnownUpstream(has_background_key=True), "vllm": KnownUpstream(has_background_key=True)}
)
POLICY = """\
route: support-triage
priority: 3
match: {model: gpt-4o}
baseline: {upstream: openai}
candidate: {upstream: vllm, model: triage-7b, revision: 2026-11-18}
compare: [json_fields]
"""


def reader() -> PolicyReader:
    return PolicyReader(SURROUNDINGS)


def test_a_policy_becomes_a_route() -> None:
    """A file's priority, route and candidate arrive in the table's form, at weight 0."""
    compiled = reader().compile(POLICY + "stages: [shadow, 1%, 100%]\n", "support-triage.yaml")
    assert (compiled.priority, compiled.route.name, compiled.route.weight_ppm) == (3, "support-triage", 0)
    assert compiled.route.candidate is not None
    assert (compiled.route.candidate.upstream, compiled.route.candidate.revision) == ("vllm", "2026-11-18")


def test_the_controllers_terms() -> None:
    """A file's rules, mode, hash and the shadow's part come with its route; the salt is the route's own."""
    text = POLICY + "stages: [shadow, 100%]\nmode: observe\nshadow: {sample: 20%, budget: $5/day}\n"
    terms = PolicyReader(SURROUNDINGS, "/p").compile(text, "a.yaml").terms
    assert terms is not None
    assert (terms.mode, terms.policy_sha256) == ("observe", hashlib.sha256(text.encode()).hexdigest())
    assert terms.rules.route == "support-triage"
    assert terms.shadow.candidate_key == terms.rules.key.digest
    shadow = terms.shadow
    assert (shadow.sample_ppm, shadow.budget_usd_per_day, shadow.salt, shadow.folder) == (
        200_000, 5.0, "support-triage", "/p",
    )  # fmt: skip
    assert (shadow.metric, list(shadow.compare[0]), shadow.reverse_ppm) == ("json_fields", ["json_fields"], 0)
    assert shadow.noise_ppm == 20_000


def test_how_far_back_votes_are_compared() -> None:
    """As the file's `feedback` says; it is no part of the terms, so that nothing that decides knows of votes."""
    plain = reader().compile(POLICY + "stages: [shadow]\n", "a.yaml")
    text = POLICY.replace("[json_fields]", "[json_fields, {feedback: {window: 7d}}]")
    voted = reader().compile(text + "stages: [shadow]\n", "a.yaml")
    assert (plain.votes_window_s, voted.votes_window_s) == (None, 7 * 86_400.0)
    assert plain.terms is not None
    assert voted.terms is not None
    assert plain.terms.rules == voted.terms.rules


def test_evidence_belongs_to_a_rubrics_words(tmp_path: Path) -> None:
    """Another rubric is another judge, and so another key; one that cannot be read keeps the policy from loading."""
    text = (
        POLICY.replace("[json_fields]", "[{judge: {upstream: openai, model: j, rubric: r.md}}]") + "stages: [shadow]\n"
    )

    def key(words: str) -> str:
        (tmp_path / "r.md").write_text(words, encoding="utf-8")
        terms = PolicyReader(SURROUNDINGS, str(tmp_path)).compile(text, "a.yaml").terms
        assert terms is not None
        return terms.rules.key.digest

    assert key("Be brief.") == key("Be brief.") != key("Be long.")
    with pytest.raises(PolicyTextError, match=r"^a.yaml:6:\d+: r.md: No such file or directory. hint: paths"):
        PolicyReader(SURROUNDINGS, "/nowhere").compile(text, "a.yaml")


DECLARED = "{upstream: openai, deterministic: true}"


def test_no_key_no_noise_floor() -> None:
    """A baseline that cannot be asked in the background is not asked a second time: likeness is then by declaration."""
    alone = Surroundings({"openai": KnownUpstream(), "vllm": KnownUpstream(has_background_key=True)})
    terms = (
        PolicyReader(alone)
        .compile(POLICY.replace("{upstream: openai}", DECLARED) + "stages: [shadow, 100%]\n", "a.yaml")
        .terms
    )
    assert terms is not None
    assert terms.shadow.noise_ppm == 0


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


def test_each_of_several_candidates_has_its_own_terms(tmp_path: Path) -> None:
    """One route for the data plane with each as its candidate; rollouts of their own, that know each other; one lot."""
    (tmp_path / "v2.md").write_text("Be brief.\n")
    several = (
        "candidates:\n  - {name: a, upstream: vllm, model: m, revision: r}\n  - {name: b, upstream: vllm, model: m, "
    )
    text = POLICY.replace(
        "candidate: {upstream: vllm, model: triage-7b, revision: 2026-11-18}",
        several + "revision: r, system_prompt: v2.md}",
    )
    found = PolicyReader(SURROUNDINGS, str(tmp_path)).compile(text + "stages: [shadow, 100%]\n", "a.yaml")
    first, second = found.contenders

    assert [each.route.name for each in found.contenders] == ["support-triage"] * 2
    assert [each.route.candidate and each.route.candidate.system_prompt for each in found.contenders] == [
        None,
        "Be brief.",
    ]
    assert (first.terms.name, first.terms.others) == ("support-triage@a", ("support-triage@b",))
    assert (second.terms.name, second.terms.others) == ("support-triage@b", ("support-triage@a",))
    assert {each.terms.shadow.salt for each in found.contenders} == {"support-triage"}
    assert first.terms.rules.key.digest != second.terms.rules.key.digest
    assert found.parts == ((first.route, first.terms), (second.route, second.terms))
    one = reader().compile(POLICY + "stages: [shadow, 100%]\n", "b.yaml")
    assert (one.contenders, one.parts) == ((), ((one.route, one.terms),))


def test_a_file_of_one_of_several_is_missed_where_it_is_named(tmp_path: Path) -> None:
    """At the line of that candidate."""
    several = "candidates:\n  - {name: a, upstream: vllm, model: m, revision: r}\n"
    text = POLICY.replace(
        "candidate: {upstream: vllm, model: triage-7b, revision: 2026-11-18}",
        several + "  - {name: b, upstream: vllm, model: n, revision: r, system_prompt: nowhere.md}",
    )
    with pytest.raises(PolicyTextError, match=r"a.yaml:7:\d+: nowhere.md"):
        PolicyReader(SURROUNDINGS, str(tmp_path)).compile(text + "stages: [shadow, 100%]\n", "a.yaml")
