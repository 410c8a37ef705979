"""A policy in plain words, with the defaults it relies on."""

from dataclasses import replace
from pathlib import Path

import pytest

import policies
from gateway.config.policy_file import read_file
from policies.compile import decision_rules
from policies.describe import text
from policies.rules import Gates
from tests.rooms.policy_files import READY, policy

EXAMPLES = Path(policies.__file__).parent / "examples"


def told(more: str = "", **parts: str) -> str:
    found = policy(more, **parts)
    return text(found, decision_rules(found, READY))


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_loads_and_is_explained(path: object):
    """Without a warning, naming its route, its candidate, its gates and every stage."""
    loaded = read_file(path, READY)  # pyright: ignore[reportArgumentType]
    found = text(loaded.policy, decision_rules(loaded.policy, READY))

    assert [each.message for each in loaded.warnings if "moves without evidence" not in each.message] == []
    assert found.splitlines()[0].split("  ")[0] == f"ROUTE {loaded.policy.route}"
    assert loaded.policy.candidate.model in found
    assert all(stage.name in found for stage in loaded.policy.stages)
    assert "quality    " in found or "uncertified" in found


def test_the_short_form_is_told_with_its_defaults():
    """What nobody wrote is said too: that is what there is to check."""
    found = told()

    for line in (
        "  requests   model gpt-4o",
        "  baseline   openai, the model the app asks for",
        "  candidate  vllm, triage-7b revision 2026-11-18",
        "  eligible   all that an engine can do",
        "  unit       user or conversation; a conversation ends after 30m without a request",
        "    quality    json_fields: likeness to the baseline at most 0.05 below the baseline's likeness to itself; "
        "it never shows harm",
        "    errors     at most 1.0% more than the baseline",
        "    latency    p95 of time to the first token within 1.2 times the baseline's "
        "of the same time; needs 12 blocks of 1h",
        "    cost       at most 1 times the baseline's (shown, not required)",
        "    shadow   at least 100 conversations, 1d",
        "    1%       at least 100 conversations, 1h",
        "    100%     at least 100 conversations, 1d, all also ask the baseline until quality has passed here, then 5%",
    ):
        assert line in found.splitlines()


def test_everything_that_is_written_is_told():
    """Every condition, limit and option."""
    found = told(
        "description: Tickets\nmode: observe\n"
        "eligible: {max_input_tokens: 7000, forbid: [images, n>1], stateless: true}\n"
        "gates: {latency: {ttft_p95: 800ms}, cost: {max_ratio: 0.6, required: true}}",
        match="{model: [a, b], path: /v1/responses, header: {x-app: c}, key: d, metadata: {e: f}, "
        "system_prompt: {contains: g, sha256: " + "0" * 64 + "}}",
        baseline="{upstream: openai, model: a-2}",
        candidate="{upstream: vllm, model: m, revision: r, set: {temperature: 0}, drop: store, first_byte: 1s, "
        "total: 1m}",
        compare="[tool_calls, {feedback: {window: 7d}}]",
        stages="[shadow, 25%: {approve: manual}, 100%: {holdback: 2%}]",
    )

    for part in (
        "(observe: moves no traffic)", "Tickets",
        "on an alarm: no traffic; after 1m a test on copies of 200 requests, then its traffic again; rolled back",
        "model a or b, path /v1/responses, header x-app is c, key d, metadata e is f, system prompt contains g, "
        "system prompt hashes to 000000000000…",
        "openai, a-2", "revision r; sets temperature; drops store; first token within 1s; whole answer within 1m",
        "up to 7000 tokens, without images, n>1, Responses are declared stateless, and only what an engine does",
        "validity   at most 1.0% fewer valid answers", "95% of time to the first token within 800ms",
        "cost       at most 0.6 times the baseline's\n", "votes      on answers of the last 7d, shown",
        "1d, an operator's approval to enter", "1d, 2% stays with the baseline",
    ):  # fmt: skip
        assert part in found


def test_what_is_off_is_not_told():
    """Gates that are off have no line, but for quality, which nobody may overlook."""
    found = told("gates: {latency: off, cost: off}", match="{key: a, system_prompt: {sha256: " + "1" * 64 + "}}")

    assert "latency" not in found
    assert "    cost" not in found
    bare = text(policy(), replace(decision_rules(policy(), READY), gates=Gates(None, None, None, None, None)))
    assert "quality    not measured" in bare
    assert "errors     " not in bare


def test_what_a_policy_assumes_of_missing_verdicts_is_told():
    """Where it is its own word, and not the worst there is."""
    assumed = told("gates: {quality: {missing: {at_worst: -0.2}}}")
    assert "a pair without a verdict counts -0.2" in assumed
    assert "without a verdict" not in told()


def test_vectors_are_no_quality():
    """A route of embeddings is said to be held to index compatibility."""
    found = told("gates: {quality: {margin: 1%}}", match="{path: /v1/embeddings}", compare="[vectors]")

    assert "compared   by vectors; vectors measures index compatibility" in found
    assert (
        "quality    index compatibility: vectors that do not fit in at most 1.0% of conversations; not quality" in found
    )


def test_what_people_have_to_say_is_told():
    """How near the score has to be to their labels, how many those are, and where they are given."""
    found = told("guards: {judge_bias: 20%}", compare="[{python: {ref: 'a.py:f'}}]")

    assert "people     the score must be within 0.2 of people's labels on average before anything advances: " in found
    assert "judged pairs (the console's page Label, or `crossfade label ROUTE --pool judged`)" in found
    assert "people     " not in told()


def test_every_gate_that_must_hold_is_told():
    """Two scores and two limits are four lines; a margin below nought says that better is meant."""
    found = told(
        "gates: {quality: [{metric: judge, margin: -2%}, {metric: exact}], latency: {ttft_p95: 1s, total_p95: 9s}}",
        compare="[exact, {judge: {upstream: claude, model: j}}]",
    )

    assert "compared   by exact, judge; judge and exact measure quality" in found
    assert "quality    judge at least 0.02 better than the baseline" in found
    assert "quality    exact: likeness to the baseline at most 0.05 below" in found
    assert "95% of time to the first token within 1s" in found
    assert "95% of time to the last token within 9s" in found


def test_a_split_is_called_uncertified_and_a_window_is_told():
    """In the place of all that would be certified."""
    split = policy("mode: split\nadvance: {days: mon-fri, hours: 9-17}", stages="[30%]")
    found = text(split, decision_rules(split, READY))

    assert found.startswith("ROUTE support-triage  (split: uncertified)\n")
    assert "split      30% of eligible traffic, uncertified: no gate, no shadow, nothing compared" in found
    assert "rises      only within mon-fri 9:00-17:00 UTC; falls at any time" in found
    assert "to advance" not in found


def test_slices_are_told_with_their_margin():
    """Three times the whole's."""
    assert "slices     by language, length: each may be at most 0.15 worse, or nothing rises" in told(
        "slices: {by: [language, length]}"
    )


def test_one_of_several_candidates_is_told_as_that():
    """How one is picked is said for each of them, and of one alone nothing."""
    found = policy()

    assert "of 3 candidates that all answer the same copies" in text(found, decision_rules(found, READY), among=3)
    assert "chosen" not in told()


def test_slices_that_move_alone_are_told():
    """Not that nothing rises without them."""
    assert (
        "    slices     by tool: only slices that pass by themselves move, each at the margin of the whole, all "
        "sharing its alpha; the rest stays with the baseline, and is compared further"
    ) in told("slices: {by: tool, mode: partial}").splitlines()
