"""A policy becomes the data plane's route and the core's rules, with the defaults of the design."""

import math
from dataclasses import replace

import msgspec
import pytest

from policies import readings, routing
from policies import rules as core
from policies.compile import quality_metric, route, votes_window_s
from policies.language.amounts import PPM
from policies.surroundings import KnownUpstream, Surroundings
from policies.windows import RiseWindow
from tests.rooms.policy_files import READY, policy, rules

JUDGED = "[exact, {judge: {upstream: openai, model: j, sample: 50%}}]"


def test_the_short_form_has_the_cores_own_defaults():
    """Where a policy says nothing, the rules are the core's own, and what the design has added since."""
    found = rules()

    assert found.gates == core.Gates(
        quality=core.Quality(metric="json_fields", likeness=True, missing=-1.0),
        latency=core.Latency(block_s=3600.0, counts_failures=True),
        cost=core.Cost(),
        plans_by_alpha=True,
    )
    assert found.guards == core.Guards(
        outputs="observed",
        same_answers=0.25,
        unscored_rate=0.02,
        abstain_rate=0.02,
        late_rate=0.01,
        hang_ups=0.05,
        busy_rate=0.01,
    )
    assert found.detectors == core.Detectors(spare_s=60.0, rho=0.3, baseline_excused=True, empty=0.05)
    assert found.bets == core.BETS
    asked = {stage.weight_ppm: stage.reverse_until_ppm for stage in found.ladder.stages}
    assert asked == {0: 0, 10_000: 0, 50_000: 0, 250_000: PPM, 500_000: PPM, PPM: PPM}
    unmeasured = rules("gates: {quality: off, accept: unmeasured quality}").ladder.stages
    assert {(stage.reverse_until_ppm, stage.reverse_shadow_ppm) for stage in unmeasured} == {(0, 0), (0, 50_000)}
    plain = tuple(replace(stage, reverse_until_ppm=0, days=None, by_pairs=False) for stage in found.ladder.stages)
    assert core.Ladder(plain) == core.Ladder()
    assert found.rollback == core.RollbackSettings(trial=200)
    assert found.units == core.Units(rho_users=0.3, rho_prompts=0.5, late=True, outage_after=1)


def test_a_fixed_population_weighs_every_conversation_alike():
    """Where the same users are all there will ever be, each of their conversations counts whole."""
    assert rules("assign: {population: fixed}").units == core.Units(late=True, outage_after=1)


def test_what_is_assumed_of_a_missing_verdict_is_the_policys_word():
    """Nothing, unless it says so."""
    found = rules("gates: {quality: {missing: {at_worst: -0.5}}}").gates.quality
    assert found is not None
    assert found.missing == -0.5


def test_a_route_carries_what_a_worker_needs():
    """Matching, eligibility, both variants and the unit; the weight is the rollout's, not the file's."""
    found = route(
        policy(
            "eligible: {max_input_tokens: 1000, bytes_per_token: 4, forbid: n>1, stateless: true}\n"
            "assign: {by: [user, request], salt: s}\nguards: {breaker: {consecutive: 3, open: 10s}}\npin_keys: ml",
            match="{model: a, path: /v1/responses, header: {X-App: b}, key: c, metadata: {d: e}, "
            "system_prompt: {contains: f}}",
            baseline="{upstream: openai, model: a-2}",
            candidate="{upstream: vllm, model: m, revision: r, set: {temperature: 0, stop: [x]}, drop: store, "
            "first_byte: 1s, total: 2s}",
        ),
        weight_ppm=7,
    )

    raw = {"temperature": b"0", "stop": b'["x"]'}
    assert {name: bytes(value) for name, value in (found.candidate or found.baseline).set.items()} == raw
    plain = msgspec.structs.replace(found.candidate or found.baseline, set={})
    assert msgspec.structs.replace(found, candidate=plain) == routing.Route(
        "support-triage",
        routing.Variant("openai", "a-2"),
        routing.Match(("a",), ("/v1/responses",), {"x-app": ("b",)}, ("c",), {"d": ("e",)}, ("f",)),
        eligible=routing.Eligible(4000, ("n>1",), stateless=True),
        candidate=routing.Variant("vllm", "m", "r", drop=("store",), first_byte_s=1.0, total_s=2.0),
        weight_ppm=7,
        assign=routing.Assign(("user", "request"), "s"),
        breaker=routing.Breaker(consecutive=3, open_s=10.0),
        pin_keys=("ml",),
    )


def test_a_short_route_is_the_tables_default():
    """No condition but the model; the salt is the route's name."""
    found = route(policy(), weight_ppm=0)

    assert (found.match, found.eligible) == (routing.Match(model=("gpt-4o",)), routing.Eligible())
    assert (found.breaker, found.assign) == (routing.Breaker(), routing.Assign(salt="support-triage"))


@pytest.mark.parametrize(
    ("compare", "more", "metric", "outputs"),
    [
        ("[schema, tool_calls]", "", "tool_calls", "observed"),
        ("[exact, json_fields]", "gates: {quality: {metric: json_fields}}", "json_fields", "observed"),
        (JUDGED, "", "exact", "observed"),
        (JUDGED, "gates: {quality: {metric: judge}}", "judge", "required"),
        ("[{python: {ref: 'a.py:f'}}]", "", "python", "required"),
        ("[{promptfoo: {file: a.yaml}}]", "", "promptfoo", "required"),
        ("[{python: {ref: 'a.py:f'}}]", "guards: {outputs: observed}", "python", "observed"),
    ],
)
def test_quality_rests_on_the_first_comparator_that_can(compare: str, more: str, metric: str, outputs: str):
    """Or on the one that is named; where it can be gamed, the outputs must have been seen."""
    found = rules(more, compare=compare)

    assert found.gates.quality is not None
    assert (found.gates.quality.metric, found.guards.outputs) == (metric, outputs)


def test_a_judge_of_a_share_scores_wider():
    """A score weighted by one over its probability needs that much room."""
    found = rules("gates: {quality: {metric: judge}}", compare=JUDGED).gates.quality

    assert found is not None
    assert found.scale == 2.0


def test_nothing_scores_where_nothing_can():
    """`lint` refuses such a policy; here it only has no metric."""
    assert quality_metric(policy(compare="[schema]")) is None
    assert rules(compare="[schema]").gates.quality == core.Quality(missing=-1.0)


def test_validity_needs_something_that_checks():
    """On where `compare` has schema or tool_calls, unless switched off."""
    assert rules(compare="[schema, exact]").gates.validity == core.Validity(may_be_rare=True)
    assert rules("gates: {validity: {margin: 2%}}", compare="[tool_calls]").gates.validity == core.Validity(
        0.02, may_be_rare=True
    )
    assert rules("gates: {validity: off}", compare="[tool_calls]").gates.validity is None
    assert rules(compare="[exact]").gates.validity is None


def test_cost_is_a_gate_where_prices_are_known():
    """Advisory by default; off where nobody knows a price, unless the policy asks for it."""
    unpriced = Surroundings({"openai": KnownUpstream(is_priced=True), "vllm": KnownUpstream()})

    assert rules().gates.cost == core.Cost()
    assert rules(surroundings=unpriced).gates.cost is None
    assert rules("gates: {cost: {max_ratio: 0.5x}}", unpriced).gates.cost == core.Cost(0.5)
    assert rules("gates: {cost: off}").gates.cost is None


def test_one_alpha_holds_for_all_gates():
    """And each gate carries its own margin."""
    gates = rules(
        "gates: {alpha: 1%, quality: {margin: 2%}, errors: {margin: 3%}, latency: {total_p99: 2s, warmup: 7}}"
    ).gates

    assert gates.quality == core.Quality(0.02, "json_fields", 0.01, likeness=True, missing=-1.0)
    assert gates.errors == core.Errors(0.03, 0.01)
    assert gates.latency == core.Latency("total", 0.99, 2.0, warmup=7, alpha=0.01, counts_failures=True)
    assert rules("gates: {latency: off}").gates.latency is None


def test_retrains_that_are_counted_share_alpha():
    """The k-th has a part of it that falls with its square, in every gate; however many come, the sum is alpha."""
    gates = rules("gates: {alpha: 1%, retrain: 3, latency: {total_p99: 2s}}").gates
    third = 0.01 * 6 / (math.pi * 3) ** 2

    assert all(each.alpha == pytest.approx(third) for each in readings.gates_of(gates))
    parts = [rules(f"gates: {{alpha: 1%, retrain: {k}}}").gates.errors for k in range(1, 51)]
    assert 0.0098 < sum(each.alpha for each in parts if each is not None) < 0.01


@pytest.mark.parametrize(
    ("assign", "silence_s"), [("", 1800.0), ("by: [request]", 1.0), ("by: [user, request]", 1800.0)]
)
def test_a_request_for_itself_is_over_at_once(assign: str, silence_s: float):
    """Where nothing stays on a variant no request waits for another of its unit; a conversation does."""
    assert rules(f"assign: {{{assign}}}").units.close_after_s == silence_s


def test_stages_hold_as_long_as_their_weight_asks():
    """An hour below 25 %, a day from there, nothing in the shadow; what the file says comes first."""
    found = rules(stages="[shadow: {min_units: 5}, 1%, 25%: {approve: manual}, 100%: {hold: 2h, holdback: 2%}]").ladder

    assert [stage.hold_s for stage in found.stages] == [0.0, 3600.0, 86400.0, 7200.0]
    assert (found.stages[0].min_units, found.stages[2].approve, found.stages[3].served_ppm) == (5, "manual", 980_000)


def test_the_baseline_is_asked_in_reverse_where_it_may_be():
    """By default from 25 % on with a background key, never without one; an explicit share stays what it is."""
    keyless = Surroundings({"openai": KnownUpstream(), "vllm": KnownUpstream()})

    assert [stage.reverse_shadow_ppm for stage in rules().ladder.stages] == [0, 0, 0, 50_000, 50_000, 50_000]
    assert {stage.reverse_shadow_ppm for stage in rules(surroundings=keyless).ladder.stages} == {0}
    stated = rules(stages="[shadow, 50%: {reverse_shadow: 1%}, 100%: {reverse_shadow: 0%}]").ladder.stages
    assert [stage.reverse_shadow_ppm for stage in stated] == [0, 10_000, 0]


@pytest.mark.parametrize(
    "parts",
    [
        {"candidate": "{upstream: vllm, model: triage-7b, revision: '2'}"},
        {"candidate": "{upstream: vllm, model: other, revision: 2026-11-18}"},
        {"candidate": "{upstream: vllm, model: triage-7b, revision: 2026-11-18, set: {temperature: 0}}"},
        {"candidate": "{upstream: vllm, model: triage-7b, revision: 2026-11-18, drop: store}"},
        {"baseline": "{upstream: openai, model: gpt-4o-2024-11-20}"},
        {"match": "{model: [gpt-4o, gpt-4]}"},
        {"match": "{model: gpt-4o, system_prompt: {contains: a}}"},
        {"compare": "[json_fields]"},
    ],
)
def test_what_makes_evidence_what_it_is_makes_its_key(parts: dict[str, str]):
    """Another candidate, baseline, prompt, scorer or decoding starts new evidence."""
    assert rules(**parts).key.digest != rules().key.digest


def test_what_a_judge_is_told_makes_the_key_where_a_judge_scores():
    """Another prompt or rubric is another judge; where the judge is not the metric, nothing changes."""
    told = [replace(READY, judge=digest) for digest in ("", "a", "b")]
    judging = {rules("gates: {quality: {metric: judge}}", each, compare=JUDGED).key.digest for each in told}
    assert len(judging) == 3
    assert len({rules("", each).key.digest for each in told}) == 1


@pytest.mark.parametrize(
    "more",
    ["gates: {quality: {margin: 1%}}", "guards: {slack: 1%}", "priority: 3", "mode: observe", "shadow: {sample: 5%}",
     "rollback: {arl: 5000}", "assign: {salt: x}", "eligible: {forbid: tools}"],
)  # fmt: skip
def test_what_may_change_keeps_the_evidence(more: str):
    """Gates, guards and sampling are asked of the same evidence."""
    assert rules(more).key == rules().key


SCHEMED = "[{json_fields: {ignore: [/explanation]}}, {schema: {file: %s}}]"
RUBRIC = "[{judge: {upstream: claude, model: j, rubric: %s}}]"
DECLARED = "{upstream: openai, deterministic: true}"


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ({}, {"compare": "[{json_fields: {ignore: [/explanation]}}, feedback]"}, True),
        ({}, {"compare": "[feedback, {json_fields: {ignore: [/explanation]}}]"}, True),
        ({}, {"compare": "[{json_fields: {ignore: [/explanation]}}, exact]"}, False),
        ({}, {"compare": "[{json_fields: {ignore: [/other]}}]"}, False),
        ({}, {"compare": "[{json_fields: {ignore: [/explanation], numeric_tolerance: 0.1}}]"}, False),
        (
            {"compare": "[{json_fields: {ignore: [/a, /b]}}]"}, {"compare": "[{json_fields: {ignore: [/b, /a]}}]"},
            True,
        ),
        ({"compare": "[json_fields, exact]"}, {"compare": "[json_fields, {exact: {normalize: false}}]"}, False),
        ({"compare": SCHEMED % "a.json"}, {"compare": SCHEMED % "b.json"}, True),
        ({"compare": SCHEMED % "a.json"}, {}, False),
        ({"compare": SCHEMED % "a.json"}, {"compare": "[{json_fields: {ignore: [/explanation]}}, schema]"}, True),
        ({"compare": RUBRIC % "a.md"}, {"compare": RUBRIC % "b.md"}, True),
        ({"compare": RUBRIC % "a.md"}, {"compare": "[{judge: {upstream: claude, model: k, rubric: a.md}}]"}, False),
        ({"match": "{model: [gpt-4o, gpt-4]}"}, {"match": "{model: [gpt-4, gpt-4o]}"}, True),
        ({"match": "{model: [gpt-4o, gpt-4]}"}, {"match": "{model: [gpt-4, gpt-4o-mini]}"}, False),
        (
            {"match": "{model: a, system_prompt: {contains: [x, y]}}"},
            {"match": "{model: a, system_prompt: {contains: [y, x]}}"}, True,
        ),
        ({}, {"baseline": DECLARED}, False),
        ({"compare": JUDGED}, {"compare": JUDGED, "baseline": DECLARED}, False),
        ({"compare": RUBRIC % "a.md"}, {"compare": RUBRIC % "a.md", "baseline": DECLARED}, True),
    ],
)  # fmt: skip
def test_all_that_gives_a_verdict_its_meaning_makes_the_key(
    one: dict[str, str],
    other: dict[str, str],
    is_same: bool,  # noqa: FBT001 -- a column of the table
):
    """Each comparator with its options, whoever scores; no order of lists, no file's name, no diagnostic."""
    assert (rules(**one).key == rules(**other).key) is is_same


def test_which_score_comes_first_makes_the_key():
    """Its evidence is kept as `quality`: read as another's, one score's certificates would be the other's."""
    compare = "[json_fields, {judge: {upstream: claude, model: j, sample: 50%}}]"
    first, second = "{metric: json_fields}", "{metric: judge}"
    keys = {rules(f"gates: {{quality: [{each}]}}", compare=compare).key.digest for each in (
        f"{first}, {second}", f"{second}, {first}", first, second,
    )}  # fmt: skip

    assert len(keys) == 4


def test_what_a_schema_says_and_what_is_assumed_make_the_key():
    """Another schema under the same name checks something else; a missing verdict that is worth more counts so."""
    told = {
        rules("", replace(READY, schema=digest), compare=SCHEMED % "a.json").key.digest for digest in ("", "a", "b")
    }
    assert len(told) == 3
    assumed = [rules(f"gates: {{quality: {{missing: {{at_worst: {worst}}}}}}}").key for worst in (-1, -0.5)]
    assert assumed[0] == rules().key != assumed[1]
    peopled = [rules(f"assign: {{population: {word}}}").key for word in ("open", "fixed")]
    assert peopled[0] == rules().key != peopled[1]
    units = [rules(f"assign: {{by: [{by}]}}").key for by in ("user, conversation", "conversation, user", "request")]
    assert units[0] == rules().key
    assert len({each.digest for each in units}) == 3


@pytest.mark.parametrize(
    ("compare", "window_s"),
    [("[exact]", None), ("[exact, feedback]", 30 * core.DAY_S), ("[exact, {feedback: {window: 12h}}]", core.DAY_S / 2)],
)
def test_votes_are_compared_where_the_policy_says_so(compare: str, window_s: float | None):
    """Over the stated window, or a month; not at all without `feedback`."""
    assert votes_window_s(policy(compare=compare)) == window_s


def test_whole_days_are_asked_of_the_shadow():
    """One by default, none of the other stages; what the file says comes first."""
    assert [stage.days for stage in rules().ladder.stages] == [1, 0, 0, 0, 0, 0]
    stated = rules(stages="[shadow: {days: 0}, 1%: {days: 2}, 25%]").ladder.stages
    assert [stage.days for stage in stated] == [0, 2, 0]
    assert [stage.least_s for stage in stated] == [0.0, 2 * 86400.0, 86400.0]


def test_budgets_are_each_gates_own_unless_the_file_counts_conversations():
    """`max_units` counts all conversations of a stage, as ever; without it each gate counts what it compared."""
    stated = rules(stages="[shadow: {max_units: 500}, 1%]").ladder.stages
    assert [(stage.by_pairs, stage.max_units) for stage in stated] == [(False, 500), (True, 20_000)]


def test_several_scores_and_limits_are_several_gates():
    """The first of each keeps its name, so that its evidence goes on; the others are called by what they are of."""
    found = rules(
        "gates: {quality: [{metric: judge, margin: -2%}, {metric: exact}],"
        " latency: {total_p95: 8s, relative: {ttft_p95: 1.2x}}}",
        compare=JUDGED,
    )
    one = rules("gates: {quality: {metric: judge}}", compare=JUDGED)

    assert [(gate.name, gate.metric, gate.margin) for gate in found.gates.qualities] == [
        ("quality", "judge", -0.02), ("quality:exact", "exact", 0.05),
    ]  # fmt: skip
    assert [(gate.name, gate.limit_s, gate.block_s) for gate in found.gates.latencies] == [
        ("latency", 8.0, None), ("latency:relative_ttft_p95", None, 3600.0),
    ]  # fmt: skip
    assert found.guards.outputs == "required"
    assert found.key.judge != one.key.judge
    assert one.key == rules("gates: {quality: [{metric: judge}]}", compare=JUDGED).key


def test_what_is_off_certifies_nothing():
    """Neither quality nor latency; errors are always looked at."""
    gates = rules("gates: {quality: off, accept: unmeasured quality, latency: off}").gates

    assert (gates.qualities, gates.latencies) == ((), ())
    assert gates.errors is not None


def test_models_with_stars_are_told_from_plain_ones():
    """The workers look plain names up, and hold stars against the rest."""
    found = route(policy(match="{model: [gpt-4o, 'gpt-4o-mini*']}"), weight_ppm=0).match

    assert (found.model, found.model_like) == (("gpt-4o",), ("gpt-4o-mini*",))


def test_a_system_prompt_is_part_of_the_candidate():
    """Its text makes the evidence what it is, and reaches the workers; without one the key is as it ever was."""
    prompted = "{upstream: vllm, model: m, revision: a, system_prompt: v2.md}"
    texts = [rules(surroundings=replace(READY, system_prompt=text), candidate=prompted) for text in ("A", "B")]
    found = route(policy(candidate=prompted), weight_ppm=0, system_prompt="A").candidate

    assert texts[0].key.decoding != texts[1].key.decoding
    assert rules().key.decoding == '{"drop":[],"set":{}}'
    assert found is not None
    assert found.system_prompt == "A"


def test_a_window_goes_with_the_ladder():
    """Its days, hours and zone; without one a weight may rise at any time."""
    found = rules("advance: {days: mon-fri, hours: 9-17, tz: Europe/Berlin}").ladder.rises

    assert found == RiseWindow((0, 1, 2, 3, 4), 540, 1020, "Europe/Berlin")
    assert rules().ladder.rises is None
    assert rules("advance: {}").ladder.rises == RiseWindow()


def test_a_split_has_a_share_and_nothing_that_certifies():
    """One stage above nothing, no gates; the workers know what it is."""
    found = rules("mode: split", stages="[30%: {approve: manual}]")

    assert [stage.weight_ppm for stage in found.ladder.stages] == [0, 300_000]
    assert (found.ladder.split, found.ladder.stages[1].approve) == (True, "manual")
    assert found.gates == core.Gates(None, None, None, None, None)
    assert route(policy("mode: split", stages="[30%]"), weight_ppm=0).mode == "split"


def test_slices_are_what_gates_hold_apart():
    """Named as they are written; adding them is no other candidate."""
    found = rules("slices: {by: [language, 'header:X-Team']}")

    assert found.gates.slices == ("language", "header:x-team")
    assert found.key == rules().key
    assert rules().gates.slices == ()
