"""`crossfade policy slo`: Prometheus rules from what policies promise, made anew the same to the byte."""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace

import yaml

from gateway.cli import slo_rules
from gateway.config.policy_file import Loaded
from gateway.config.yaml_file import FileProblem, YamlFileError
from policies.language.gates import Limit
from policies.objectives import Objective, objectives

_MADE = "# Made by `crossfade policy slo`: make it again when a policy's error_rate or latency limit changes.\n"


class _Dumper(yaml.SafeDumper):
    """What has several lines is written as such."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)  # pyright: ignore[reportUnknownMemberType] -- untyped there


_Dumper.add_representer(str, _text)


def run(arguments: argparse.Namespace, loaded: Sequence[Loaded]) -> int:
    """Print the rules of these policies.

    Raises:
        YamlFileError: a limit lies between two edges of its histogram, and the nearest was not asked for.
    """
    promised = [(each, objective) for each in loaded for objective in objectives(each.policy)]
    if not arguments.nearest and (refused := [_between(*each) for each in promised if not _is_countable(each[1])]):
        raise YamlFileError(*refused)
    counted = [replace(objective, limit_s=slo_rules.nearest(objective)) for _, objective in promised]
    rules = {"groups": [asdict(group) for group in slo_rules.groups(counted, arguments.job)]}
    if arguments.json:
        print(json.dumps(rules))
    else:
        print(_MADE + yaml.dump(rules, Dumper=_Dumper, sort_keys=False, width=1000), end="")
    for line in _talk(loaded, [objective for _, objective in promised], counted):
        print(line, file=sys.stderr)
    return 0


def _is_countable(objective: Objective) -> bool:
    return objective.limit_s == slo_rules.nearest(objective)


def _between(loaded: Loaded, objective: Objective) -> FileProblem:
    """A limit at which nothing can be counted, where it stands."""
    edges, limit_s = slo_rules.edges(objective), objective.limit_s or 0.0
    beside = [*[edge for edge in edges if edge < limit_s][-1:], *[edge for edge in edges if edge > limit_s][:1]]
    near = " or ".join(f"{edge:g}s" for edge in beside)
    return loaded.document.problem(
        ("gates", "latency", objective.key),
        f"{objective.route}: no bucket of the histogram ends at {limit_s:g}s, so what is later is not counted",
        f"`--nearest` counts at {slo_rules.nearest(objective):g}s, and says so; or state {near}",
    )


def _talk(loaded: Iterable[Loaded], promised: Sequence[Objective], counted: Sequence[Objective]) -> Iterable[str]:
    """What a reader of the rules should know, and how many there are."""
    for asked, found in zip(promised, counted, strict=True):
        if asked.limit_s != found.limit_s:
            yield f"{asked.route}: {asked.name} is counted at {found.limit_s:g}s, the policy says {asked.limit_s:g}s"
    for each in loaded:
        for limit in each.policy.gates.latency.limits if each.policy.gates.latency else ():
            if limit.limit_s is None:
                yield f"{each.policy.route}: {_relative(limit)} is no objective: it promises apps no time"
    yield f"{len(counted)} {'objective' if len(counted) == 1 else 'objectives'}"


def _relative(limit: Limit) -> str:
    return f"{limit.measure}_p{limit.quantile * 100:.0f} of {limit.ratio:g}x the baseline's"
