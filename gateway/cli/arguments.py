"""Every command and every option of it. argparse alone, so that any `--help` and any bad usage is answered at once.

Rules:
1. Nothing of a command is loaded here: `gateway.cli.main` loads its module once its words are read.
2. What is imported here for its values loads nothing either (`records.dataset.formats`, `records.importers.sources`).

Longer than a file should be: it is one table, a function for each command.
"""

import argparse
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from gateway.cli.overview import overview
from gateway.cli.parser import Parser
from gateway.cli.values import between, count, days, lasting, whole
from records.dataset.formats import FORMATS
from records.importers.sources import SOURCES

PACE = 80.0
"""The demo's tickets a second."""
LEAST_S = 0.2
"""Looks of `top` are no closer together."""
_DIRECTIVES = {
    "promote": "take the next stage without waiting for its certificates, or approve it",
    "hold": "stay where it is until told otherwise",
    "resume": "go on, or begin again after a rollback or rejection",
    "rollback": "go back to the baseline at once; it is done here if no leader answers",
}


class Command(NamedTuple):
    """One command."""

    module: str
    """Of `gateway.cli`; its `run(arguments)` does it and returns the exit code."""
    summary: str
    """One line of help."""
    add_arguments: Callable[[Parser], None]


def command_line() -> Parser:
    """The parser of all words after `crossfade`."""
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
        """The page, in the place of argparse's own list."""
        return overview({name: command.summary for name, command in COMMANDS.items()})


class _Version(argparse.Action):
    """Prints the version; what knows it is loaded only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        print(f"crossfade {importlib.import_module('importlib.metadata').version('crossfade')}")
        parser.exit()


def _add_context(parser: Parser) -> None:
    """Which Crossfade a command is about."""
    parser.add_argument("--config", metavar="FILE", help="the settings (default: crossfade.yaml here, if there is one)")
    parser.add_argument("--data", metavar="DIR", help="the data directory (default: what the settings say)")


def _add_json(parser: Parser) -> None:
    """The option of every command that reads."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def _init(parser: Parser) -> None:
    parser.add_argument("directory", nargs="?", default=".", metavar="DIR", help="where (default: here)")


def _serve(parser: Parser) -> None:
    parser.add_argument("--config", metavar="FILE", help="the settings (default: crossfade.yaml here, if there is one)")
    parser.add_argument("--listen", metavar="HOST:PORT", help="the data port (default: 127.0.0.1:8080)")
    parser.add_argument("--admin", metavar="HOST:PORT", help="the admin port (default: 127.0.0.1:8081)")
    parser.add_argument("--data", metavar="DIR", help="where everything is kept (default: ./crossfade-data)")


def _demo(parser: Parser) -> None:
    parser.add_argument("--pace", type=between(1, 1000), default=PACE, help=f"tickets a second (default: {PACE:g})")


def _completion(parser: Parser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"), help='which; `eval "$(crossfade completion bash)"`')


def _doctor(parser: Parser) -> None:
    parser.add_argument(
        "--send-test",
        action="store_true",
        help="also send GET /v1/models through the running gateway, with the key in OPENAI_API_KEY",
    )
    _add_context(parser)
    _add_json(parser)


def _status(parser: Parser) -> None:
    parser.add_argument("route", nargs="?", metavar="ROUTE", help="only this one")
    _add_context(parser)
    _add_json(parser)


def _top(parser: Parser) -> None:
    parser.add_argument("route", nargs="?", metavar="ROUTE", help="only this one")
    parser.add_argument("--every", type=between(LEAST_S), default=2.0, metavar="SECONDS", help="how often (default: 2)")
    parser.add_argument(
        "--times", type=count, metavar="N", help="end after N looks (without a terminal: print so many; default 1)"
    )
    _add_context(parser)


def _explain(parser: Parser) -> None:
    parser.add_argument("route", metavar="ROUTE", help="the rollout to explain")
    parser.add_argument("--history", type=count, metavar="N", help="its last N decisions instead, newest first")
    _add_context(parser)
    _add_json(parser)


def _operate(verb: str) -> Callable[[Parser], None]:
    """The options of an operator's word."""

    def add_arguments(parser: Parser) -> None:
        parser.add_argument("route", metavar="ROUTE", help=f"the rollout that should {_DIRECTIVES[verb]}")
        parser.add_argument("--reason", required=True, help="for the decision, the audit log and whoever reads them")
        parser.set_defaults(verb=verb)
        _add_context(parser)
        _add_json(parser)

    return add_arguments


def _routes(parser: Parser) -> None:
    parser.add_argument("-n", "--lines", type=count, default=20, help="how many kinds of request (default: 20)")
    parser.add_argument("--all", action="store_true", help="traffic that has a route, too")
    _add_context(parser)
    _add_json(parser)


def _readiness(parser: Parser) -> None:
    parser.add_argument("route", nargs="?", metavar="ROUTE", help="only this one")
    _add_context(parser)
    _add_json(parser)


def _label(parser: Parser) -> None:
    parser.add_argument("route", metavar="ROUTE", help="whose pairs")
    parser.add_argument("--by", required=True, metavar="NAME", help="who judges: stands beside each vote")
    parser.add_argument(
        "--pool", choices=("random", "judged", "disagreements"), default="random",
        help="which pairs: random ones speak of all, judged ones of the judge (default: random)",
    )  # fmt: skip
    parser.add_argument("--seed", default="1", help="another one draws others (default: 1)")
    _add_context(parser)
    _add_json(parser)


def _report(parser: Parser) -> None:
    parser.add_argument("route", metavar="ROUTE", help="the rollout to report on")
    parser.add_argument("--since", default="7d", metavar="AGE", help="24h, 7d, all, or a moment (default: 7d)")
    shapes = parser.add_mutually_exclusive_group()
    for name, words in (
        ("md", "print Markdown (the default)"),
        ("html", "print one HTML file that needs nothing else"),
        ("pdf", "no: a browser makes one of --html (chromium --headless --print-to-pdf=report.pdf report.html)"),
    ):
        shapes.add_argument(f"--{name}", action="store_const", const=name, dest="shape", help=words)
    _add_context(parser)
    _add_json(parser)


def _records(parser: Parser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    tail = actions.add_parser("tail", help="the last exchanges")
    tail.add_argument("-n", "--lines", type=count, default=20, help="how many (default: 20)")
    show = actions.add_parser("show", help="one exchange, with its bodies and feedback")
    show.add_argument("id", help="its x-crossfade-request-id")
    stats = actions.add_parser("stats", help="what there is, by route and variant, and hours that were paid")
    for each in (tail, stats):
        each.add_argument("--route", help="of this route only")
        each.add_argument("--model", help="that the app asked for")
        each.add_argument("--status", metavar="CODE", help="as 429, or 5xx")
        each.add_argument("--since", metavar="TIME", help="as 30m, 24h, 7d, or 2026-11-29T12:00")
        each.add_argument("--user", help="as apps send it")
        each.add_argument("--failed", action="store_true", help="errors, and answers that are not whole")
        each.add_argument("--where", default="", metavar="WORDS", help="as the console's search: 'total:>2s key:team'")
    stats.add_argument("--hours", action="store_true", help="only servers that are paid by the hour: busy, idle")
    forget = actions.add_parser("forget", help="remove what is recorded of somebody, and record nothing more")
    who = forget.add_mutually_exclusive_group(required=True)
    who.add_argument("--user", help="as apps send it: `user` or `safety_identifier`")
    who.add_argument("--key", help="a key's id, as the records show it")
    who.add_argument("--conversation", help="a conversation's id, as the records show it")
    who.add_argument("--id", help="one exchange")
    imports = actions.add_parser("import", help="other systems' logs, once each; they are no evidence for any gate")
    imports.add_argument("files", nargs="+", type=Path, metavar="FILE", help="an export: JSONL, JSON or CSV, also .gz")
    imports.add_argument("--from", required=True, choices=SOURCES, dest="source", help="whose export it is")
    imports.add_argument("--route", metavar="R", help="of all rows (default: whose policy matches)")
    imports.add_argument("--upstream", metavar="NAME", help="whose prices hold where the log has no cost")
    imports.add_argument("--no-train", action="store_true", help="for readiness and evaluation alone: no dataset")
    for each in (tail, show, stats, forget, imports):
        _add_context(each)
        _add_json(each)


def _dataset(parser: Parser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    build = actions.add_parser("build", help="write a route's records as training files")
    whose = build.add_mutually_exclusive_group(required=True)
    whose.add_argument("--route", help="this route's exchanges")
    whose.add_argument("--unrouted", action="store_true", help="exchanges that have no route")
    whose.add_argument("--policy", type=Path, metavar="FILE", help="its route's, and what it would have taken before")
    build.add_argument("--match", action="append", default=[], metavar="model=NAME", help="that ask for this model")
    build.add_argument("--format", required=True, choices=FORMATS, dest="shape", help="whose trainer reads them")
    build.add_argument("--out", required=True, type=Path, metavar="DIR", help="a folder per dataset is made in it")
    build.add_argument("--validation", default="10%", metavar="SHARE", help="of the conversations (default: 10%%)")
    build.add_argument("--salt", default="split", help="another one splits otherwise (default: split)")
    build.add_argument(
        "--against", action="append", default=[], type=Path, metavar="FILE",
        help="an evaluation set besides the route's registered ones: a row that repeats a prompt fails the build",
    )  # fmt: skip
    build.add_argument("--drop-leaks", action="store_true", help="leave such rows out instead, counted")
    _add_care(build)
    _add_context(build)
    inspect = actions.add_parser("inspect", help="what a dataset was made of, and what a row of it teaches")
    inspect.add_argument("folder", type=Path, metavar="DIR")
    inspect.add_argument("--row", type=count, metavar="N", help="show what this row teaches (default: the first)")
    inspect.add_argument(
        "--tokenizer", type=Path, metavar="DIR", help="a model's folder: show its tokens, not messages"
    )
    inspect.add_argument("--color", choices=("auto", "always", "never"), default="auto", help="(default: auto)")
    diff = actions.add_parser("diff", help="what differs between two datasets: settings, prompts, answers, splits")
    diff.add_argument("before", type=Path, metavar="DIR")
    diff.add_argument("after", type=Path, metavar="DIR")
    validate = actions.add_parser("validate", help="whether its trainer takes it; faults as file:line")
    validate.add_argument("path", type=Path, metavar="PATH", help="a dataset's folder, or one file")
    validate.add_argument("--format", choices=FORMATS, dest="shape", help="of a file (default: the manifest's)")
    for each in (build, inspect, diff, validate):
        _add_json(each)


def _add_care(build: Parser) -> None:
    """Which exchanges a dataset is made of."""
    build.add_argument("--since", type=days, metavar="AGE", help="recorded since then, as 30d")
    build.add_argument("--until", type=days, metavar="AGE", help="recorded before then")
    build.add_argument("--model", action="append", default=[], metavar="NAME", help="asked for, or answered by it")
    build.add_argument("--finish-reason", action="append", default=[], metavar="WORD", help="that ended so")
    build.add_argument("--least-score", type=between(-1, 1), metavar="X", help="with a vote of at least X, -1 to 1")
    build.add_argument("--with-feedback", action="store_true", help="of which somebody said something")
    build.add_argument("--label", action="append", default=[], metavar="WORD", help="with this label of the app's")
    build.add_argument("--recorded", choices=("here", "imported"), help="here, or by another system (default: both)")
    build.add_argument("--most-per-source", type=count, metavar="N", help="rows of one user, or of one key")
    build.add_argument("--most-per-template", type=count, metavar="N", help="rows with one system prompt")
    build.add_argument(
        "--near", type=between(0, 1), metavar="SHARE", help="leave out near duplicates, as 0.9 (extra `near`)"
    )
    build.add_argument("--keep-personal-data", action="store_true", help="keep rows with what redaction replaces")
    _engine(build)


def _engine(parser: Parser) -> None:
    parser.add_argument(
        "--engine",
        choices=("process", "ray"),
        default="process",
        help="what does it: this process (default), or Ray, on all cores or the cluster of RAY_ADDRESS (extra `ray`)",
    )


def _eval(parser: Parser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="register a set once: JSONL, OpenAI Evals or a promptfoo configuration")
    add.add_argument("file", type=Path, metavar="FILE", help=".jsonl, or promptfoo's .yaml or .json")
    add.add_argument("--route", required=True, metavar="R", help="whose questions; its policy says how to compare")
    add.add_argument("--name", help="what the set is called (default: the file's name)")
    listing = actions.add_parser("list", help="registered sets, and what they last found")
    draw = actions.add_parser("sample", help="draw recorded questions, as lines to label")
    draw.add_argument("--route", required=True, metavar="R", help="whose exchanges")
    draw.add_argument("--rows", type=count, default=200, metavar="N", help="how many (default: 200)")
    draw.add_argument("--since", type=days, default=30.0, metavar="AGE", help="recorded days to take (default: 30d)")
    draw.add_argument("--salt", default="eval", help="another one draws otherwise (default: eval)")
    ask = actions.add_parser("run", help="ask variants a set's questions, and compare them")
    ask.add_argument("set", metavar="EVALSET", help="its name")
    ask.add_argument(
        "--variants", default="baseline,candidate", metavar="LIST",
        help="baseline, candidate, UPSTREAM:MODEL; the others are held against the first (default: baseline,candidate)",
    )  # fmt: skip
    ask.add_argument("--policy", type=Path, metavar="FILE", help="the route's policy (default: the one in the folder)")
    ask.add_argument("--budget-usd", type=between(0), default=5.0, metavar="USD", help="to spend at most (default: 5)")
    ask.add_argument(
        "--within", type=lasting, default=3600.0, metavar="TIME", help="ask nothing new after so long (default: 1h)"
    )
    ask.add_argument("--in-flight", type=count, metavar="N", help="questions at once (default: the policy's)")
    _engine(ask)
    for each in (add, listing, draw, ask):
        _add_context(each)
        _add_json(each)


def _train(parser: Parser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    summaries = {
        "sft": "fine-tune on a dataset's answers, with a script that is yours to edit",
        "dpo": "the same, on which of two answers is better",
        "grpo": "the same, on the model's own answers, scored by the route's comparators",
    }
    recipes = {name: actions.add_parser(name, help=summary) for name, summary in summaries.items()}
    for recipe in recipes.values():
        recipe.add_argument("--dataset", required=True, type=Path, metavar="DIR", help="what `dataset build` printed")
        recipe.add_argument(
            "--base", required=True, metavar="MODEL", help="the model to start from: a folder, or a name"
        )
        recipe.add_argument("--out", required=True, type=Path, metavar="DIR", help="where the script and its model go")
        recipe.add_argument(
            "--on", choices=("here", "modal", "k8s"), default="here", help="where it runs (default: here)"
        )
        recipe.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the script")
        recipe.add_argument("--dry-run", action="store_true", help="tell every setting, rows, tokens, time and money")
        recipe.add_argument("--write-only", action="store_true", help="write the script, and run nothing")
        recipe.add_argument("--fresh", action="store_true", help="write the script again, over what was edited")
    recipes["grpo"].add_argument("--policy", type=Path, metavar="FILE", help="whose comparators are the rewards")
    sweep = actions.add_parser("sweep", help="several ways to fine-tune; the weak are stopped early")
    sweep.add_argument("--dataset", required=True, type=Path, metavar="DIR", help="what `dataset build` printed")
    sweep.add_argument("--base", required=True, metavar="MODEL", help="the model to start from: a folder")
    sweep.add_argument("--out", required=True, type=Path, metavar="DIR", help="a folder per configuration goes there")
    sweep.add_argument("--policy", required=True, type=Path, metavar="FILE", help="whose comparators score answers")
    sweep.add_argument("--eval", required=True, metavar="EVALSET", help="the route's labelled questions")
    sweep.add_argument("--grid", action="append", required=True, metavar="NAME=V,V", help="a setting's values to try")
    sweep.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of all of them")
    sweep.add_argument("--rounds", type=count, default=3, metavar="N", help="each trains twice as long (default: 3)")
    sweep.add_argument("--jobs", type=count, default=1, metavar="N", help="trainings at once (default: 1)")
    sweep.add_argument("--max-tokens", type=count, default=64, metavar="N", help="of an answer (default: 64)")
    sweep.add_argument(
        "--within", type=lasting, default=3600.0, metavar="TIME", help="the longest training or answering (default: 1h)"
    )
    _add_context(sweep)
    actions.add_parser("env", help="make the environment that scripts run in; print its Python")
    check = actions.add_parser("preflight", help="whether an engine serves what was trained; then the next revision")
    check.add_argument("run", type=Path, metavar="DIR", help="the --out of a training")
    check.add_argument("--policy", type=Path, metavar="FILE", help="the route's policy: it names upstream and model")
    check.add_argument("--revision", metavar="NAME", help="write it into the policy, if nothing is wrong")
    check.add_argument("--url", help="the engine, as http://host:8000/v1 (default: the policy's upstream)")
    check.add_argument("--model", help="its name there (default: the policy's)")
    check.add_argument("--replica", action="append", default=[], metavar="HOST:PORT", help="ask these alone")
    check.add_argument("--max-lora-rank", type=count, default=16, metavar="N", help="of the engine (default: 16)")
    _add_context(check)
    for each in (*recipes.values(), sweep, check):
        _add_json(each)


def _rebuild(parser: Parser) -> None:
    parser.add_argument("route", nargs="?", metavar="ROUTE", help="default: every route that has a rollout")
    parser.add_argument("--write", action="store_true", help="keep what was made again; only while nobody leads")
    _add_context(parser)
    _add_json(parser)


def _replay(parser: Parser) -> None:
    parser.add_argument("--route", required=True, metavar="R", help="whose traffic; a policy must say what to compare")
    parser.add_argument("--policy", type=Path, metavar="FILE", help="its policy (default: the one in the folder)")
    parser.add_argument("--since", type=days, default=7.0, metavar="AGE", help="recorded days to take (default: 7d)")
    parser.add_argument(
        "--limit", type=count, default=1000, metavar="N", help="exchanges at most, drawn by conversation"
    )
    parser.add_argument(
        "--budget", type=between(0), metavar="USD", help="to spend at most (default: the policy's for a day)"
    )
    parser.add_argument(
        "--within", type=lasting, default=3600.0, metavar="TIME", help="ask nothing new after so long (default: 1h)"
    )
    parser.add_argument("--in-flight", type=count, metavar="N", help="calls at once (default: the policy's)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where comparisons go: .jsonl, or .parquet")
    _engine(parser)
    _add_context(parser)
    _add_json(parser)


def _keys(parser: Parser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="make a key; it is shown once and kept nowhere")
    create.add_argument("name", help="what the key is called in policies, records and here")
    create.add_argument("--scope", action="append", default=[], metavar="SCOPE", help="what it may do besides asking")
    listing = actions.add_parser("list", help="all keys, without the keys themselves")
    revoke = actions.add_parser("revoke", help="end a key's life; it acts within a second")
    revoke.add_argument("name", help="its name or id")
    revoke.add_argument("--reason", default="", help="for the audit log")
    for each in (create, listing, revoke):
        _add_context(each)
        _add_json(each)


def _kill(parser: Parser) -> None:
    parser.add_argument("--off", action="store_true", help="take it back: weights are as the routing table says")
    parser.add_argument("--reason", default="crossfade kill", help="what the kill file and the audit log say")
    _add_context(parser)
    _add_json(parser)


def _policy(parser: Parser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    lint = verbs.add_parser("lint", help="what is wrong with policies, or worth a second look; 1 if one is refused")
    plan = verbs.add_parser("plan", help="what would change, and days to each stage; 2 if something would")
    plan.add_argument("--traffic", type=between(0), metavar="N", help="eligible conversations a day")
    told = verbs.add_parser("explain", help="what a policy means, default by default; or why a decision was made")
    told.add_argument("--replay", type=Path, metavar="FILE", help="decide again from a decision record, and compare")
    simulate = verbs.add_parser("simulate", help="what a policy would have done with recorded traffic, or with pairs")
    simulate.add_argument("policy", type=Path, metavar="POLICY", help="the policy file")
    simulate.add_argument("--pairs", metavar="FILE", help="compared pairs as JSON lines, also gzipped; `-` is stdin")
    simulate.add_argument(
        "--since", type=days, default=7.0, metavar="TIME", help="recorded time to take, as 12h (default: 7d)"
    )
    simulate.add_argument(
        "--every", type=whole, default=0, metavar="N", help="show the evidence after every N units too"
    )
    simulate.add_argument("--shuffle", type=whole, metavar="SEED", help="permute the units first")
    slo = verbs.add_parser("slo", help="Prometheus rules from what policies promise: recordings and burn-rate alerts")
    slo.add_argument("--job", default="crossfade", metavar="NAME", help="the scrape job's name (default: crossfade)")
    slo.add_argument("--nearest", action="store_true", help="count lateness at the bucket's edge nearest to a limit")
    verbs.add_parser("schema", help="the JSON Schema of a policy file, for editors")
    files = "policy files or folders (default: the folder that the settings name)"
    for verb in (lint, plan, told, slo):
        verb.add_argument("policies", nargs="*", type=Path, metavar="POLICY", help=files)
    for verb in (lint, plan, told, simulate, slo):
        _add_context(verb)
        _add_json(verb)


COMMANDS: dict[str, Command] = {
    "init": Command("init", "write a crossfade.yaml and a policies folder to start from", _init),
    "serve": Command("serve", "run the gateway: data port, admin port, and all beside them", _serve),
    "demo": Command("demo", "watch a whole migration, and a rollback, on this machine alone", _demo),
    "doctor": Command("doctor", "check machine, settings and upstreams, and say what to do", _doctor),
    "completion": Command("completion", "what a shell needs to complete commands: bash, zsh, tcsh", _completion),
    "status": Command("status", "where each route stands, in one table", _status),
    "top": Command("top", "the same, live: sort, filter, a route's checks; q ends it", _top),
    "explain": Command("explain", "why a rollout stands where it does, with every gate's numbers", _explain),
    "promote": Command("operate", "take the next stage without waiting, or approve it", _operate("promote")),
    "hold": Command("operate", "stay on this stage until told otherwise", _operate("hold")),
    "resume": Command("operate", "go on, or begin again after a stop", _operate("resume")),
    "rollback": Command("operate", "back to the baseline, at once", _operate("rollback")),
    "routes": Command("routes", "traffic nobody has a policy for, by what it asks for and costs", _routes),
    "readiness": Command("readiness", "which routes are due for a fine-tune, and why", _readiness),
    "report": Command("report", "one route on one page to send on: gates, pairs, money, moves", _report),
    "records": Command("records", "what was recorded: tail, show, stats, forget, import", _records),
    "label": Command("label", "judge pairs of answers, blind, in a terminal", _label),
    "dataset": Command("dataset", "training files from the records: build, inspect, diff, validate", _dataset),
    "eval": Command("evaluation", "your own questions, never trained on: add, list, sample, run", _eval),
    "train": Command("train", "dataset to candidate: sft, dpo, grpo, sweep, env, preflight", _train),
    "rebuild": Command("rebuild", "make the evidence again from the records, and compare", _rebuild),
    "replay": Command("replay", "ask a candidate what was recorded; say what would be decided", _replay),
    "keys": Command("keys", "gateway keys: create, list, revoke", _keys),
    "kill": Command("kill", "everything to the baseline, now; works with all else dead", _kill),
    "policy": Command("policy", "policies: lint, plan, explain, simulate, slo, schema", _policy),
}
"""By name, in the order in which the help shows them."""
