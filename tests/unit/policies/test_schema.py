"""The policy file: short and long form, every key documented, what is wrong said with its place."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from policies import schema
from policies.language import gates as gating
from policies.language.base import describe
from policies.schema import Policy, json_schema
from tests.rooms.policy_files import complaints, policy

LONG = """\
description: Tickets
owner: support
mode: observe
priority: 5
eligible: {max_input_tokens: 7000, bytes_per_token: 3.5, forbid: [images, audio, logprobs, n>1], stateless: true}
assign: {by: ["header:X-Session-Id", user, conversation], salt: triage, close_after: 1h, max_pairs: 10}
shadow: {sample: 20%, max_in_flight: 4, queue: 64, budget: $5/day, pause_when: {engine_waiting: 2}, noise_floor: 5%}
gates:
  alpha: 0.01
  quality: {metric: json_fields, margin: 2%}
  validity: {margin: 0.5%}
  errors: {margin: 0.01}
  latency: {ttft_p95: 800ms, warmup: 50}
  cost: {max_ratio: 0.6, required: true}
guards: {error_rate: 1%, outputs: required, length_ratio: {min: 0.8}, breaker: {window: 30s}}
rollback: {arl: 100000, cooldown: 2h, quarantine_after: 2}
notify: [{webhook: "https://x.example/y", on: [advance]}]
pin_keys: [ml]
expose_variant: false
"""


def sections(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A model and all that are part of it."""
    yield model
    for field in model.model_fields.values():
        for inner in _models(field.annotation):
            yield from sections(inner)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def test_the_short_form_is_a_whole_policy():
    """Six keys; everything else has a default, and everything is read."""
    found = policy()

    assert found.match.model == ("gpt-4o",)
    assert found.candidate.revision == "2026-11-18"
    assert [stage.weight_ppm for stage in found.stages] == [0, 10_000, 50_000, 250_000, 500_000, 1_000_000]
    assert [each.name for each in found.compare] == ["json_fields"]
    assert (found.gates, found.guards, found.mode) == (gating.Gates(), gating.Guards(), "apply")


def test_the_long_form_says_everything():
    """Each key is taken over, with its amount in the unit that the code uses."""
    found = policy(
        LONG,
        match="{model: [gpt-4o, x], path: /v1/chat/completions, header: {X-App: support}, key: [a], metadata: {f: t}, "
        "system_prompt: {contains: [You triage], sha256: " + "0" * 64 + "}}",
        candidate="{upstream: vllm, model: m, revision: '1', set: {temperature: 0, stop: [x]}, drop: [store], "
        "first_byte: 1.5s, total: 60s, report_model: actual}",
        compare="[schema, tool_calls, {json_fields: {numeric_tolerance: 0.01}}, {python: {ref: 'evals/a.py:score'}}, "
        "{judge: {upstream: openai, model: j, sample: 25%, rubric: r.md}}, {embedding: {upstream: u, model: e}}, "
        "{vectors: {least_cosine: 0.99}}, feedback, exact]",
        stages="[shadow: {min_units: 50}, 1%: {hold: 1h}, 25%: {hold: 24h, approve: manual}, "
        "100%: {holdback: 2%, reverse_shadow: 5%}]",
    )

    assert found.match.header == {"x-app": ("support",)}
    assert found.assign.by == ("header:x-session-id", "user", "conversation")
    assert (found.assign.close_after, found.shadow.sample, found.shadow.budget) == (3600.0, 200_000, 5.0)
    assert found.candidate.set == {"temperature": 0, "stop": ["x"]}
    assert found.gates.latency is not None
    assert found.gates.latency.limits == (("ttft", 0.95, 0.8, None),)
    assert (found.guards.length_ratio.min, found.guards.breaker.window) == (0.8, 30.0)
    assert [each.name for each in found.compare] == [
        "schema", "tool_calls", "json_fields", "python", "judge", "embedding", "vectors", "feedback", "exact",
    ]  # fmt: skip
    assert found.stages[2].options.approve == "manual"
    assert (found.stages[3].options.holdback, found.stages[3].options.reverse_shadow) == (20_000, 50_000)


@pytest.mark.parametrize(
    ("more", "parts", "says"),
    [
        ("candidatos: x", {}, "7:1: `candidatos` is no key here (did you mean `candidates`?)"),
        ("gates: {quality: {margn: 1%}}", {}, "7:19: `margn` is no key here (did you mean `margin`?)"),
        ("gates: {latency: {relative: {ttfp_p95: 1.2x}}}", {}, "did you mean `ttft_p95`?"),
        ("gates: {latency: {ttft_p95: 1s, total_p95: 1}}", {}, "gates.latency.total_p95: must be a duration"),
        ("gates: {quality: [{}, {margn: 2%}]}", {}, "7:24: `margn` is no key here (did you mean `margin`?)"),
        ("gates: {quality: }", {}, "gates.quality: is empty (write `off`, or leave it out for the default)"),
        ("gates: {accept: less}", {}, "gates.accept: must be `unmeasured quality`"),
        ("gates: {latency: }", {}, "gates.latency: is empty (write `off`, or leave it out for the default)"),
        ("gates: {quality: {margin: 0}}", {}, "gates.quality.margin: is 0, which what is equal never"),
        ("gates: {alpha: 0.5}", {}, "gates.alpha: must be less than or equal to 0.1"),
        ("gates: {errors: off}", {}, "gates.errors: must be a mapping of keys to values"),
        ("mode: applyy", {}, "mode: must be `observe`, `apply`, `bypass` or `split`"),
        ("slices: {by: topic}", {}, "slices.by: 'topic' is nothing to slice by (tool, language, length, header"),
        ("slices: {by: ['header:Authorization']}", {}, "slices.by.0: is a credential"),
        ("slices: {by: []}", {}, "slices.by: is empty"),
        ("slices: {}", {}, "`slices.by` is missing"),
        ("advance: {tz: Berlin}", {}, "7:15: advance.tz: is no time zone that is known here (as in Europe/Berlin, Am"),
        ("advance: {hours: 9}", {}, "advance.hours: must be hours of the day (9-17, or 9:30-17:45)"),
        ("advance: {days: weekdays}", {}, "advance.days: must be days of the week (mon-fri, or [mon, wed, fri])"),
        ("priority: high", {}, "priority: must be a whole number"),
        ("eligible: {forbid: [n>1, imgs]}", {}, "'imgs' is nothing that can be forbidden (images, audio, files"),
        ("assign: {by: session}", {}, "assign.by: 'session' is no unit (header:NAME, user, conversation or request)"),
        ("assign: {by: ['header:a b']}", {}, "must be a header's name (as in x-session-id)"),
        ("assign: {by: ['header:Authorization']}", {}, "is a credential (use `key`, with the names of gateway keys)"),
        ("assign: {by: []}", {}, "assign.by: is empty"),
        ("assign: {by: 5}", {}, "assign.by: must be a list"),
        ("assign: {by: [5]}", {}, "assign.by.0: must be text (put it in quotes)"),
        ("shadow: {sample: 0%}", {}, "shadow.sample: must be greater than 0"),
        *(
            (f"notify: [{{webhook: '{address}'}}]", {}, "is not of the form it must have (a URL: https://…)")
            for address in (
                "nowhere", "ftp://x", "https://", "http://[x", "http://x:port/", "http://x/a b", "http://x/ü", "http://@/x",
            )
        ),
        ("", {"match": "{path: /v1/audio}"}, "'/v1/audio' cannot be mirrored (/v1/chat/completions, "),
        ("", {"match": "{header: {cookie: x}}"}, "is a credential"),
        ("", {"match": "{model: 4}"}, "match.model: must be a list"),
        ("", {"candidate": "{upstream: vllm, model: m}"}, "`candidate.revision` is missing"),
        ("", {"candidate": "{upstream: v, model: m, revision: 3}"}, "revision: must be text (put it in quotes)"),
        ("", {"candidate": "{upstream: v, model: m, revision: a, set: {model: x}}"}, "`model` makes the request"),
        ("", {"candidate": "{upstream: v, model: m, revision: a, drop: messages}"}, "`messages` makes the request"),
        ("", {"route": "a/b"}, "route: is not of the form it must have (letters, digits"),
        ("", {"stages": "[]"}, "stages: is empty"),
        ("", {"stages": "[shadow, 1, 5%]"}, "stages.1: must be a name, or a name with options"),
        ("", {"stages": "[shadow, 0%]"}, "stages.1: a weight of 0% is no stage (write `shadow`)"),
        ("", {"stages": "[shadow, {1%: {}, 2%: {}}]"}, "stages.1: must be one stage"),
        ("", {"stages": "[shadow, 1%: {holld: 1h}]"}, "`holld` is no key here (did you mean `hold`?)"),
        ("", {"stages": "[shadow, 1%: {hold: 60}]"}, "stages.1.1%.hold: must be a duration"),
        ("", {"compare": "[exactt]"}, "`exactt` is no key here (did you mean `exact`?)"),
        ("", {"compare": "[{exact: {}, schema: {}}]"}, "compare.0: must be one comparator"),
        ("", {"compare": "[{}]"}, "compare.0: must be one comparator"),
        ("", {"compare": "[judge]"}, "`compare.0.upstream` is missing"),
        ("", {"compare": "[{judge: {upstream: o, model: j, sample: 5%}}]"}, "is too little for a certificate"),
        ("", {"compare": "[{json_fields: {ignore: x}}]"}, "a JSON pointer, as /explanation"),
        ("", {"compare": "[{python: {ref: score}}]"}, "file.py:function, as evals/triage.py:score"),
        ("", {"compare": "[7]"}, "compare.0: must be a name, or a name with options"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place_and_what_was_meant(more: str, parts: dict[str, str], says: str):
    """Typos, amounts without units, things that cannot be: one line each, and a hint."""
    assert says in "\n".join(complaints(more, **parts))


def test_everything_that_is_wrong_is_said_at_once():
    """Three mistakes are three complaints, in the order of the file."""
    found = complaints("mode: x\ngates: {alpha: 5}\nzzz: 1")

    assert [line.split(":")[0] for line in found] == ["7", "8", "9"]


def test_a_policy_cannot_be_changed():
    """It is a value."""
    with pytest.raises(ValueError, match="frozen"):
        policy().mode = "bypass"  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("section", sorted({*sections(Policy)}, key=lambda section: section.__name__))
def test_every_key_is_documented(section: type[BaseModel]):
    """Each has its sentence, which the JSON Schema shows where people write."""
    describe()
    assert section.__doc__
    missing = [name for name, field in section.model_fields.items() if not field.description and name != "root"]
    assert not missing


def test_who_only_reads_policies_reads_no_sources():
    """What keys mean is looked up by those who show it: every process would else read the language's sources."""
    program = "import policies.schema as s; f = s.Policy.model_fields['route']; print(f.description); s.describe()"
    shown = subprocess.run(
        [sys.executable, "-c", f"{program}; print(f.description)"], capture_output=True, text=True, check=True
    )
    assert shown.stdout.splitlines()[0] == "None"
    assert "None" not in shown.stdout.splitlines()[1]


def test_an_empty_match_is_seen_as_one():
    """A condition on anything makes a match."""
    empty = ["{}", "{model: []}", "{system_prompt: {}}", "{header: {}}"]
    stated = ["{model: a}", "{system_prompt: {contains: a}}", "{key: a}", "{metadata: {a: b}}"]

    assert all(policy(match=text).match.is_empty for text in empty)
    assert not any(policy(match=text).match.is_empty for text in stated)


def test_the_shipped_json_schema_is_current():
    """`crossfade policy schema` wrote it; editors read it."""
    shipped = Path(schema.__file__).with_name("policy.schema.json").read_text(encoding="utf-8")

    assert shipped.rstrip("\n") == json_schema(), "run: crossfade policy schema > policies/policy.schema.json"


def test_the_json_schema_knows_the_short_forms():
    """A name for a comparator or a stage, one thing for a list of one, `off` for a gate."""
    definitions = json.loads(json_schema())["$defs"]

    assert "exact" in definitions["Comparator"]["anyOf"][0]["enum"]
    assert definitions["Stage"]["anyOf"][0]["type"] == "string"
    assert definitions["Match"]["properties"]["model"]["anyOf"][0]["type"] == "string"
    assert definitions["Gates"]["properties"]["latency"]["anyOf"][0] == {"const": "off"}
    assert definitions["Eligible"]["properties"]["forbid"]["anyOf"][0]["enum"]
    assert "pattern" in definitions["Webhook"]["properties"]["webhook"]
