"""`crossfade train`: a training script of one's own, the environment it runs in, and the way back as a candidate."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from gateway.cli import context, train_sweep
from gateway.cli.failure import failed
from gateway.config.policy_file import read_file
from gateway.config.settings import Settings, Upstream
from gateway.config.settings_file import SettingsError
from gateway.config.surroundings import surroundings
from gateway.config.yaml_file import YamlFileError
from gateway.node.plain_error import hinted
from gateway.training import environment
from gateway.training.environment import EnvironmentBrokenError
from gateway.training.inside_call import TrainingCallError
from gateway.training.preflight import Engine, PreflightCheck, PreflightError, preflight
from gateway.training.render import (
    COMPARATORS,
    LOCK,
    contradictions,
    job,
    rendered,
    settings_in,
    value,
    write,
    write_comparators,
)
from gateway.training.revision import write_revision
from gateway.training.training_set import check_base, check_dataset
from gateway.transport.key_file import read_key
from policies.schema import Policy
from records.dataset.manifest import Manifest
from shadow.reward import PURE

TAKES = {"sft": "trl-sft", "dpo": "trl-dpo", "grpo": "trl-grpo"}
"""The export format that each recipe reads."""
ELSEWHERE = {"modal": "modal_app.py", "k8s": "job.yaml"}
"""What runs a script where this machine is not."""
_MEASURED = {
    "modal": "`modal run {} --dry-run` measures tokens, updates, time and cost there",
    "k8s": "add --dry-run behind the script in {}: that Job measures tokens, updates, time and cost there",
}
"""How a dry run goes on where this machine is not."""
_OPTIONS = ("DATASET", "BASE", "OUT")
"""Settings that options say: what they name is looked at first."""


def run(arguments: argparse.Namespace) -> int:
    """Do it; 1: refused, failed, or faults found."""
    doers = {"env": _environment, "preflight": _preflight, "sweep": train_sweep.run}
    try:
        return doers.get(arguments.action, _recipe)(arguments)
    except (
        SettingsError, YamlFileError, EnvironmentBrokenError, PreflightError, TrainingCallError, ValueError
    ) as error:  # fmt: skip
        return failed(error, arguments)
    except OSError as error:
        return failed(hinted(error, "is the path right, and may this user write there?"), arguments)


def _environment(_: argparse.Namespace) -> int:
    print(environment.make(environment.home(os.environ)))
    return 0


def _recipe(arguments: argparse.Namespace) -> int:
    """Write the script and what runs it elsewhere; run it, if here is where it runs."""
    dataset = check_dataset(arguments.dataset, TAKES[arguments.action])
    check_base(arguments.base)
    script = _written(arguments)
    if arguments.on != "here":
        start = arguments.out / ELSEWHERE[arguments.on]
        if arguments.dry_run:
            _print_known(script, dataset)
            print(f"nothing has run. hint: {_MEASURED[arguments.on].format(start)}", file=sys.stderr)
            return 0
        _print_written(arguments, start, script)
        print(f"nothing has run: the first lines of {start.name} say how to start it", file=sys.stderr)
        return 0
    if arguments.write_only:
        _print_written(arguments, script, script)
        return 0
    cache = environment.home(os.environ)
    if arguments.dry_run and environment.ready(cache) is None:
        _print_unmeasured(script, dataset, environment.folder(cache))
        return 0
    python = environment.make(cache)
    words = [str(python), str(script), *(["--dry-run"] if arguments.dry_run else [])]
    told = os.environ | {"PYTHONPATH": str((arguments.out / COMPARATORS).resolve())}
    code = subprocess.run(words, check=False, env=told).returncode  # noqa: S603 -- the user's own script
    if code:
        return failed(f"{script} ended with {code}. hint: its words are above; run it again to go on", arguments)
    return 0


def _print_written(arguments: argparse.Namespace, start: Path, script: Path) -> None:
    """Print what to start, which is the script itself here."""
    print(json.dumps({"start": str(start), "script": str(script)}) if arguments.json else start)


def _print_unmeasured(script: Path, dataset: Manifest, missing: Path) -> None:
    """What a dry run knows without the environment; and what is missing, and why."""
    _print_known(script, dataset)
    print(
        f"Tokens, updates, time and cost are measured in the environment for training, which is not there, and a dry "
        f"run does not make it.\nhint: `crossfade train env` does: 2 GB into {missing}, some minutes",
        file=sys.stderr,
    )


def _print_known(script: Path, dataset: Manifest) -> None:
    """What is known before anything runs, in the shape of the script's own."""
    try:
        settings = {name.lower(): each for name, each in settings_in(script.read_text("utf-8")).items()}
    except ValueError:
        settings = None  # the script is the user's own altogether
    rows = {"train": 0, "validation": 0}
    for each in dataset.files:
        rows[each.split] += each.examples
    told = {"settings": settings, "rows": rows["train"], "validation_rows": rows["validation"]}
    print(json.dumps(told, indent=1))


def _written(arguments: argparse.Namespace) -> Path:
    """Write the script, unless the user has edited it; where."""
    is_here, name, base = arguments.on == "here", f"train_{arguments.action}.py", Path(arguments.base)
    local = str(base.resolve()) if base.exists() else ""
    dataset, out = str(arguments.dataset.resolve()), str(arguments.out.resolve())
    settings = {
        "DATASET": dataset if is_here else "/dataset",
        "BASE": (local if is_here else local and "/base") or arguments.base,
        "OUT": out if is_here else "/out",
        **(_rewards(arguments.policy) if arguments.action == "grpo" and arguments.policy else {}),
        **_set(arguments.set),
    }
    _refuse_other_settings(arguments.out / name, settings, fresh=arguments.fresh)
    texts = {name: rendered(name, settings), "requirements.txt": LOCK.read_text("utf-8")}
    if arguments.on == "modal":
        app: dict[str, object] = {"SCRIPT": name, "DATASET": dataset, "BASE": local, "TORCH": environment.TORCH}
        texts[ELSEWHERE["modal"]] = rendered(ELSEWHERE["modal"], app)
    elif arguments.on == "k8s":
        texts[ELSEWHERE["k8s"]] = job(arguments.action, environment.TORCH)
    if arguments.action == "grpo":
        write_comparators(arguments.out)
    for each, text in texts.items():
        if not write(arguments.out, each, text, fresh=arguments.fresh):
            print(f"{arguments.out / each} is as you left it and stays so: --fresh writes it again", file=sys.stderr)
    return arguments.out / name


def _refuse_other_settings(script: Path, settings: Mapping[str, object], *, fresh: bool) -> None:
    """A script that is there stays: what this call asks for must be what it says, or nobody would notice.

    Raises:
        ValueError: it says something else.
    """
    if fresh or not script.exists():
        return
    try:
        other = contradictions(script.read_text("utf-8"), settings)
    except ValueError:
        return  # without the block of settings it is the user's own altogether
    if other:
        raise ValueError(
            f"{script} is there, and says {'; '.join(other)}. hint: edit it there, name another --out, or write it "
            "again with --fresh"
        )


def _rewards(path: Path) -> dict[str, object]:
    """The route's own comparators as rewards, those that score by themselves.

    Raises:
        YamlFileError: the policy is refused.
        ValueError: none of them does.
    """
    compare = read_file(path).policy.compare
    names = (*PURE, "python")
    found = {
        each.name: each.options.model_dump(mode="json", exclude_none=True) for each in compare if each.name in names
    }
    if not found:
        raise ValueError(f"{path} compares by nothing that scores by itself. hint: {', '.join(names)}")
    return {"REWARDS": found, "FOLDER": str(path.parent.resolve())}


def _set(words: list[str]) -> dict[str, object]:
    """The settings of `--set name=value`."""
    found: dict[str, object] = {}
    for word in words:
        name, is_set, text = word.partition("=")
        if not is_set:
            raise ValueError(f"--set {word}: no value. hint: --set {name}=…")
        if name.upper() in _OPTIONS:
            raise ValueError(f"--set {word}: another option says that. hint: --{name.lower()}")
        found[name.upper()] = value(text)
    return found


def _preflight(arguments: argparse.Namespace) -> int:
    """Look at all there is to look at; then write the revision, if that was asked for and nothing is wrong."""
    settings = context.settings(arguments)
    known = surroundings(settings)
    policy = read_file(arguments.policy, known).policy if arguments.policy else None
    if arguments.revision and policy is None:
        raise ValueError("--revision without a policy. hint: name the route's file as --policy")
    engine = _engine(arguments, policy, settings)
    checks: list[PreflightCheck] = []
    for check in preflight(arguments.run, engine):
        checks.append(check)
        if not arguments.json:
            print(f"{'FAIL' if check.faults else 'ok  '}  {check.name:<10} {check.told}")
            for fault in check.faults:
                print(f"      {fault}")
    faults = sum(len(check.faults) for check in checks)
    written = not faults and bool(arguments.revision)
    if arguments.json:
        rows = [{"name": each.name, "about": each.told, "faults": list(each.faults)} for each in checks]
        print(json.dumps({"checks": rows, "revision": arguments.revision if written else None}))
    if faults:
        said = f"{faults} fault{'' if faults == 1 else 's'}"
        return failed(f"{said}: {arguments.run} is no candidate yet. hint: nothing was written", arguments)
    if written:
        write_revision(arguments.policy, arguments.revision, engine.model, known)
        print(f"{arguments.policy}: revision {arguments.revision}, from the shadow on", file=sys.stderr)
    return 0


def _engine(arguments: argparse.Namespace, policy: Policy | None, settings: Settings) -> Engine:
    """The engine that serves the candidate, from the options or the policy.

    Raises:
        ValueError: neither says it.
    """
    model = arguments.model or (policy.candidate.model if policy else None)
    if not model:
        raise ValueError("which model? hint: --model, or --policy whose candidate names it")
    upstream = settings.upstreams[policy.candidate.upstream] if policy else None
    url = arguments.url or (upstream.url if upstream else None)
    if not url:
        raise ValueError(
            "which engine? hint: --url http://host:8000/v1, or --policy whose candidate names its upstream"
        )
    headers = {} if arguments.url or upstream is None else dict(upstream.headers) | _authorization(upstream, os.environ)
    return Engine(url, model, headers, tuple(arguments.replica), arguments.max_lora_rank)


def _authorization(upstream: Upstream, environ: Mapping[str, str]) -> dict[str, str]:
    """The upstream's own key, or the one for calls nobody waits for: never a caller's."""
    for path in (upstream.background_key_file, upstream.api_key_file):
        if path is not None:
            return {"authorization": f"Bearer {read_key(path).decode()}"}
    for name in (upstream.background_key_env, upstream.api_key_env):
        if name is not None and environ.get(name):
            return {"authorization": f"Bearer {environ[name]}"}
    return {}
