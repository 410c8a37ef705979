"""What alerts count is there before anything happens: a series that is born at 1 has never risen."""

import re
from pathlib import Path

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.rooms.serving import REAL, ROOT, Serving
from tests.rooms.waiting import await_true

RULES = ROOT / "deploy" / "prometheus" / "rules"
COUNTED = re.compile(r"(?:increase|rate)\((crossfade_\w+)(?:\{([^}]*)\})?\[")
MATCHER = re.compile(r'(\w+)\s*(=~|=)\s*"([^"]*)"')
POLICY = """\
route: triage
match: {model: gpt-4o}
baseline: {upstream: openai, deterministic: true}
candidate: {upstream: vllm, model: tuned, revision: "1"}
compare: [exact]
stages: [shadow, 100%]
"""
SETTINGS = """\
upstreams:
  openai: {base_url: "http://127.0.0.1:9/v1"}
  vllm: {kind: vllm, base_url: "http://127.0.0.1:9/v1"}
policies: policies
"""

Wanted = tuple[str, tuple[tuple[str, str], ...]]
"""A counter, and values that a series of it must have."""


def counted() -> set[Wanted]:
    """What the rules take `increase` and `rate` of, a series for each alternative that they name."""
    found: set[Wanted] = set()
    for path in RULES.glob("*.yml"):
        groups = yaml.safe_load(path.read_text("utf-8"))["groups"]
        for expr in (rule["expr"] for group in groups for rule in group["rules"]):
            for name, matchers in COUNTED.findall(expr):
                choices: list[tuple[tuple[str, str], ...]] = [()]
                for label, how, value in MATCHER.findall(matchers):
                    values = value.split("|") if how == "=~" else [value]
                    choices = [(*choice, (label, each)) for choice in choices for each in values]
                found |= {(name, choice) for choice in choices}
    return found


def missing(page: str) -> set[Wanted]:
    """Of that, what a page of metrics does not have."""
    there = {
        (sample.name, frozenset(sample.labels.items()))
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }
    return {
        (name, choice)
        for name, choice in counted()
        if not any(name == found and set(choice) <= labels for found, labels in there)
    }


def test_every_counter_of_an_alert_is_there_before_it_counts(tmp_path: Path) -> None:
    """A gateway with a route that nobody has asked anything yet has each series that an alert watches for a rise."""
    assert len(counted()) > 5
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "triage.yaml").write_text(POLICY)
    with Serving(tmp_path, SETTINGS, worker=REAL) as serving:
        serving.await_ready()
        serving.await_control()
        await_true(lambda: not missing(serving.admin("/metrics").text), "all counters of alerts are there")
