"""Policy files for the tests of the policy language."""

from typing import Any

from gateway.config.problems import problems
from gateway.config.yaml_file import parse
from policies.compile import decision_rules
from policies.findings import Finding
from policies.lint import findings
from policies.rules import Rules
from policies.schema import Policy
from policies.surroundings import KnownUpstream, Surroundings

SHORT = """\
route: support-triage
match: {model: gpt-4o}
baseline: {upstream: openai}
candidate: {upstream: vllm, model: triage-7b, revision: 2026-11-18}
compare: [{json_fields: {ignore: [/explanation]}}]
stages: [shadow, 1%, 5%, 25%, 50%, 100%]
"""
KEYED = KnownUpstream(has_background_key=True, is_priced=True)
READY = Surroundings({"openai": KEYED, "openai-ours": KEYED, "azure": KEYED, "vllm": KEYED, "claude": KEYED})
"""Every upstream there, with a key and a price."""


def written(more: str = "", **parts: str) -> str:
    """The short form with some of its lines written otherwise, and more of them behind."""
    lines = dict(line.split(": ", 1) for line in SHORT.splitlines())
    return "\n".join(f"{name}: {part}" for name, part in (lines | parts).items()) + f"\n{more}\n"


def policy(more: str = "", **parts: str) -> Policy:
    """The policy that `written` says."""
    return Policy.model_validate(parse(written(more, **parts), "p.yaml").value)


def rules(more: str = "", surroundings: Surroundings = READY, **parts: str) -> Rules:
    """What the core decides by under that policy."""
    return decision_rules(policy(more, **parts), surroundings)


def complaints(more: str = "", **parts: str) -> list[str]:
    """What is wrong with the single keys, each as `line:column: message (hint)`."""
    document = parse(written(more, **parts), "p.yaml")
    try:
        Policy.model_validate(document.value)
    except ValueError as error:
        found = problems(document, error, Policy)  # pyright: ignore[reportArgumentType]
        return [f"{each.place.line}:{each.place.column}: {each.message} ({each.hint})" for each in found if each.place]
    return []


def said(more: str = "", surroundings: Surroundings | None = READY, **parts: str) -> list[Finding]:
    """What there is to say beside the single keys."""
    return list(findings(policy(more, **parts), surroundings))


def refused(found: list[Finding]) -> list[tuple[Any, ...]]:
    """The refusals among findings, as place and message."""
    return [(".".join(map(str, each.loc)), each.message) for each in found if each.refused]


def warned(found: list[Finding]) -> list[tuple[Any, ...]]:
    """The warnings among findings."""
    return [(".".join(map(str, each.loc)), each.message) for each in found if not each.refused]
