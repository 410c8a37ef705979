"""From a policy file's text to a policy that may be used: whole, or refused with every place that is wrong."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from gateway.config.policies_home import SUFFIXES
from gateway.config.problems import problems
from gateway.config.yaml_file import Document, FileProblem, YamlFileError, load, parse
from policies.contenders import contenders as contenders_of
from policies.contenders import named_candidates
from policies.findings import Finding, Loc
from policies.language.compare import Judge, SchemaCheck
from policies.lint import findings
from policies.schema import Policy
from policies.surroundings import Surroundings
from records.named_file import require_file
from shadow.judging import prompt as prompting

MAX_PROMPT_CHARS = 256 * 1024
"""A longer system prompt is refused: it travels in the routing table."""
MAX_SCHEMA_CHARS = 1024 * 1024
__all__ = ["SUFFIXES", "Loaded", "check", "contenders", "located", "read", "read_file", "with_files"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A policy that nothing speaks against, and what is worth a second look."""

    name: str
    policy: Policy
    document: Document
    warnings: tuple[FileProblem, ...] = ()
    uncertifiable: tuple[FileProblem, ...] = ()
    """What `lint` refuses, and a gateway serves."""
    candidate_at: Loc = ("candidate",)
    """Where its candidate stands in the file."""


def read(text: str, name: str, surroundings: Surroundings | None = None) -> Loaded:
    """The policy that `text` holds; without surroundings, upstreams and prices are not looked at.

    Raises:
        YamlFileError: it cannot be used; nothing of it may be.
    """
    return check(parse(text, name), surroundings)


def read_file(path: Path, surroundings: Surroundings | None = None) -> Loaded:
    """The policy in the file at `path`.

    Raises:
        YamlFileError: it cannot be used; nothing of it may be.
    """
    return check(load(path), surroundings)


def check(document: Document, surroundings: Surroundings | None) -> Loaded:
    """The policy that a document holds.

    Raises:
        YamlFileError: it cannot be used; nothing of it may be.
    """
    try:
        policy = Policy.model_validate(document.value)
    except ValidationError as error:
        raise YamlFileError(*problems(document, error, Policy)) from None  # pydantic's text repeats values
    said = [(finding, located(document, finding)) for finding in findings(policy, surroundings)]
    refused = [problem for finding, problem in said if finding.refused and not finding.is_served]
    if refused:
        raise YamlFileError(*refused)
    warnings = tuple(problem for finding, problem in said if not finding.refused)
    uncertifiable = tuple(problem for finding, problem in said if finding.is_served)
    return Loaded(document.name, policy, document, warnings, uncertifiable)


def located(document: Document, finding: Finding) -> FileProblem:
    """A finding with its place in the file."""
    message = finding.message if finding.refused else f"warning: {finding.message}"
    where = ".".join(str(part) for part in finding.loc)
    return document.problem(finding.loc, f"{where}: {message}" if finding.refused else message, finding.hint)


def contenders(loaded: Loaded) -> list[Loaded]:
    """The same once for each of several candidates; once, where there is one."""
    places = [loc for loc, _ in named_candidates(loaded.policy)]
    each = zip(contenders_of(loaded.policy), places, strict=True)
    return [replace(loaded, policy=policy, candidate_at=loc) for policy, loc in each]


def with_files(known: Surroundings, loaded: Loaded, folder: Path | None = None) -> Surroundings:
    """The same, with what the files say that this policy's evidence depends on: a rubric, a schema, a system prompt.

    `folder`: where the policy lies; default: where it was read.

    Raises:
        YamlFileError: one of them cannot be read.
    """
    where = Path(loaded.name).parent if folder is None else folder
    if (prompt := loaded.policy.candidate.system_prompt) is not None:
        loc = (*loaded.candidate_at, "system_prompt")
        text = _text(loaded, loc, where / prompt, MAX_PROMPT_CHARS)
        if len(text) == MAX_PROMPT_CHARS:
            hint = f"a system prompt has fewer than {MAX_PROMPT_CHARS} characters"
            raise YamlFileError(loaded.document.problem(loc, f"{prompt}: too long", hint))
        known = replace(known, system_prompt=text.removesuffix("\n"))
    for position, comparator in enumerate(loaded.policy.compare):
        options = comparator.options
        if isinstance(options, Judge):
            loc = ("compare", position, "judge", "rubric")
            rubric = _text(loaded, loc, where / options.rubric, prompting.MAX_RUBRIC_CHARS) if options.rubric else ""
            known = replace(known, judge=prompting.version(options.model, rubric))
        elif isinstance(options, SchemaCheck) and options.file:
            text = _text(loaded, ("compare", position, "schema", "file"), where / options.file, MAX_SCHEMA_CHARS)
            known = replace(known, schema=_schema_digest(text))
    return known


def _schema_digest(text: str) -> str:
    """Equal for schemas that say the same, however they are laid out."""
    try:
        text = json.dumps(json.loads(text), sort_keys=True)
    except (ValueError, RecursionError):  # no JSON: no answer is checked by it, which the comparator says
        text = f"no JSON: {text}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _text(loaded: Loaded, loc: Loc, path: Path, most: int) -> str:
    """What the file says that stands at `loc`.

    Raises:
        YamlFileError: it cannot be read.
    """
    try:
        require_file(path)
        with path.open(encoding="utf-8") as file:
            return file.read(most)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no text in UTF-8"
        hint = "paths go from the policy's own folder on"
        raise YamlFileError(loaded.document.problem(loc, f"{path.name}: {reason}", hint)) from error
