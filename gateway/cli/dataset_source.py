"""Whose exchanges `dataset build` takes: a route's, those of no route, or those a policy file would have taken.

So a dataset needs no route, a route no candidate, and a candidate can come of the dataset.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from gateway.config import policy_file
from gateway.config.yaml_file import YamlFileError
from policies.schema import Match

UNROUTED = ""
"""How the records name the route of an exchange that has none."""


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """Whose exchanges a dataset is made of."""

    route: str
    models: tuple[str, ...] = ()
    unrouted_models: tuple[str, ...] = ()
    """Those of no route that ask for one of these are taken, too."""


def source_of(arguments: argparse.Namespace) -> DatasetSource:
    """What the options say.

    Raises:
        ValueError: they say nothing that can be done.
    """
    models = tuple(arguments.model) + tuple(_model(word) for word in arguments.match)
    if arguments.policy is not None:
        return _of_policy(arguments.policy, models)
    if arguments.unrouted:
        return DatasetSource(UNROUTED, models)
    return DatasetSource(arguments.route, models)


def _model(word: str) -> str:
    name, _, value = word.partition("=")
    if name != "model" or not value:
        raise ValueError(f"--match {word}: only the model can be told from every record. hint: --match model=gpt-4o")
    return value


def _of_policy(path: Path, models: tuple[str, ...]) -> DatasetSource:
    try:
        policy = policy_file.read_file(path).policy
    except YamlFileError as error:
        raise ValueError(str(error)) from error
    if models or not _is_by_model(policy.match):
        return DatasetSource(policy.route, models)
    return DatasetSource(policy.route, unrouted_models=policy.match.model)


def _is_by_model(match: Match) -> bool:
    """Whether it goes by whole names of models alone: then what was recorded without a route can be told by them."""
    others = (match.path, match.header, match.key, match.metadata, match.system_prompt)
    return bool(match.model) and not any(others) and not any("*" in name or "?" in name for name in match.model)
