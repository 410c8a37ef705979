"""Contradictions are refused, doubts are said; both with their place and what to do."""

import pytest

from gateway.config.yaml_file import parse
from policies.lint import findings, named_files, overlaps
from policies.schema import Policy
from policies.surroundings import KnownUpstream, Surroundings
from tests.rooms.policy_files import KEYED, READY, policy, refused, said, warned

PROMPTED = "{upstream: openai, model: gpt-4o, revision: a, system_prompt: v2.md}"
JUDGE = "[{judge: {upstream: %s, model: %s}}]"


def test_the_short_form_is_fine():
    """Nothing is refused and nothing is doubted where every upstream has its key."""
    assert said() == []


@pytest.mark.parametrize(
    ("more", "parts", "where", "says"),
    [
        ("", {"match": "{}"}, "match", "this matches every request"),
        ("", {"match": "{model: a, system_prompt: {}}"}, "match.system_prompt", "is empty"),
        ("", {"candidate": "{upstream: openai, model: gpt-4o, revision: a}"}, "candidate", "the candidate is"),
        ("", {"candidate": "{upstream: vllm, model: m, revision: a, set: {top_p: 1}, drop: [store, top_p]}"},
         "candidate.drop", "`top_p` is both set and dropped"),
        ("", {"candidate": "{upstream: vllm, model: m, revision: a, first_byte: 3s, total: 2s}"},
         "candidate.first_byte", "`first_byte` is longer than"),
        ("", {"match": "{path: /v1/completions, model: x}", "candidate": PROMPTED}, "candidate.system_prompt",
         "/v1/completions has no system prompt"),
        ("assign: {by: [user, conversation, user]}", {}, "assign.by.2", "user is listed twice"),
        ("assign: {by: [user, request, conversation]}", {}, "assign.by", "nothing after `request`"),
        ("", {"compare": "[exact, exact: {normalize: false}]"}, "compare.1", "exact is listed twice"),
        ("", {"compare": JUDGE % ("openai", "gpt-4o")}, "compare.0.judge.model", "the judge is one of"),
        ("", {"compare": JUDGE % ("vllm", "triage-7b")}, "compare.0.judge.model", "the judge is one of"),
        ("", {"compare": "[schema]"}, "compare", "no comparator here says how good an answer is"),
        ("gates: {quality: {metric: judge}}", {}, "gates.quality.metric", "no comparator here gives judge"),
        ("gates: {quality: {metric: schema}}", {"compare": "[schema, exact]"}, "gates.quality.metric",
         "schema says whether an answer is valid"),
        ("gates: {quality: {metric: feedback}}", {"compare": "[feedback, exact]"}, "gates.quality.metric",
         "feedback is shown only"),
        ("gates: {quality: {margin: -2%}}", {}, "gates.quality.margin", "json_fields says how alike answers are"),
        ("gates: {quality: [{}, {}]}", {}, "gates.quality.1", "does not say which score it uses"),
        ("gates: {quality: [{metric: exact}, {metric: exact}]}", {"compare": "[exact]"}, "gates.quality.1.metric",
         "two gates use exact"),
        ("gates: {quality: [{metric: exact}, {metric: judge}]}", {"compare": "[exact]"}, "gates.quality.1.metric",
         "no comparator here gives judge"),
        ("gates: {quality: [{metric: exact}, {metric: tool_calls}]}", {"compare": "[exact, tool_calls]"},
         "gates.quality", "two gates use how alike answers are"),
        ("gates: {quality: off}", {}, "gates.quality", "nothing would check how good the candidate's"),
        ("gates: {accept: unmeasured quality}", {}, "gates.accept", "`unmeasured quality` is accepted, but"),
        ("", {"match": "{model: gpt-4*}", "candidate": "{upstream: openai, model: gpt-4o, revision: a}"}, "candidate",
         "the candidate is the same as the baseline"),
        ("", {"match": "{model: gpt-4*}", "compare": JUDGE % ("openai", "gpt-4-x")}, "compare.0.judge.model",
         "the judge is one of"),
        ("gates: {validity: {margin: 1%}}", {}, "gates.validity", "no comparator here checks"),
        ("", {"stages": "[1%, 5%]"}, "stages.0", "traffic would move before there is any evidence"),
        ("", {"stages": "[shadow, 5%, 5%]"}, "stages.2", "weights must rise from stage to stage"),
        ("", {"stages": "[shadow, 25%, 5%, 50%]"}, "stages.2", "weights must rise from stage to stage"),
        ("", {"stages": "[shadow, shadow]"}, "stages.1", "weights must rise from stage to stage"),
        ("", {"stages": "[shadow, 50%, 51%: {holdback: 2%}]"}, "stages.2", "weights must rise"),
        ("", {"stages": "[shadow, 2%: {holdback: 2%}]"}, "stages.1.2%.holdback", "leaves the candidate no traffic"),
        ("", {"stages": "[shadow: {approve: manual}, 1%]"}, "stages.0.shadow.approve", "has no effect in the shadow"),
        ("", {"stages": "[shadow: {min_units: 9, max_units: 5}]"}, "stages.0.shadow.min_units", "asks for more"),
        ("", {"stages": "[shadow, 1%: {hold: 2d, max_time: 1d}]"}, "stages.1.1%.hold", "is longer than"),
        ("", {"stages": "[shadow: {days: 2, max_time: 1d}, 1%]"}, "stages.0.shadow.days", "is longer than"),
        ("", {"baseline": "{upstream: opanai}"}, "baseline.upstream", "no upstream is called opanai"),
        ("", {"candidate": "{upstream: x, model: m, revision: a}"}, "candidate.upstream", "no upstream is called x"),
        ("", {"compare": JUDGE % ("x", "j")}, "compare.0.judge.upstream", "no upstream is called x"),
    ],
)  # fmt: skip
def test_a_contradiction_is_refused(more: str, parts: dict[str, str], where: str, says: str):
    """At its place, with what to do."""
    found = said(more, **parts)

    assert any(place == where and message.startswith(says) for place, message in refused(found)), found
    assert all(finding.hint for finding in found)


def test_a_judge_may_share_a_name_with_what_it_does_not_judge():
    """The same model elsewhere, or another model at the same upstream, is another judge."""
    assert refused(said(compare=JUDGE % ("claude", "gpt-4o"))) == []
    assert refused(said(baseline="{upstream: openai, model: gpt-4}", compare=JUDGE % ("openai", "gpt-4o"))) == []
    assert refused(said(baseline="{upstream: openai, model: gpt-4}", compare=JUDGE % ("openai", "gpt-4"))) != []


@pytest.mark.parametrize(
    ("more", "parts", "where", "says"),
    [
        ("assign: {by: request}", {}, "assign.by", "a conversation may change its variant"),
        (
            "",
            {"stages": "[shadow: {min_units: 20}, 1%]"},
            "stages.0.shadow.min_units",
            "so few conversations prove almost nothing",
        ),
        ("", {"stages": "[shadow, 25%: {hold: 1h}]"}, "stages.1.25%.hold", "is shorter than 1d"),
        ("", {"stages": "[shadow, 100%: {reverse_shadow: 0%}]"}, "stages.1", "at 100 % no traffic is left"),
        (
            "gates: {quality: {margin: 10%}}",
            {},
            "gates.quality.margin",
            "one answer in 10 may be worse",
        ),
        ("eligible: {forbid: tools}", {"compare": "[tool_calls]"}, "eligible.forbid", "tool calls are compared, but"),
        ("", {"candidate": PROMPTED}, "candidate.system_prompt", "this text replaces the app's whole"),
        (
            "guards: {judge_bias: 5%}",
            {"compare": "[{python: {ref: 'a.py:f'}}]"},
            "guards.judge_bias",
            "nothing advances until people have labelled about",
        ),
        ("mode: observe", {}, "mode", "`observe` moves no traffic"),
        ("assign: {by: request}", {"compare": "[exact, feedback]"}, "compare.1", "where a request names no user, one"),
        (
            "",
            {"match": "{path: /v1/responses}"},
            "match.path",
            "only requests that say `store: false` go to the candidate",
        ),
    ],
)
def test_a_doubt_is_said(more: str, parts: dict[str, str], where: str, says: str):
    """And keeps nothing from loading."""
    found = said(more, **parts)

    assert refused(found) == []
    assert [place for place, message in warned(found) if message.startswith(says)] == [where]


def test_a_judges_bias_says_what_it_takes():
    """How many labels, where, and what a coarser limit takes; where nobody scores, there is nothing to hold."""
    found = said("guards: {judge_bias: 10%}", compare="[{python: {ref: 'a.py:f'}}]")
    hint = next(each.hint for each in found if each.loc == ("guards", "judge_bias"))
    assert "--pool judged" in hint
    assert "`judge_bias: 0.2` takes about" in hint
    gates = "gates: {quality: [{metric: exact}, {metric: python}]}\n"
    second = said(f"{gates}guards: {{judge_bias: 10%}}", compare="[exact, {python: {ref: 'a.py:f'}}]")
    hint = next(each.hint for each in second if each.loc == ("guards", "judge_bias"))
    assert hint == "put python first in `gates.quality`"
    likeness = said("guards: {judge_bias: 10%}", compare="[exact]")
    assert (
        "guards.judge_bias",
        "no comparator here says which answer is better, so there is nothing to compare people's labels with",
    ) in refused(likeness)


def test_votes_of_units_that_are_people_are_no_doubt():
    """Where a unit is a user or a conversation, nobody counts many times."""
    assert said(compare="[exact, feedback]") == []


def test_calls_that_nobody_waits_for_need_a_key():
    """A judge and a reverse shadow without one are refused; the noise floor is only off."""
    keyless = Surroundings({name: KnownUpstream(is_priced=True) for name in ("openai", "vllm")})
    found = said(
        surroundings=keyless, compare=JUDGE % ("openai", "j"), stages="[shadow, 1%, 100%: {reverse_shadow: 5%}]"
    )

    assert [place for place, _ in refused(found)] == ["compare.0.judge.upstream", "stages.2.100%.reverse_shadow"]
    assert [place for place, _ in warned(found)] == ["shadow.noise_floor"]
    scored = "[{python: {ref: 'a.py:f'}}]"
    quiet = said("shadow: {noise_floor: 0%}", keyless, compare=scored, stages="[shadow, 1%]")
    assert quiet == []
    assert [place for place, _ in warned(said(surroundings=keyless))] == ["shadow.noise_floor", "stages.5"]


def test_a_word_that_the_baseline_always_answers_alike_is_taken_unchecked():
    """Without a key nobody asks it twice; what is not known then is another thing with that word and without it."""
    keyless = Surroundings({name: KnownUpstream(is_priced=True) for name in ("openai", "vllm")})
    declared = said(surroundings=keyless, baseline="{upstream: openai, deterministic: true}")
    unsaid = said(surroundings=keyless, compare="[{python: {ref: 'a.py:f'}}]")
    for found, unknown in ((declared, "that it always gives the same answer"), (unsaid, "how alike its answers are")):
        (message,) = [message for place, message in warned(found) if place == "shadow.noise_floor"]
        assert message.endswith(f"nothing checks {unknown}")


def test_a_candidate_that_nobody_may_ask_is_named():
    """An upstream without a key of ours answers no candidate's request: a mistake of the settings, and no harm."""
    openai = KnownUpstream(has_background_key=True, is_priced=True, can_be_candidate=False)
    found = said(surroundings=Surroundings({"openai": openai}), candidate="{upstream: openai, model: m, revision: a}")

    assert refused(found) == []
    (message,) = [message for place, message in warned(found) if place == "candidate.upstream"]
    assert "a caller's key is never sent to a candidate" in message


def test_a_gate_that_could_never_pass_is_refused():
    """A required cost gate without prices holds for ever."""
    unpriced = Surroundings({name: KnownUpstream(has_background_key=True) for name in ("openai", "vllm")})

    assert refused(said("gates: {cost: {required: true}}", unpriced)) == [
        ("gates.cost", "a price is unknown, so this gate can never pass")
    ]
    assert said("gates: {cost: {required: false}}", unpriced) == said("gates: {cost: off}", unpriced) == []


@pytest.mark.parametrize(("budget", "doubted"), [("$0/day", True), ("$0.001/day", True), ("$0.01/day", False)])
def test_a_budget_that_pays_for_no_call_is_named(budget: str, *, doubted: bool):
    """It would compare nothing and certify nothing, for ever, and nothing else would say why."""
    found = [message for place, message in warned(said(f"shadow: {{budget: {budget}}}")) if place == "shadow.budget"]

    assert (found == ["pays for hardly one call a day: too few answers are compared for any check to pass"]) is doubted


def test_a_budget_for_what_nobody_prices_is_named():
    """Calls of an upstream without a price are no free ones; servers of one's own are."""
    theirs = KnownUpstream(has_background_key=True, is_engine=False)
    known = Surroundings({"openai": theirs, "vllm": KnownUpstream(has_background_key=True)})
    found = [message for place, message in warned(said(surroundings=known)) if place == "shadow.budget"]

    assert found == ["the price of upstream openai is unknown: the budget charges what the most expensive models cost"]


def test_keys_without_names_match_nothing():
    """In pass-through mode callers bring keys of their own."""
    nameless = Surroundings(READY.upstreams, has_keys=False)
    found = said("pin_keys: ml", nameless, match="{model: gpt-4o, key: team}")

    assert [place for place, _ in warned(found)] == ["match.key", "pin_keys"]
    assert said(surroundings=nameless) == []


def test_files_are_named_with_their_place():
    """Rubrics, schemas and scorers; whether they are there, the shell can tell."""
    compare = (
        "[exact, schema: {file: a.json}, judge: {upstream: openai, model: j, rubric: r.md}, "
        "python: {ref: 'e/x.py:f'}, schema, promptfoo: {file: p.yaml}]"
    )

    assert list(named_files(policy(compare=compare))) == [
        (("compare", 1, "schema", "file"), "a.json"),
        (("compare", 2, "judge", "rubric"), "r.md"),
        (("compare", 3, "python", "ref"), "e/x.py"),
        (("compare", 5, "promptfoo", "file"), "p.yaml"),
    ]


def test_without_surroundings_nothing_is_said_of_upstreams():
    """A file can be checked where no settings are."""
    assert said(surroundings=None, baseline="{upstream: nowhere}") == []


def test_two_files_may_not_have_one_route():
    """Its state, its records and its commands go by its name."""
    ((name, finding),) = overlaps({"b.yaml": policy(), "a.yaml": policy()})

    assert (name, finding.refused, finding.message) == ("b.yaml", True, "a.yaml has a route of the same name")


@pytest.mark.parametrize(
    ("one", "two", "overlap"),
    [
        ("{model: a}", "{model: a}", True),
        ("{model: a}", "{model: b}", False),
        ("{model: [a, b]}", "{key: team}", True),
        ("{header: {x: a}}", "{header: {x: b}}", False),
        ("{header: {x: a}}", "{header: {y: b}}", True),
        ("{metadata: {f: a}}", "{metadata: {f: [b, a]}}", True),
        ("{path: /v1/responses}", "{path: /v1/completions}", False),
        ("{model: a, system_prompt: {sha256: " + "0" * 64 + "}}", "{system_prompt: {sha256: " + "1" * 64 + "}}", False),
        ("{model: a, system_prompt: {contains: x}}", "{model: a, system_prompt: {contains: y}}", True),
    ],
)
def test_an_overlap_is_a_warning_at_the_later_one(one: str, two: str, *, overlap: bool):
    """Requests of both go to the first in matching order: by priority, then by file name."""
    found = overlaps(
        {"a.yaml": policy("priority: -1", match=one, route="one"), "b.yaml": policy(match=two, route="two")}
    )

    assert [(name, finding.refused) for name, finding in found] == ([("a.yaml", False)] if overlap else [])
    assert READY.upstreams


def test_likeness_needs_a_second_answer_of_the_baseline():
    """Without a key for it a likeness gate is refused, with the three ways out; any of them will do."""
    keyless = Surroundings({"openai": KnownUpstream(is_priced=True), "vllm": KEYED})
    found = [each for each in said("", keyless) if each.refused]
    assert [each.loc for each in found] == [("compare",)]
    assert all(way in found[0].hint for way in ("background_key_file", "deterministic: true", "judge or a scorer"))
    assert not refused(said("", keyless, baseline="{upstream: openai, deterministic: true}"))
    assert not refused(said("", keyless, compare="[{python: {ref: 'a.py:f'}}]"))
    assert not refused(said(""))


def test_who_wants_it_cheap_says_that_quality_is_unmeasured():
    """The words are accepted; that something must be won by it is said."""
    words = "gates: {quality: off, accept: unmeasured quality%s}"
    dear, cheap = (said(words % cost) for cost in ("", ", cost: {max_ratio: 0.5x, required: true}"))

    assert refused(dear) == refused(cheap) == []
    assert warned(cheap) == []
    assert warned(dear) == [("gates.quality", "nothing checks quality, and nothing demands a saving in return")]


def test_globs_that_meet_overlap():
    """Two files whose stars let one request in are told, others are not."""
    files = {"a.yaml": policy(match="{model: 'gpt-4o*'}"), "b.yaml": policy(route="b", match="{model: '*-mini'}")}
    apart = files | {"b.yaml": policy(route="b", match="{model: 'gpt-5*'}")}

    assert [name for name, _ in overlaps(files)] == ["b.yaml"]
    assert overlaps(apart) == ()


@pytest.mark.parametrize("more", ["system_prompt: v2.md", "set: {temperature: 0}", "drop: [temperature]"])
def test_what_is_asked_otherwise_is_another_candidate(more: str):
    """On the baseline's own model and upstream: a prompt or a way of decoding may be what changes."""
    sha = "1" * 64
    found = said(
        match=f"{{model: gpt-4o, system_prompt: {{sha256: {sha}}}}}",
        candidate=f"{{upstream: openai, model: gpt-4o, revision: a, {more}}}",
    )

    assert found == []
    assert [name for _, name in named_files(policy(candidate=PROMPTED))] == ["v2.md"]


SPLIT = (
    "route: a\nmatch: {model: m}\nbaseline: {upstream: openai}\ncandidate: {upstream: vllm, model: x, revision: r}\n"
)


@pytest.mark.parametrize(
    ("more", "where", "says"),
    [
        ("stages: [30%]", "", ""),
        ("stages: [30%: {approve: manual, holdback: 1%}]", "", ""),
        ("stages: [30%, 50%]", "stages", "`mode: split` takes exactly one share of the traffic"),
        ("stages: [shadow]", "stages", "`mode: split` takes exactly one share of the traffic"),
        ("stages: [30%: {hold: 1h}]", "stages.0.30%.hold", "has no effect with `mode: split`"),
        (
            "stages: [30%: {holdback: 30%}]",
            "stages.0.30%.holdback",
            "leaves the candidate no traffic: it is as large as the candidate's share",
        ),
        (
            "stages: [30%]\ngates: {latency: off}",
            "gates",
            "has no effect with `mode: split`, which compares nothing",
        ),
        ("stages: [30%]\ncompare: [exact]", "compare", "has no effect with `mode: split`"),
        ("stages: [30%]\nshadow: {sample: 5%}", "shadow", "has no effect with `mode: split`"),
    ],
)
def test_a_split_is_one_share_and_called_uncertified(more: str, where: str, says: str):
    """What would make certificates is refused, and that there are none is said each time."""
    found = findings(Policy.model_validate(parse(f"{SPLIT}mode: split\n{more}", "p.yaml").value), READY)

    assert [place for place, _ in refused(list(found))] == ([where] if where else [])
    assert all(message.startswith(says) for _, message in refused(list(found)))
    if not where:
        assert warned(list(found)) == [
            ("mode", "30% of the traffic moves without evidence: nothing checks whether answers are as good")
        ]
