"""`crossfade policy`: what policy files say, would change and would have done. Needs no gateway that runs."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from gateway import clock
from gateway.cli import context, layout, policy_plan, policy_simulate, policy_slo
from gateway.cli.failure import failed
from gateway.cli.policy_traffic import recorded
from gateway.config.policy_file import SUFFIXES, Loaded, contenders, located, read_file, with_files
from gateway.config.settings_file import SettingsError
from gateway.config.surroundings import surroundings
from gateway.config.yaml_file import FileProblem, YamlFileError
from gateway.control.leader.evidence_files import record_in
from gateway.node.database import StateError
from gateway.node.datadir import DataDir, DataDirError
from gateway.node.state_location import find
from policies import describe as meaning
from policies import explain, rounding
from policies.compile import decision_rules
from policies.lint import named_files, overlaps
from policies.plan import concentration, starved
from policies.schema import Policy, json_schema
from policies.surroundings import Surroundings
from records.named_file import read_named
from shadow.scorer import unfit


def run(arguments: argparse.Namespace) -> int:
    """Do it. Returns 0 when fine, 1 when a policy is refused; `plan` 2 when something would change."""
    try:
        return _VERBS[arguments.verb](arguments)
    except (SettingsError, YamlFileError, StateError, DataDirError) as error:
        return failed(error, arguments)
    except OSError as error:
        return failed(f"{error.filename}: {error.strerror}. hint: name a file that can be read", arguments)


def _lint(arguments: argparse.Namespace) -> int:
    known = _surroundings(arguments)
    loaded, refused = _read_all(_paths(arguments), known)
    refused += [problem for each in loaded for problem in (*each.uncertifiable, *_unfit(each))]
    warnings = [problem for each in loaded for problem in each.warnings]
    warnings += _doubted(loaded, context.data(arguments))
    by_name = {each.name: each for each in loaded}
    for name, finding in overlaps({each.name: each.policy for each in loaded}):
        (refused if finding.refused else warnings).append(located(by_name[name].document, finding))
    if arguments.json:
        rows = [_row(problem, refused=True) for problem in refused] + [_row(each, refused=False) for each in warnings]
        print(json.dumps(rows))
    else:
        for problem in (*refused, *warnings):
            print(layout.folded(str(problem)))
        fine = len({each.name for each in loaded} - {problem.name for problem in refused})
        if not loaded and not refused:
            _tell_none(arguments)
            return 0
        told = (f"{fine} fine", layout.counted(len(refused), "problem"), layout.counted(len(warnings), "warning"))
        print(", ".join(told), file=sys.stderr)
    return 1 if refused else 0


def _unfit(loaded: Loaded) -> list[FileProblem]:
    """Files that a policy names and that are not there, or not what they should be."""
    folder, found = Path(loaded.name).parent, list[FileProblem]()
    for loc, name in named_files(loaded.policy):
        if not (folder / name).is_file():
            hint = "paths go from the policy's own folder on"
            found.append(loaded.document.problem(loc, f"{name}: no such file", hint))
        elif why := unfit(str(loc[-2]), name, folder):
            message, _, hint = why.partition(". hint: ")
            found.append(loaded.document.problem(loc, message, hint))
    return found


def _doubted(loaded: Sequence[Loaded], data: DataDir) -> list[FileProblem]:
    """What the traffic lately casts doubt on: units that are too busy, a breaker that waits for more than comes."""
    found: list[FileProblem] = []
    for each in loaded:
        seen = recorded(data.records, each.policy, clock.wall())
        if seen is None:
            continue
        if doubt := concentration(each.policy, seen.busiest_share):
            hint = "name what tells conversations apart, as a session's header"
            found.append(each.document.problem(("assign", "by"), f"warning: {doubt}", hint))
        if doubt := starved(each.policy, seen.requests_per_day):
            hint = "a longer `window`, or fewer `min_requests`"
            found.append(each.document.problem(("guards", "breaker"), f"warning: {doubt}", hint))
    return found


def _row(problem: FileProblem, *, refused: bool) -> dict[str, object]:
    return {"refused": refused, **asdict(problem)}


def _explain(arguments: argparse.Namespace) -> int:
    if arguments.replay is not None:
        return _replay(arguments.replay, arguments)
    known = _surroundings(arguments)
    whole = _all(arguments, known)
    loaded = [each for file in whole for each in contenders(file)]
    told = [
        meaning.text(
            each.policy, decision_rules(each.policy, with_files(known, each)), among=len(file.policy.candidates)
        )
        for file in whole
        for each in contenders(file)
    ]
    if arguments.json:
        print(json.dumps([_explained(each, line) for each, line in zip(loaded, told, strict=True)]))
    elif told:
        print(layout.folded("\n\n".join(told)))
    else:
        _tell_none(arguments)
    return 0


def _tell_none(arguments: argparse.Namespace) -> None:
    """Say that there is no policy, and how one begins: no output at all would be a riddle."""
    where = ", ".join(map(str, arguments.policies)) or str(context.settings(arguments).policies)
    print(f"No policy file in {where}. hint: `crossfade init` writes an example to copy", file=sys.stderr)


def _explained(loaded: Loaded, told: str) -> dict[str, object]:
    return {"file": loaded.name, "route": loaded.policy.route, "text": told, "policy": dumped(loaded.policy)}


def dumped(policy: Policy) -> object:
    """A policy with all its defaults."""
    return policy.model_dump(mode="json", by_alias=True, exclude_none=True)


_DIFFERENCES = 5
"""Named at most, where a decision is another."""


def _replay(path: Path, arguments: argparse.Namespace) -> int:
    """Decide again; 1 if the decision is another."""
    try:
        kept = explain.decode(record_in(read_named(path)))
    except explain.RecordError as error:
        hint = "the data directory has a file for each move: evidence/ROUTE/*.json"
        return failed(f"{path}: {error}. hint: {hint}", arguments)
    again = explain.replay(kept)
    differing = rounding.differences(kept.decision, again)
    if arguments.json:
        print(explain.fields(again).decode())
    else:
        print(layout.folded(explain.text(again)))
    if differing:
        return failed(f"ANOTHER decision than was recorded: other {', '.join(differing[:_DIFFERENCES])}", arguments)
    print("the same decision", file=sys.stderr)
    return 0


def _plan(arguments: argparse.Namespace) -> int:
    known, data = _surroundings(arguments), context.data(arguments)
    loaded = _all(arguments, known)
    looks = policy_plan.looks(find(context.settings(arguments), data, os.environ))
    in_force = policy_plan.in_force(data, known, context.settings(arguments).policies)
    today = policy_plan.Today(in_force, looks, arguments.traffic)
    plans = policy_plan.plans(loaded, known, data, today, now=clock.wall())
    if not arguments.policies:  # the whole folder: what it has no more will be gone
        plans += policy_plan.taken_away(loaded, in_force)
    if plans or arguments.json:
        print(policy_plan.as_json(plans) if arguments.json else layout.folded(policy_plan.as_text(plans)))
    else:
        _tell_none(arguments)
    return 2 if any(plan.changes for plan in plans) else 0


def _slo(arguments: argparse.Namespace) -> int:
    return policy_slo.run(arguments, _all(arguments, _surroundings(arguments)))


def _schema(_: argparse.Namespace) -> int:
    print(json_schema())
    return 0


_VERBS = {
    "lint": _lint, "plan": _plan, "explain": _explain, "simulate": policy_simulate.run, "slo": _slo, "schema": _schema,
}  # fmt: skip


def _surroundings(arguments: argparse.Namespace) -> Surroundings:
    return surroundings(context.settings(arguments))


def _paths(arguments: argparse.Namespace) -> list[Path]:
    named: Sequence[Path] = arguments.policies or [context.settings(arguments).policies]
    found: list[Path] = []
    for path in named:
        if path.is_dir():
            found += sorted(child for child in path.iterdir() if child.suffix in SUFFIXES)
        elif arguments.policies or path.exists():  # one that is not there is no slip, unless it was named
            found.append(path)
    return found


def _read_all(paths: Sequence[Path], known: Surroundings) -> tuple[list[Loaded], list[FileProblem]]:
    loaded: list[Loaded] = []
    refused: list[FileProblem] = []
    for path in paths:
        try:
            loaded.append(read_file(path, known))
        except YamlFileError as error:
            refused += error.problems
    return loaded, refused


def _all(arguments: argparse.Namespace, known: Surroundings) -> list[Loaded]:
    """Every policy that is named.

    Raises:
        YamlFileError: one of them is refused.
    """
    loaded, refused = _read_all(_paths(arguments), known)
    if refused:
        raise YamlFileError(*refused)
    return loaded
