"""Writes the next revision of a candidate into its policy, and nothing else: comments and all other lines stay.

Rules:
1. A new revision starts at the first stage with no evidence; a policy that does not begin in the shadow is refused.
2. Where a policy counts its retrains (`gates.retrain`), this is one more.
3. What would not lint is not written. The file is replaced whole.
"""

import json
import os
from pathlib import Path

from gateway.config.policy_file import Loaded, read, read_file
from gateway.config.yaml_file import FileProblem, Loc, YamlFileError
from policies.surroundings import Surroundings
from records.named_file import read_named


def with_revision(text: str, name: str, revision: str, model: str, known: Surroundings) -> tuple[str, Loaded]:
    """The policy's text with this revision and model of its candidate, and what it says.

    Raises:
        YamlFileError: the policy is refused, before or after; or it names neither in a way that can be replaced.
    """
    before = read(text, name, known)
    if before.policy.candidates:
        hint = "write its model and revision into the one that was trained"
        raise YamlFileError(before.document.problem(("candidates",), "there are several candidates", hint))
    for key, wanted in (("revision", revision), ("model", model)):
        text = _replaced(text, name, ("candidate", key), str(getattr(before.policy.candidate, key)), _scalar(wanted))
    if (k := before.policy.gates.retrain) is not None and revision != before.policy.candidate.revision:
        text = _replaced(text, name, ("gates", "retrain"), str(k), str(k + 1))
    after = read(text, name, known)
    return text, after


def write_revision(path: Path, revision: str, model: str, known: Surroundings) -> Loaded:
    """Write it into the policy at `path`; a gateway that serves takes it up at once.

    Raises:
        OSError: it cannot be read or written.
        YamlFileError: the policy is refused, before or after.
    """
    read_file(path, known)
    text, after = with_revision(read_named(path).decode(), str(path), revision, model, known)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
    return after


def _replaced(text: str, name: str, loc: Loc, old: str, new: str) -> str:
    """The text with another value at `loc`; `new`: as it is written.

    Raises:
        YamlFileError: the value does not stand there as one word on its line.
    """
    document = read(text, name).document
    place = document.values.get(loc)
    lines = text.splitlines(keepends=True)
    if place is not None:
        line, start = lines[place.line - 1], place.column - 1
        for written in (json.dumps(old), f"'{old}'", old):
            if line.startswith(written, start):
                lines[place.line - 1] = f"{line[:start]}{new}{line[start + len(written) :]}"
                return "".join(lines)
    where = ".".join(map(str, loc))
    raise YamlFileError(
        FileProblem(name, place, f"{where} cannot be replaced here", "write it as one word on its line")
    )


def _scalar(text: str) -> str:
    """A value of the policy language that is text, whatever it looks like."""
    return (
        text
        if text.replace("-", "").replace(".", "").replace("_", "").isalnum() and not _is_number(text)
        else json.dumps(text)
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text in ("true", "false", "null")
    return True
