"""Every command and every option of it. argparse alone, so that any `--help` and any bad usage is answered at once.

Rules:
1. Nothing of a command is loaded here: `gateway.cli.main` loads its module once its words are read.
2. What is imported here for its values loads nothing either (`records.dataset.formats`, `records.importers.sources`).

Longer than a file should be: it is one table, a function for each command.
"""

import argparse
import functools
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from gateway.cli.overview import overview
from gateway.cli.parser import Parser, unheeded
from gateway.cli.values import at_once, between, count, lasting, since, stated, until, whole
from policies.terms import SCOPES
from records.dataset.formats import FORMATS
from records.importers.sources import SOURCES

PACE = 80.0
"""The demo's tickets a second."""
LEAST_S = 0.2
"""Looks of `top` are no closer together."""
_DIRECTIVES = {
    "promote": "take the next stage without waiting for its checks, or approve it",
    "hold": "stay at its stage until you say `resume`",
    "resume": "continue after a hold or pause, or start again after a rollback or rejection",
    "rollback": "go back to the baseline at once; works without a leader, too",
}


class Command(NamedTuple):
    """One command."""

    module: str
    """Of `gateway.cli`; its `run(arguments)` does it and returns the exit code."""
    summary: str
    """One line of help."""
    add_arguments: Callable[[Parser], None]


@functools.cache
def command_line() -> Parser:
    """The parser of everything after `crossfade`, made once: it takes longer than to parse a command."""
    parser = _Overview(prog="crossfade", description="Move an app's OpenAI traffic to your own model.")
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version, and exit")
    parser.set_defaults(json=False)  # of commands that have no such option
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    for name, command in COMMANDS.items():
        command.add_arguments(commands.add_parser(name, help=command.summary, description=command.summary))
    return parser


class _Overview(Parser):
    """The first page of help: commands in groups, with examples."""

    def format_help(self) -> str:
        """The overview, instead of argparse's list of commands."""
        return overview({name: command.summary for name, command in COMMANDS.items()})


class _Version(argparse.Action):
    """Prints the version; what knows it is loaded only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        print(f"crossfade {importlib.import_module('importlib.metadata').version('crossfade')}")
        parser.exit()


def _add_config(parser: Parser) -> None:
    """The option that names the settings file."""
    parser.add_argument(
        "--config", metavar="FILE", help="settings file (default: crossfade.yaml in this folder, if there is one)"
    )


def _add_context(parser: Parser) -> None:
    """The options that name a Crossfade: its settings file and its data directory."""
    _add_config(parser)
    parser.add_argument("--data", metavar="DIR", help="data directory (default: `data` in the settings)")


def _add_json(parser: Parser) -> None:
    """The option of every command that reads."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def _add_since(parser: Parser, usual: str | None = None) -> None:
    """The option of every command that reads a part of the records."""
    otherwise = "" if usual is None else f" (default: {usual})"
    parser.add_argument(
        "--since", type=since, default=usual, metavar="TIME",
        help=f"only what was recorded since then: 30m, 24h, 7d, all, or 2026-11-29T12:00, in UTC{otherwise}",
    )  # fmt: skip


def _init(parser: Parser) -> None:
    parser.add_argument(
        "directory", nargs="?", default=".", metavar="DIR", help="folder to write into (default: this one)"
    )


def _serve(parser: Parser) -> None:
    _add_config(parser)
    parser.add_argument("--listen", metavar="HOST:PORT", help="the data port (default: 127.0.0.1:8080)")
    parser.add_argument("--admin", metavar="HOST:PORT", help="the admin port (default: 127.0.0.1:8081)")
    parser.add_argument("--data", metavar="DIR", help="data directory (default: ./crossfade-data)")


def _demo(parser: Parser) -> None:
    parser.add_argument("--pace", type=between(1, 1000), default=PACE, help=f"tickets a second (default: {PACE:g})")


def _completion(parser: Parser) -> None:
    parser.add_argument(
        "shell",
        choices=("bash", "zsh", "tcsh"),
        help='your shell; then run, as for bash: eval "$(crossfade completion bash)"',
    )


def _doctor(parser: Parser) -> None:
    parser.add_argument(
        "--send-test",
        action="store_true",
        help="also send GET /v1/models through the running gateway, with the key in $OPENAI_API_KEY",
    )
    _add_context(parser)
    _add_json(parser)


def _status(parser: Parser) -> None:
    parser.add_argument("route", nargs="?", metavar="ROUTE", help="only this route")
    _add_context(parser)
    _add_json(parser)


def _top(parser: Parser) -> None:
    parser.add_argument("route", nargs="?", metavar="ROUTE", help="only this route")
    parser.add_argument(
        "--every", type=between(LEAST_S), default=2.0, metavar="SECONDS", help="seconds between updates (default: 2)"
    )
    parser.add_argument("--times", type=count, metavar="N", help="end after N updates (default: never; in a pipe: 1)")
    _add_context(parser)


def _explain(parser: Parser) -> None:
    parser.add_argument("route", metavar="ROUTE", help="the route to explain (of several candidates: ROUTE@NAME)")
    parser.add_argument("--history", type=count, metavar="N", help="show the last N decisions instead, newest first")
    _add_context(parser)
    _add_json(parser)


def _operate(verb: str) -> Callable[[Parser], None]:
    """The options of an operator's order."""

    def add_arguments(parser: Parser) -> None:
        parser.add_argument("route", metavar="ROUTE", help=f"the rollout that should {_DIRECTIVES[verb]}")
        parser.add_argument(
            "--reason", required=True, type=stated, help="why; kept in the decision and in the audit log"
        )
        parser.set_defaults(verb=verb)
        _add_context(parser)
        _add_json(parser)

    return add_arguments


def _routes(parser: Parser) -> None:
    parser.add_argument("-n", "--lines", type=count, default=20, help="number of groups (default: 20)")
    parser.add_argument("--all", action="store_true", help="also show traffic that has a route")
    _add_context(parser)
    _add_json(parser)


def _readiness(parser: Parser) -> None:
    parser.add_argument("route", nargs="?", metavar="ROUTE", help="only this route")
    _add_context(parser)
    _add_json(parser)


def _label(parser: Parser) -> None:
    parser.add_argument("route", metavar="ROUTE", help="the route whose pairs to judge")
    parser.add_argument("--by", required=True, metavar="NAME", help="your name, kept with each vote")
    parser.add_argument(
        "--pool", choices=("random", "judged", "disagreements"), default="random",
        help="random: an unbiased sample; judged: pairs that the judge scored (default: random)",
    )  # fmt: skip
    parser.add_argument("--seed", default="1", help="another seed draws other pairs (default: 1)")
    _add_context(parser)
    _add_json(parser)


def _savings(parser: Parser) -> None:
    parser.add_argument("route", nargs="?", metavar="ROUTE", help="only this route")
    _add_since(parser, "30d")
    _add_context(parser)
    _add_json(parser)


def _report(parser: Parser) -> None:
    parser.add_argument("route", metavar="ROUTE", help="the route to report on")
    _add_since(parser, "7d")
    shapes = parser.add_mutually_exclusive_group()
    for name, words in (
        ("md", "print Markdown (the default)"),
        ("html", "print one HTML page without external files"),
        (
            "pdf",
            "not supported: print the --html page to PDF (chromium --headless --print-to-pdf=report.pdf report.html)",
        ),
    ):
        shapes.add_argument(f"--{name}", action="store_const", const=name, dest="shape", help=words)
    _add_context(parser)
    _add_json(parser)


_ID = "the x-crossfade-request-id of its answer, or its end as `records tail` shows it"


def _records(parser: Parser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    tail = actions.add_parser("tail", help="show the last exchanges")
    tail.add_argument("-n", "--lines", type=count, default=20, help="number of exchanges (default: 20)")
    show = actions.add_parser("show", help="show one exchange, with its bodies and feedback")
    show.add_argument("id", metavar="ID", help=_ID)
    stats = actions.add_parser("stats", help="show tokens, cost and latency by route and variant")
    for each in (tail, stats):
        each.add_argument("--route", help="only this route")
        each.add_argument("--model", help="only requests for this model")
        each.add_argument("--status", metavar="CODE", help="only this status: 429, or 5xx")
        _add_since(each)
        each.add_argument("--user", help="only this user, as the app names it")
        each.add_argument("--failed", action="store_true", help="only errors and incomplete answers")
        each.add_argument("--where", metavar="WORDS", help="search words of the console, as 'total:>2s key:team'")
    stats.add_argument(
        "--hours", action="store_true", help="show servers that are paid by the hour: busy and idle time"
    )
    forget = actions.add_parser("forget", help="delete what is recorded of a user or key, and record nothing more")
    who = forget.add_mutually_exclusive_group(required=True)
    who.add_argument("--user", metavar="NAME", help="a user, as the app names it in `user` or `safety_identifier`")
    who.add_argument("--key", metavar="ID", help="the id of a key, as the records show it")
    who.add_argument("--conversation", metavar="ID", help="the id of a conversation, as the records show it")
    who.add_argument("--id", metavar="ID", help=f"one exchange: {_ID}")
    imports = actions.add_parser(
        "import", help="import logs of other systems, each row once; they are not evidence for any check"
    )
    imports.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="exported file: JSONL, JSON or CSV, also .gz"
    )
    imports.add_argument("--from", required=True, choices=SOURCES, dest="source", help="the system that exported it")
    imports.add_argument("--route", metavar="R", help="route of all rows (default: the route whose policy matches)")
    imports.add_argument("--upstream", metavar="NAME", help="upstream whose prices to use where the log has no cost")
    imports.add_argument(
        "--no-train", action="store_true", help="use for readiness and evaluation only, never in a dataset"
    )
    fetch = actions.add_parser("fetch", help="bring what all nodes archived into a directory here, to read it")
    fetch.add_argument(
        "archive", nargs="?", metavar="URL", help="the archive, s3://bucket/prefix (default: `archive` in the settings)"
    )
    fetch.add_argument(
        "--to", required=True, type=Path, metavar="DIR", help="directory, for `--data` of commands that read"
    )
    for each in (tail, show, stats, forget, imports):
        _add_context(each)
        _add_json(each)
    _add_config(fetch)
    _add_json(fetch)


def _dataset(parser: Parser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    build = actions.add_parser("build", help="write a route's records as training files")
    whose = build.add_mutually_exclusive_group(required=True)
    whose.add_argument("--route", help="exchanges of this route")
    whose.add_argument("--unrouted", action="store_true", help="exchanges without a route")
    whose.add_argument(
        "--policy", type=Path, metavar="FILE", help="exchanges of this policy's route, and older ones that it matches"
    )
    build.add_argument(
        "--match", action="append", default=[], metavar="model=NAME", help="only exchanges that ask for this model"
    )
    build.add_argument("--format", required=True, choices=FORMATS, dest="shape", help="the trainer's format")
    build.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="folder in which the dataset's own folder is made"
    )
    held_out = build.add_mutually_exclusive_group()
    held_out.add_argument(
        "--validation", default="10%", metavar="SHARE", help="share of the conversations to hold out (default: 10%%)"
    )
    held_out.add_argument(
        "--validation-from", type=until, metavar="TIME",
        help="hold out, instead, the conversations that began then or later, as in --since: what comes after is judged",
    )  # fmt: skip
    build.add_argument("--salt", default="split", help="another salt splits differently (default: split)")
    build.add_argument(
        "--against", action="append", default=[], type=Path, metavar="FILE",
        help="an evaluation set besides the route's registered ones: a row that repeats a prompt fails the build",
    )  # fmt: skip
    build.add_argument(
        "--drop-leaks",
        action="store_true",
        help="leave out rows that repeat a prompt of an evaluation set, and count them",
    )
    _add_care(build)
    _add_context(build)
    inspect = actions.add_parser("inspect", help="show what a dataset was made from, and what one row teaches")
    inspect.add_argument("folder", type=Path, metavar="DIR")
    inspect.add_argument("--row", type=count, metavar="N", help="the row to show (default: the first)")
    inspect.add_argument(
        "--tokenizer", type=Path, metavar="DIR", help="a model's folder: show tokens instead of messages"
    )
    inspect.add_argument("--color", choices=("auto", "always", "never"), default="auto", help="(default: auto)")
    diff = actions.add_parser("diff", help="show how two datasets differ: settings, prompts, answers, splits")
    diff.add_argument("before", type=Path, metavar="DIR")
    diff.add_argument("after", type=Path, metavar="DIR")
    validate = actions.add_parser("validate", help="check a dataset as its trainer would; faults as file:line")
    validate.add_argument("path", type=Path, metavar="PATH", help="a dataset's folder, or one file")
    validate.add_argument(
        "--format", choices=FORMATS, dest="shape", help="format of a single file (default: the manifest's)"
    )
    for each in (build, inspect, diff, validate):
        _add_json(each)


def _add_care(build: Parser) -> None:
    """Which exchanges a dataset is made of."""
    _add_since(build)
    build.add_argument("--until", type=until, metavar="TIME", help="only what was recorded before then, as in --since")
    build.add_argument(
        "--model", action="append", default=[], metavar="NAME", help="only this model, as requested or as answered"
    )
    build.add_argument(
        "--finish-reason", action="append", default=[], metavar="WORD", help="only answers with this finish reason"
    )
    build.add_argument(
        "--least-score", type=between(-1, 1), metavar="X", help="only answers with a vote of at least X, -1 to 1"
    )
    build.add_argument("--with-feedback", action="store_true", help="only answers with feedback")
    build.add_argument(
        "--label", action="append", default=[], metavar="WORD", help="only answers to which the app gave this label"
    )
    build.add_argument(
        "--recorded",
        choices=("here", "imported"),
        help="only exchanges recorded here, or imported ones (default: both)",
    )
    build.add_argument("--most-per-source", type=count, metavar="N", help="at most N rows of one user (or key)")
    build.add_argument("--most-per-template", type=count, metavar="N", help="at most N rows with one system prompt")
    build.add_argument(
        "--near",
        type=between(0, 1),
        metavar="SHARE",
        help="leave out near duplicates: rows that share this much, as 0.9 (needs the extra `near`)",
    )
    build.add_argument(
        "--keep-personal-data", action="store_true", help="keep rows in which redaction replaced something"
    )
    _engine(build)


def _engine(parser: Parser) -> None:
    parser.add_argument(
        "--engine",
        choices=("process", "ray"),
        default="process",
        help="where to work: in this process (default), or on Ray, on all cores or RAY_ADDRESS's cluster (extra `ray`)",
    )


def _eval(parser: Parser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="register a set: JSONL, OpenAI Evals or a promptfoo configuration")
    add.add_argument("file", type=Path, metavar="FILE", help=".jsonl, or promptfoo's .yaml or .json")
    add.add_argument(
        "--route", required=True, metavar="R", help="route of the questions; its policy says how to compare"
    )
    add.add_argument("--name", help="name of the set (default: the file's name)")
    listing = actions.add_parser("list", help="list registered sets with their last results")
    draw = actions.add_parser("sample", help="draw recorded questions to label")
    whose = draw.add_mutually_exclusive_group(required=True)
    whose.add_argument("--route", metavar="R", help="route to draw from")
    whose.add_argument("--unrouted", action="store_const", const="", dest="route", help="traffic without a route")
    draw.add_argument("--rows", type=count, default=200, metavar="N", help="number of questions (default: 200)")
    _add_since(draw, "30d")
    draw.add_argument("--salt", default="eval", help="another salt draws differently (default: eval)")
    ask = actions.add_parser("run", help="ask variants the questions of a set, and compare the answers")
    ask.add_argument("set", metavar="EVALSET", help="name of the set")
    ask.add_argument(
        "--variants", default="baseline,candidate", metavar="LIST",
        help="baseline, candidate or UPSTREAM:MODEL; each is compared with the first (default: baseline,candidate)",
    )  # fmt: skip
    ask.add_argument(
        "--policy", type=Path, metavar="FILE", help="the route's policy (default: the one in the policies folder)"
    )
    ask.add_argument(
        "--budget-usd", type=between(0), default=5.0, metavar="USD", help="most dollars to spend (default: 5)"
    )
    ask.add_argument(
        "--within", type=lasting, default=3600.0, metavar="TIME", help="start no new call after this time (default: 1h)"
    )
    ask.add_argument(
        "--in-flight", type=at_once, metavar="N", help="questions at the same time (default: the policy's)"
    )
    _engine(ask)
    for each in (add, listing, draw, ask):
        _add_context(each)
        _add_json(each)


def _train(parser: Parser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    summaries = {
        "sft": "fine-tune on the answers of a dataset, with a script that you can edit",
        "dpo": "fine-tune on pairs: which of two answers is better",
        "grpo": "fine-tune on the model's own answers, scored by the route's comparators",
    }
    recipes = {name: actions.add_parser(name, help=summary) for name, summary in summaries.items()}
    for recipe in recipes.values():
        recipe.add_argument(
            "--dataset", required=True, type=Path, metavar="DIR", help="dataset folder, as `dataset build` printed it"
        )
        recipe.add_argument("--base", required=True, metavar="MODEL", help="model to start from: a folder or a name")
        recipe.add_argument(
            "--out", required=True, type=Path, metavar="DIR", help="folder for the script and the model"
        )
        recipe.add_argument(
            "--on",
            choices=("here", "modal", "k8s"),
            default="here",
            help="where to run: this machine, Modal or Kubernetes (default: here)",
        )
        recipe.add_argument(
            "--set", action="append", default=[], metavar="NAME=VALUE", help="change a setting of the script"
        )
        recipe.add_argument(
            "--dry-run",
            action="store_true",
            help="print settings, rows, tokens, time and cost; train and install nothing",
        )
        recipe.add_argument("--write-only", action="store_true", help="write the script, and do not run it")
        recipe.add_argument("--fresh", action="store_true", help="write the script again, and lose your edits")
    recipes["grpo"].add_argument("--policy", type=Path, metavar="FILE", help="policy whose comparators are the rewards")
    sweep = actions.add_parser("sweep", help="try several settings of a fine-tune; stop the weak ones early")
    sweep.add_argument(
        "--dataset", required=True, type=Path, metavar="DIR", help="dataset folder, as `dataset build` printed it"
    )
    sweep.add_argument("--base", required=True, metavar="MODEL", help="model to start from: a folder")
    sweep.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="DIR",
        help="folder for the configurations, each in a folder of its own",
    )
    sweep.add_argument(
        "--policy", required=True, type=Path, metavar="FILE", help="policy whose comparators score the answers"
    )
    sweep.add_argument(
        "--eval", required=True, metavar="EVALSET", help="name of a labelled evaluation set of the route"
    )
    sweep.add_argument("--grid", action="append", required=True, metavar="NAME=V,V", help="values of a setting to try")
    sweep.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change a setting of all configurations"
    )
    sweep.add_argument(
        "--rounds", type=count, default=3, metavar="N", help="rounds, each twice as long as the one before (default: 3)"
    )
    sweep.add_argument(
        "--dry-run", action="store_true", help="print configurations and rounds; install, write and train nothing"
    )
    sweep.add_argument("--jobs", type=at_once, default=1, metavar="N", help="trainings at the same time (default: 1)")
    sweep.add_argument(
        "--max-tokens", type=count, default=64, metavar="N", help="most tokens of an answer (default: 64)"
    )
    sweep.add_argument(
        "--within",
        type=lasting,
        default=3600.0,
        metavar="TIME",
        help="longest time of one training or evaluation (default: 1h)",
    )
    _add_context(sweep)
    actions.add_parser("env", help="install what training needs, and print the path of its Python")
    check = actions.add_parser(
        "preflight", help="check that an engine serves the trained model; then write its revision"
    )
    check.add_argument("run", type=Path, metavar="DIR", help="the --out folder of the training")
    check.add_argument("--policy", type=Path, metavar="FILE", help="policy that names the upstream and the model")
    check.add_argument("--revision", metavar="NAME", help="write this revision into the policy, if every check passes")
    check.add_argument("--url", help="URL of the engine, as http://host:8000/v1 (default: the policy's upstream)")
    check.add_argument("--model", help="the model's name there (default: the policy's)")
    check.add_argument(
        "--replica", action="append", default=[], metavar="HOST:PORT", help="check only this replica; may be repeated"
    )
    check.add_argument(
        "--max-lora-rank", type=count, default=16, metavar="N", help="the engine's --max-lora-rank (default: 16)"
    )
    _add_context(check)
    for each in (*recipes.values(), sweep, check):
        _add_json(each)


def _rebuild(parser: Parser) -> None:
    parser.add_argument("route", nargs="?", metavar="ROUTE", help="only this route (default: all that have a rollout)")
    parser.add_argument("--write", action="store_true", help="keep the result; only while no gateway leads")
    _add_context(parser)
    _add_json(parser)


def _replay(parser: Parser) -> None:
    parser.add_argument("--route", required=True, metavar="R", help="the route; its policy says what to compare")
    parser.add_argument(
        "--policy", type=Path, metavar="FILE", help="the policy (default: the one in the policies folder)"
    )
    _add_since(parser, "7d")
    parser.add_argument(
        "--limit", type=count, default=1000, metavar="N", help="most exchanges, drawn by conversation (default: 1000)"
    )
    parser.add_argument(
        "--budget", type=between(0), metavar="USD", help="most dollars to spend (default: the policy's budget of a day)"
    )
    parser.add_argument(
        "--within", type=lasting, default=3600.0, metavar="TIME", help="start no new call after this time (default: 1h)"
    )
    parser.add_argument("--in-flight", type=at_once, metavar="N", help="calls at the same time (default: the policy's)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="file for the comparisons: .jsonl or .parquet")
    _engine(parser)
    _add_context(parser)
    _add_json(parser)


def _keys(parser: Parser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="create a key; it is shown once")
    create.add_argument("name", help="name of the key in policies and records")
    create.add_argument(
        "--scope",
        action="append",
        default=[],
        choices=SCOPES,
        help="a right besides sending requests. pin: may choose a variant by header, on every route",
    )
    listing = actions.add_parser("list", help="list all keys, without their secrets")
    revoke = actions.add_parser("revoke", help="revoke a key, within a second")
    revoke.add_argument("name", help="name or id of the key")
    revoke.add_argument("--reason", type=unheeded, default="", help="why; kept in the audit log")
    for each in (create, listing, revoke):
        _add_context(each)
        _add_json(each)


def _kill(parser: Parser) -> None:
    parser.add_argument("--off", action="store_true", help="end the emergency stop: candidates serve their share again")
    parser.add_argument(
        "--reason", type=unheeded, default="crossfade kill", help="why; kept in the kill file and the audit log"
    )
    _add_context(parser)
    _add_json(parser)


def _policy(parser: Parser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    lint = verbs.add_parser("lint", help="list errors and warnings; exits with 1 if a policy is refused")
    plan = verbs.add_parser(
        "plan", help="show what would change, and the days each stage takes; exits with 2 if something would"
    )
    plan.add_argument("--traffic", type=between(0), metavar="N", help="eligible conversations a day")
    told = verbs.add_parser(
        "explain", help="show how a policy is understood, with every default; or why a decision was made"
    )
    told.add_argument(
        "--replay",
        type=Path,
        metavar="FILE",
        help="compute a decision again from its record, and compare; the data directory has a record for each move, "
        "evidence/ROUTE/*.json",
    )
    simulate = verbs.add_parser(
        "simulate", help="show what a policy would have decided on recorded traffic, or on pairs of your own"
    )
    simulate.add_argument("policy", type=Path, metavar="POLICY", help="the policy file")
    simulate.add_argument(
        "--pairs", metavar="FILE", help="compared pairs, one JSON object a line, also gzipped; - is stdin"
    )
    _add_since(simulate, "7d")
    simulate.add_argument(
        "--every", type=whole, default=0, metavar="N", help="also show the evidence after every N conversations"
    )
    simulate.add_argument("--shuffle", type=whole, metavar="SEED", help="shuffle the conversations first")
    slo = verbs.add_parser(
        "slo", help="print Prometheus rules for what policies promise: recordings and burn-rate alerts"
    )
    slo.add_argument("--job", default="crossfade", metavar="NAME", help="name of the scrape job (default: crossfade)")
    slo.add_argument("--nearest", action="store_true", help="count lateness at the bucket edge nearest to a limit")
    verbs.add_parser("schema", help="print the JSON Schema of a policy file, for editors")
    files = "policy files or folders (default: `policies` in the settings)"
    for verb in (lint, plan, told, slo):
        verb.add_argument("policies", nargs="*", type=Path, metavar="POLICY", help=files)
    for verb in (lint, plan, told, simulate, slo):
        _add_context(verb)
        _add_json(verb)


COMMANDS: dict[str, Command] = {
    "init": Command("init", "write a crossfade.yaml and a policies folder to start from", _init),
    "serve": Command("serve", "run the gateway: data port, admin port, background processes", _serve),
    "demo": Command("demo", "watch a whole migration and a rollback, on this machine only", _demo),
    "doctor": Command("doctor", "check machine, settings and upstreams, and say what to do", _doctor),
    "completion": Command("completion", "print what a shell needs to complete commands: bash, zsh, tcsh", _completion),
    "status": Command("status", "show where each route stands, in one table", _status),
    "top": Command("top", "show the same, live: sort, filter, a route's checks; q ends it", _top),
    "explain": Command("explain", "show why a rollout is where it is, with every check's numbers", _explain),
    "promote": Command("operate", "take the next stage without waiting, or approve it", _operate("promote")),
    "hold": Command("operate", "stay at this stage until you say `resume`", _operate("hold")),
    "resume": Command("operate", "continue, or start again after a stop", _operate("resume")),
    "rollback": Command("operate", "send all traffic of a route to the baseline, at once", _operate("rollback")),
    "routes": Command("routes", "show traffic without a policy, in groups, with its cost", _routes),
    "readiness": Command("readiness", "show which routes are due for a fine-tune, and why", _readiness),
    "savings": Command("savings", "show what candidates saved, less what shadow and judge cost", _savings),
    "report": Command("report", "print one page about a route, to send: gates, pairs, money, moves", _report),
    "records": Command("records", "see what was recorded: tail, show, stats, forget, import, fetch", _records),
    "label": Command("label", "judge pairs of answers, blind, in a terminal", _label),
    "dataset": Command("dataset", "make training files from records: build, inspect, diff, validate", _dataset),
    "eval": Command("evaluation", "test on questions never trained on: add, list, sample, run", _eval),
    "train": Command("train", "train the next candidate: sft, dpo, grpo, sweep, env, preflight", _train),
    "rebuild": Command("rebuild", "compute the evidence again from the records, and compare", _rebuild),
    "replay": Command("replay", "send recorded requests to a candidate; show what would be decided", _replay),
    "keys": Command("keys", "manage gateway keys: create, list, revoke", _keys),
    "kill": Command("kill", "send everything to the baseline, now; needs no other process", _kill),
    "policy": Command("policy", "work with policies: lint, plan, explain, simulate, slo, schema", _policy),
}
"""By name, in the order in which the help shows them."""
