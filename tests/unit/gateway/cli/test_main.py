"""What holds for every command: loaded when it runs, quiet when nobody reads it, one shape of failure."""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway import clock
from gateway.cli.arguments import command_line
from gateway.cli.main import main
from gateway.control.state.sqlite import SqliteState
from gateway.node.datadir import DataDir
from policies.rollout import command
from policies.routing import Lease, Table, Upstream, encode
from policies.terms import Verb
from records.dataset.build import Wanted, build
from records.evaluation import sets
from records.evaluation.files import read_file
from records.evaluation.sets import EvalSet
from records.gpu_hours import GpuHours
from records.parquet import EXCHANGES, GPU_HOURS, TABLES
from records.pricing import PriceBook
from records.record_maker import RecordMaker, RoutePrices
from records.redact import Redactor
from records.store import Store
from tests.fakes.exchanges import chat_request, exchange
from tests.rooms.kept_rollouts import CANARY
from tests.rooms.looks import look, told
from tests.rooms.policy_files import SHORT
from tests.rooms.rollouts import UNSURE
from tests.rooms.trained import trained
from tests.rooms.waiting import PATIENCE_S

ROOT = Path(__file__).parents[4]


def test_a_command_ends_when_it_has_said_all() -> None:
    """What it wrote is out, its status is a shell's, whatever it is closed from; and nothing is taken apart."""
    program = """
import os, sys
from gateway.cli.main import main
class Kept:
    def __del__(self, write=os.write):
        write(2, b"taken apart")
kept = Kept()
sys.exit(main())
"""
    for words, closed, status in ((["policy", "schema"], "", 0), (["policy", "lint", "none"], "", 1),
                                  (["policy", "schema"], "1>&- 2>&-", 0)):  # fmt: skip
        script = f'exec "$@" {closed}'
        command = ["sh", "-c", script, "sh", sys.executable, "-c", program, *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.returncode, "taken apart" in done.stderr) == (status, False), done.stderr
        assert done.stdout.endswith("}\n") == (status == 0 and not closed)


def parsers(parser: argparse.ArgumentParser, *words: str) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    """Every command, subcommands too, by its words."""
    yield words, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                yield from parsers(child, *words, name)


EVERY = dict(parsers(command_line()))
LEAVES = {
    words: parser for words, parser in EVERY.items() if not any(each[: len(words)] == words != each for each in EVERY)
}

LOADED = """
import contextlib, io, json, sys
from gateway.cli.main import main

for words in json.loads(sys.argv[1]):
    unread = io.StringIO()
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(unread), contextlib.redirect_stderr(unread):
        main(words)
print(json.dumps(sorted(sys.modules)))
"""


def test_help_version_and_bad_usage_load_no_command() -> None:
    """What any command's `--help` or bad usage loads is argparse and its like: no command, and nothing heavy."""
    asked = [[*words, "--help"] for words in EVERY] + [[*words, "--zzz"] for words in EVERY] + [["--version"]]
    done = subprocess.run(
        [sys.executable, "-c", LOADED, json.dumps(asked)],
        capture_output=True, text=True, cwd=ROOT, check=True, timeout=PATIENCE_S,
    )  # fmt: skip
    found = json.loads(done.stdout)
    heavy = {"asyncio", "duckdb", "fastapi", "httpx", "msgspec", "numpy", "prometheus_client", "pydantic", "redis",
             "uvloop", "yaml", "policies", "records", "shadow"}  # fmt: skip
    names_alone = {"records", "records.dataset", "records.dataset.formats", "records.importers",
                   "records.importers.sources", "policies", "policies.terms"}  # fmt: skip
    assert not heavy & {name.partition(".")[0] for name in set(found) - names_alone}
    assert [name for name in found if name.startswith("gateway.")] == [
        "gateway.cli",
        *(f"gateway.cli.{name}" for name in ("arguments", "failure", "layout", "main", "output")),
        *(f"gateway.cli.{name}" for name in ("overview", "parser", "values")),
        "gateway.ending",
        "gateway.node",
        "gateway.node.moments",
        "gateway.node.plain_error",
    ]  # fmt: skip
    assert len(found) < 185  # importlib.metadata, which knows the version, is some sixty of them


CLOSED = """
import json, os, sys, tempfile
from gateway.cli import arguments, main
from gateway.control.operations import orders

orders.ANSWER_S = orders.ROLLBACK_S = 0.0  # there is no leader to wait for
commands, ended = map(json.loads, sys.argv[1:])
for command in arguments.COMMANDS.values():
    __import__(f"gateway.cli.{command.module}")
arguments.command_line()  # made here, for all
for words in commands:
    reader, writer = os.pipe()
    os.close(reader)
    with tempfile.TemporaryFile() as talk:
        child = os.fork()
        if not child:
            os.dup2(writer, 1)
            os.dup2(talk.fileno(), 2)
            sys.stdout.reconfigure(write_through=words not in ended, line_buffering=words not in ended)
            code = None
            try:
                code = main.main(words)
            except SystemExit as stopped:
                code = stopped.code
            if words in ended:
                sys.exit(code)  # with all that the interpreter does at its end
            os._exit(99 if code is None else code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.close(writer)
        talk.seek(0)
        print(json.dumps([words, code, talk.read().decode()]), flush=True)
"""


@pytest.fixture
def ready(data: DataDir, state: SqliteState) -> DataDir:
    """Where every command has something to say."""
    upstreams = (Upstream("openai", "http://h"), Upstream("vllm", "http://h"))
    data.routing.write_bytes(encode(Table(7, Lease(clock.wall()), upstreams, "openai")))
    look(state, UNSURE)
    state.add_decision(told(command(CANARY, Verb.HOLD, now=clock.wall(), by="ada", reason="wait")))
    prices = PriceBook({"openai": "https://api.openai.com/v1"})
    maker = RecordMaker(b"p" * 32, Redactor(), prices, {"": RoutePrices("openai")})
    rows = [maker.record(exchange(number, chat_request(f"question {number}"), route="")) for number in range(3)]
    store = Store(data.records)
    store.publish(store.stage(EXCHANGES, rows, "a"))
    build(store, Wanted("", "trl-sft"), Path("sets"))
    trained(Path("run"))
    Path("crossfade.yaml").write_text(
        "upstreams:\n  openai: {base_url: 'http://127.0.0.1:1/v1', background_key_env: K}\n"
        "  vllm: {kind: vllm, base_url: 'http://127.0.0.1:1/v1'}\n"
        "prices: {candidate: {vllm: {gpu_usd_per_hour: 3.95}}}\n"
    )
    Path("policies").mkdir()
    Path("policies/triage.yaml").write_text(SHORT)
    Path("wrong.yaml").write_text("rout: a")
    Path("golden.jsonl").write_text('{"request": {"model": "gpt-4o", "messages": []}}')
    golden = EvalSet("golden", "support-triage", 0, 0, "", 0.0, "", ())
    sets.register(data.root, read_file(Path("golden.jsonl")), golden, b"p" * 32)
    Path("pairs").write_text('{"unit": "a", "q": 0.0, "error_baseline": false, "error_candidate": false}')
    return data


def _complete(dataset: str, request_id: str) -> dict[tuple[str, ...], str]:
    """Every command with what it needs to say something, in a `ready` place."""
    return {
        ("init",): "new", ("demo",): "", ("doctor",): "", ("completion",): "bash",
        ("status",): "--json", ("top",): "--times 2",
        ("explain",): "triage", ("routes",): "", ("readiness",): "", ("label",): "--help", ("report",): "--help",
        ("savings",): "--json",
        ("eval", "add"): "golden.jsonl --route support-triage", ("eval", "list"): "", ("eval", "sample"): "--unrouted",
        ("eval", "run"): "golden",
        ("records", "tail"): "--json", ("records", "show"): request_id, ("records", "stats"): "",
        ("records", "forget"): "--user none", ("records", "import"): "pairs --from openai",
        ("records", "fetch"): "--help",
        ("dataset", "build"): "--route triage --format trl-sft --out other", ("dataset", "inspect"): str(dataset),
        ("dataset", "validate"): f"{dataset} --json", ("rebuild",): "", ("dataset", "diff"): f"{dataset} {dataset}",
        ("train", "sft"): f"--dataset {dataset} --base b --out tuned --write-only", ("train", "env"): "--help",
        ("train", "dpo"): "--help", ("train", "grpo"): "--help", ("train", "sweep"): "--help",
        ("train", "preflight"): "run --url http://h/v1 --model m --replica 127.0.0.1:1",
        ("keys", "create"): "one", ("keys", "list"): "--json", ("keys", "revoke"): "one", ("kill",): "--off",
        ("policy", "lint"): "wrong.yaml", ("policy", "plan"): "--traffic 5000", ("policy", "explain"): "",
        ("policy", "simulate"): "policies/triage.yaml --pairs pairs", ("policy", "schema"): "",
        ("policy", "slo"): "",
        ("rollback",): "triage --reason x",
        ("promote",): "triage --reason x --json", ("hold",): "triage --reason x --json",
        ("resume",): "triage --reason x --json",
        ("serve",): "--help", ("replay",): "--help",
    }  # fmt: skip


def test_every_command_survives_a_reader_that_is_gone(ready: DataDir) -> None:
    """With nobody to read its output (`| head`), each command ends as SIGPIPE would end it, with no word about it."""
    (dataset,) = Path("sets").iterdir()
    with Store(ready.records).open_views() as views:
        ((request_id,),) = views.execute("SELECT max(id) FROM exchanges").fetchall()
    says = _complete(str(dataset), request_id)
    assert says.keys() == LEAVES.keys()
    asked = [[*words, *more.split()] for words, more in says.items()]
    ended = [["--help"], ["--version"], ["status"], ["keys", "list"]]  # what meets the closed pipe only at its end

    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CLOSED, json.dumps(asked + ended), json.dumps(ended)],
        capture_output=True, text=True, check=True, timeout=PATIENCE_S,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip

    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(words, code) for words, code, _ in found] == [(words, 141) for words in asked + ended]
    assert not [each for each in found if "Traceback" in each[2] or "pipe" in each[2].lower()]


READERS = [
    "routes", "readiness", "eval sample --unrouted", "records tail", "records stats",
    "dataset build --unrouted --format trl-sft --out other", "policy lint", "policy plan", "rebuild",
]  # fmt: skip


@pytest.mark.parametrize("words", READERS)
def test_a_broken_file_of_the_records_stops_no_command(
    ready: DataDir, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each ends as it does without that file, and says which one it left out."""
    shutil.copytree(ready.records, "whole")
    without = (main(words.split()), capsys.readouterr().out)
    shutil.rmtree("other", ignore_errors=True)
    for folder in list(ready.records.glob("*/date=*")) + [ready.records / f"{t.name}/date=2026-11-18" for t in TABLES]:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "0-broken.parquet").write_bytes(b"PAR1 and no more")

    told = (main(words.split()), capsys.readouterr())

    assert (told[0], told[1].out) == without
    assert "cannot be read" in told[1].err
    assert not list(ready.records.glob("exchanges/date=*/0-broken.parquet"))


def test_hours_of_unknown_replicas_are_said_to_be_so(ready: DataDir, capsys: pytest.CaptureFixture[str]) -> None:
    """One is charged where nobody states how many there are; the number itself is unknown."""
    known: dict[str, Any] = {"since_us": 0, "until_us": 3_600_000_000, "usd_per_hour": 4.0, "paid_usd": 4.0,
        "busy_s": 600.0, "idle_s": 3000.0, "answers": 2, "charged_usd": 4.0}  # fmt: skip
    rows = [GpuHours(upstream=name, replicas=number, **known) for name, number in (("stated", 3), ("unstated", None))]
    store = Store(ready.records)
    store.publish(store.stage(GPU_HOURS, rows, "h"))

    assert main(["records", "stats", "--hours", "--json"]) == 0
    assert {row["upstream"]: row["replicas"] for row in json.loads(capsys.readouterr().out)} == {
        "stated": 3, "unstated": None,
    }  # fmt: skip
    assert main(["records", "stats", "--hours"]) == 0
    told = capsys.readouterr()
    assert ["unstated", "unknown"] in [line.split()[:2] for line in told.out.splitlines()]
    assert "state `replicas`" in told.err


INTERRUPTED = """
import json, os, signal, sys, tempfile
from gateway.cli import arguments, main

for command in arguments.COMMANDS.values():
    __import__(f"gateway.cli.{command.module}")
arguments.command_line()  # made here, for all
signal.signal(signal.SIGINT, signal.default_int_handler)
for words, after in json.loads(sys.argv[1]):
    with tempfile.TemporaryFile() as talk:
        child = os.fork()
        if not child:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(talk.fileno(), 2)
            calls = -1  # since the command began

            def watch(frame, event, arg):
                global calls
                if event == "call" and (calls >= 0 or (
                    frame.f_code.co_name == "run" and frame.f_globals["__name__"].startswith("gateway.cli.")
                )):
                    calls += 1
                    if calls == after:
                        sys.setprofile(None)
                        signal.raise_signal(signal.SIGINT)

            sys.setprofile(watch)
            code = main.main(words)
            sys.setprofile(None)
            os._exit(code if calls >= after else 77)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        talk.seek(0)
        print(json.dumps([words, after, code, talk.read().decode()]), flush=True)
"""
"""Each command in a process of its own, interrupted at its first call, or so many calls later; 77: it had ended."""


def test_ctrl_c_ends_every_command_with_130_and_no_traceback(ready: DataDir) -> None:
    """Wherever in its work an interrupt meets a command, it ends with what a shell says of it, and nothing else."""
    (dataset,) = Path("sets").iterdir()
    asked = _complete(str(dataset), request_id="x") | {
        ("serve",): "--listen 127.0.0.1:0 --admin 127.0.0.1:0 --data other-data",
        ("replay",): "--route triage",
        ("records", "fetch"): "file:///dev/null/none --to fetched",
        ("label",): "triage --by ada",
        ("report",): "triage",
        ("train", "env"): "",
        ("train", "dpo"): f"--dataset {dataset} --base b --out tuned",
        ("train", "grpo"): f"--dataset {dataset} --base b --out tuned",
        ("train", "sweep"): f"--dataset {dataset} --base b --out tuned --policy p --eval golden --grid batch=1,2",
        ("top",): "",
        ("kill",): "",
    }
    points = [([*words, *more.split()], after) for words, more in asked.items() for after in (0, 60)]

    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", INTERRUPTED, json.dumps(points)],
        capture_output=True, text=True, check=True, timeout=300,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "CROSSFADE_CACHE": "/dev/null/none"},
    )  # fmt: skip

    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(points)
    assert [each for each in found if each[2] not in ({130} if each[1] == 0 else {130, 77})] == []
    assert [each for each in found if "Traceback" in each[3] or "KeyboardInterrupt" in each[3]] == []
    assert sum(code == 130 for _, after, code, _ in found if after) > len(asked) / 2


REFUSED = {
    ("doctor",): "", ("status",): "", ("explain",): "triage", ("promote",): "triage --reason x",
    ("hold",): "triage --reason x", ("resume",): "triage --reason x", ("rollback",): "triage --reason x",
    ("routes",): "", ("readiness",): "", ("label",): "triage --by ada", ("report",): "triage",
    ("savings",): "--json", ("eval", "add"): "x --route r", ("eval", "list"): "",
    ("eval", "sample"): "--route r", ("eval", "run"): "x",
    ("records", "tail"): "", ("records", "show"): "x", ("records", "stats"): "",
    ("records", "forget"): "--id x", ("records", "import"): "x --from openai",
    ("records", "fetch"): "--to fetched",
    ("dataset", "build"): "--route r --format trl-sft --out other",
    ("dataset", "inspect"): "nowhere", ("dataset", "diff"): "nowhere nowhere",
    ("dataset", "validate"): "nowhere", ("rebuild",): "", ("replay",): "--route r",
    ("train", "sft"): "--dataset nowhere --base b --out o", ("train", "dpo"): "--dataset nowhere --base b --out o",
    ("train", "grpo"): "--dataset nowhere --base b --out o",
    ("train", "preflight"): "nowhere",
    ("train", "sweep"): "--dataset nowhere --base b --out o --policy p --eval e --grid batch=1,2",
    ("keys", "create"): "a", ("keys", "list"): "", ("keys", "revoke"): "a", ("kill",): "",
    ("policy", "lint"): "", ("policy", "plan"): "", ("policy", "explain"): "",
    ("policy", "simulate"): "policies/a.yaml", ("policy", "slo"): "",
}  # fmt: skip
"""What each command that has `--json` is asked where the settings cannot be read."""


def test_every_failure_has_one_shape_under_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Under `--json` a command that fails says why as one object on stderr; bad usage does, too, with 2 as ever."""
    with_json = {words for words, parser in LEAVES.items() if "--json" in parser._option_string_actions}
    assert with_json == REFUSED.keys()
    Path("crossfade.yaml").write_text("upstreams: 5")
    for words, more in REFUSED.items():
        code = main([*words, *more.split(), "--json"])
        captured = capsys.readouterr()
        assert code == 1, words
        (line,) = captured.err.splitlines()
        assert json.loads(line)["error"].keys() == {"message", "hint"}, words
        assert captured.out == "" or words == ("doctor",)  # whose findings are data
        with pytest.raises(SystemExit) as stopped:
            main([*words, "--jzon", "--json"])
        assert stopped.value.code == 2
        assert json.loads(capsys.readouterr().err)["error"]["message"], words


CLOSED_TO_ME = """
import ctypes, json, os, sys, tempfile
from gateway.cli import arguments, main
from gateway.control.operations import orders

orders.ANSWER_S = orders.ROLLBACK_S = 0.0  # there is no leader to wait for
for command in arguments.COMMANDS.values():
    __import__(f"gateway.cli.{command.module}")
if not os.geteuid():  # root reads what is closed to all: without these two rights it does not
    libc, head, held = ctypes.CDLL(None, use_errno=True), (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert not libc.capget(head, held)
    held[0] &= ~0b110
    assert not libc.capset(head, held)
for words in json.loads(sys.argv[1]):
    with tempfile.TemporaryFile() as data, tempfile.TemporaryFile() as talk:
        child = os.fork()
        if not child:
            os.dup2(data.fileno(), 1)
            os.dup2(talk.fileno(), 2)
            os._exit(main.main(words))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        talk.seek(0)
        print(json.dumps([words, code, talk.read().decode()]), flush=True)
"""
"""Each command in a process of its own, as a user to whom a folder or a file of mode 0 is closed."""


@pytest.mark.skipif(sys.platform != "linux", reason="root's rights are taken by Linux's own call")
@pytest.mark.parametrize("closed", ["data", "state", "records", "settings"])
def test_what_is_closed_to_this_user_is_said_and_what_to_do(ready: DataDir, closed: str) -> None:
    """Whatever of the data directory a command looks at first, and the settings: one line, a hint, no traceback."""
    path = {"data": ready.root, "state": ready.state, "records": ready.records, "settings": Path("crossfade.yaml")}
    asked = [[*words, *more.split(), "--json"] for words, more in REFUSED.items() if words != ("eval", "run")]
    mode = path[closed].stat().st_mode
    path[closed].chmod(0)
    try:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", CLOSED_TO_ME, json.dumps(asked)],
            capture_output=True, text=True, check=True, timeout=PATIENCE_S, env={"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    finally:
        path[closed].chmod(mode)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(asked)
    assert [each for each in found if each[1] not in (0, 1) or "Traceback" in each[2] or "[Errno" in each[2]] == []
    last = [talk.splitlines()[-1] for _, code, talk in found if code and ("denied" in talk or "unable" in talk)]
    denied = [json.loads(line)["error"] for line in last]
    assert [each for each in denied if each["hint"] is None and "hint: " not in each["message"]] == []
    assert len(denied) >= 3


def test_a_pdf_is_left_to_a_browser(capsys: pytest.CaptureFixture[str]) -> None:
    """`report --pdf` makes none, and says with which commands one comes of the HTML; so does its help."""
    assert main(["report", "triage", "--pdf"]) == 1
    assert "crossfade report triage --html > report.html" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["report", "--help"])
    assert "--print-to-pdf=report.pdf" in capsys.readouterr().out.replace("\n", "")


def test_bad_usage_is_two(capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown option or command exits with 2, and says what was probably meant."""
    for words, meant in (
        (["nope"], ""), (["statsu"], "did you mean status?"), (["kill", "--rason=x"], "did you mean --reason?"),
        (["keys"], ""), (["keys", "creat", "a"], "did you mean create?"), (["keys", "create"], ""), ([], ""),
        (["status", "a", "b"], ""), (["dataset", "validate", "f", "--format", "sft"], "did you mean trl-sft?"),
    ):  # fmt: skip
        with pytest.raises(SystemExit) as stopped:
            main(words)
        assert stopped.value.code == 2, words
        captured = capsys.readouterr()
        assert captured.out == ""
        assert f"crossfade{''.join(f' {word}' for word in words[:1] if word in ('kill', 'keys'))}" in captured.err
        assert ("did you mean" in captured.err) == bool(meant)
        assert meant in captured.err


def test_the_version_and_the_help_go_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` is one line; `--help` lists every command."""
    for words in (["--version"], ["--help"]):
        with pytest.raises(SystemExit) as stopped:
            main(words)
        assert stopped.value.code == 0
    captured = capsys.readouterr()
    version, *lines = captured.out.splitlines()
    assert version.startswith("crossfade 0.")
    assert {words[0] for words in LEAVES} <= {line.split()[0] for line in lines if line.strip()}
    assert captured.err == ""
