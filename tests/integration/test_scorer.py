"""A user's scorer in its process: whatever it does, there is a score or an abstention, and nothing gets out."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from shadow.compare.pair import Score
from shadow.scorer import OwnScorer, ScorerLimits, own
from tests.rooms.pairs import pair
from tests.rooms.waiting import await_true, until

PAIR = pair("one", "three", {"messages": [{"role": "user", "content": "count"}]})
Make = Callable[..., OwnScorer]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Scorers of the code they are given; their processes end with the test."""
    made: list[OwnScorer] = []

    def build(code: str, ref: str = "mine.py:score", **limits: Any) -> OwnScorer:
        (tmp_path / "mine.py").write_text(code)
        made.append(OwnScorer(tmp_path, {"ref": ref}, ScorerLimits(**limits)))
        return made[-1]

    yield build
    for scorer in made:
        await scorer.aclose()


def reason(found: Score) -> str:
    assert (found.q, found.abstained) == (None, True)
    return found.told["abstained_for"]


def is_dead(pid: int) -> bool:
    """Whether a process runs no more; whoever adopted it may not have looked yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


async def test_it_scores(make: Make) -> None:
    """It is told the request and both answers; its own printing goes nowhere."""
    scorer = make(
        "def score(request, baseline, candidate):\n"
        "    print('noise', flush=True)\n"
        "    assert request['messages'][0]['content'] == 'count'\n"
        "    return (len(candidate['text']) - len(baseline['text'])) / 10\n"
    )
    assert await scorer.score(PAIR) == Score(q=0.2)
    assert await scorer.score(pair("one", "one", PAIR.asked.fields)) == Score(q=0.0)
    assert not scorer.abstentions


async def test_pairs_take_their_turns(make: Make) -> None:
    """Several at once are scored one after the other, each with its own answer; too many are not."""
    scorer = make("def score(r, b, c):\n    return float(c['text'])", waiting=3)
    found: dict[int, Score] = {}

    async def ask(at: int) -> None:
        found[at] = await scorer.score(pair("0", f"0.{at}"))

    async with asyncio.TaskGroup() as group:
        for at in range(5):
            group.create_task(ask(at))
    assert [found[at].q for at in range(3)] == [0.0, 0.1, 0.2]
    assert [reason(found[at]) for at in (3, 4)] == ["busy", "busy"]
    assert scorer.abstentions == {"busy": 2}


async def test_what_beside_it_lies_can_be_imported(make: Make, tmp_path: Path) -> None:
    """A scorer may be more than one file."""
    (tmp_path / "beside.py").write_text("HALF = 0.5")
    assert (await make("from beside import HALF\ndef score(r, b, c): return HALF").score(PAIR)).q == 0.5


@pytest.mark.parametrize(
    ("code", "why", "at"),
    [
        ("def score(r, b, c): raise KeyError(c['text'])", "error", "KeyError, mine.py:1"),
        ("import sys\ndef score(r, b, c): sys.exit(0)", "error", "SystemExit, mine.py:2"),
        ("def score(r, b, c): return 'good'", "no_score", ""),
        ("def score(r, b, c): return float('nan')", "no_score", ""),
        ("def score(r, b, c): return 2", "no_score", ""),
        ("import os\ndef score(r, b, c): os._exit(3)", "crash", ""),
        ("import os\ndef score(r, b, c): os.kill(os.getpid(), 11)", "crash", ""),
        ("def score(r, b, c): return [0] * 10**9", "crash", ""),
        ("import os\ndef score(r, b, c):\n    for fd in range(3, 10):\n        try: os.write(fd, b'junk\\n')\n"
         "        except OSError: pass", "junk", ""),
        ("import os\ndef score(r, b, c):\n    for fd in range(3, 10):\n        try: os.write(fd, b'x' * 200000)\n"
         "        except OSError: pass", "junk", ""),
    ],
)  # fmt: skip
async def test_what_goes_wrong_is_an_abstention(make: Make, code: str, why: str, at: str) -> None:
    """With the reason, the user's own line, and not a word of the pair."""
    found = await make(code, memory_bytes=1024**3).score(PAIR)
    assert reason(found) == why
    assert found.told.get("at", "") == at


async def test_after_a_crash_the_next_pair_is_scored(make: Make, tmp_path: Path) -> None:
    """The process starts again when it is next needed."""
    scorer = make("import os\ndef score(r, b, c):\n    os._exit(1) if c['text'] == 'crash' else None\n    return 1")
    assert (await scorer.score(PAIR)).q == 1.0
    assert reason(await scorer.score(pair("a", "crash"))) == "crash"
    assert (await scorer.score(PAIR)).q == 1.0


async def test_one_that_crashes_always_is_started_ever_less(make: Make, tmp_path: Path) -> None:
    """A process for each pair would cost more than the shadow."""
    scorer = make("import os\ndef score(r, b, c): os._exit(1)")
    reasons = [reason(await scorer.score(PAIR)) for _ in range(8)]
    assert reasons == ["crash", "crash", "start", "crash", "start", "start", "crash", "start"]


async def test_one_that_is_late_is_killed_with_all_it_started(make: Make, tmp_path: Path) -> None:
    """Its children, too; and what it might still say is no answer to the next question."""
    scorer = make(
        "import subprocess, time\n"
        "def score(r, b, c):\n"
        "    if c['text'] != 'late': return 1\n"
        "    child = subprocess.Popen(['sleep', '1000'])\n"
        "    open('child', 'w').write(str(child.pid))\n"
        "    time.sleep(1000)\n",
        call_s=5.0,
    )
    assert reason(await scorer.score(pair("a", "late"))) == "timeout"
    child = int((tmp_path / "child").read_text())
    await until(lambda: is_dead(child))  # the kernel ends it in its own time
    assert (await scorer.score(PAIR)).q == 1.0


async def test_one_that_spins_is_killed_by_the_kernel(make: Make) -> None:
    """Processor time is bounded beside the clock."""
    scorer = make("def score(r, b, c):\n    while True: pass", cpu_s=0, call_s=120.0)
    assert reason(await scorer.score(PAIR)) == "crash"


async def test_one_that_is_cancelled_leaves_no_process(make: Make) -> None:
    """Who asked is gone: the process goes too, and the next question gets a new one."""
    scorer = make(
        "import time\ndef score(r, b, c):\n    time.sleep(1000) if c['text'] == 'late' else None\n    return 1"
    )
    assert (await scorer.score(PAIR)).q == 1.0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await scorer.score(pair("a", "late"))
    assert (await scorer.score(PAIR)).q == 1.0


async def test_a_pair_beyond_all_measure_is_not_told(make: Make) -> None:
    """It would take more memory than it is worth."""
    scorer = make("def score(r, b, c): return 1", line_bytes=1000)
    assert reason(await scorer.score(pair("a", "b" * 1000))) == "too_large"


async def test_it_has_no_secrets_no_network_and_few_files(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is ours, sockets are refused where the kernel lets us, and files run out."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    scorer = make(
        "import os, socket\n"
        "def score(r, b, c):\n"
        "    if 'OPENAI_API_KEY' in os.environ: return -1\n"
        "    try: kept = [open('/dev/null') for _ in range(100)]\n"
        "    except OSError: kept = None\n"
        "    if kept: return -0.5\n"
        "    try: socket.socket()\n"
        "    except PermissionError: return 1\n"
        "    return 0\n"
    )
    found = await scorer.score(PAIR)
    assert found.q == (0.0 if scorer.has_network else 1.0)
    assert not scorer.has_network or os.uname().machine not in ("x86_64", "aarch64")


@pytest.mark.parametrize(
    ("code", "ref", "told"),
    [
        ("import nothing_of_that_name", "mine.py:score", "ModuleNotFoundError"),
        ("def score(:", "mine.py:score", "SyntaxError"),
        ("x = 1", "mine.py:score", "no such function"),
        ("x = 1", "mine.py:x", "no such function"),
        ("x = 1", "other.py:score", "FileNotFoundError"),
        ("x = 1", "../mine.py:score", "outside of the policies' folder"),
        ("import os; os._exit(0)", "mine.py:score", "it ends at once"),
        ("while True: pass", "mine.py:score", "TimeoutError"),
    ],
)
async def test_one_that_does_not_start_says_why(make: Make, code: str, ref: str, told: str) -> None:
    """To whoever runs the gateway; the pairs abstain."""
    scorer = make(code, ref, start_s=20.0 if "while" not in code else 0.5)
    assert reason(await scorer.score(PAIR)) == "start"
    assert told in scorer.problem


async def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    """Nothing raises."""
    scorer = OwnScorer(tmp_path / "gone", {"ref": "mine.py:score"})
    assert reason(await scorer.score(PAIR)) == "start"
    assert scorer.problem == "it does not start: FileNotFoundError"
    await scorer.aclose()


async def test_one_that_is_closed_meanwhile(make: Make) -> None:
    """Another has its place: it scores nothing any more, and starts no process."""
    scorer = make("def score(r, b, c): return 1")
    assert (await scorer.score(PAIR)).q == 1.0
    scorer.close()
    assert [reason(await scorer.score(PAIR)) for _ in range(2)] == ["closed", "closed"]


@pytest.mark.parametrize("runs", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_pairs_that_wait_for_one_that_is_closed(tmp_path: Path, runs: Callable[[Any], None]) -> None:
    """A policy is changed while a pair is scored and others wait: all abstain, and none starts a process anew.

    On both loops: uvloop raises where somebody writes to the pipe of a process that is gone.
    """
    (tmp_path / "mine.py").write_text(
        "import os, pathlib, time\n"
        "with pathlib.Path('pids').open('a') as file: print(os.getpid(), file=file)\n"
        "def score(r, b, c): time.sleep(60)\n"
    )

    async def closed_meanwhile() -> list[str]:
        scorer = OwnScorer(tmp_path, {"ref": "mine.py:score"})
        async with asyncio.TaskGroup() as group:
            waiting = [group.create_task(scorer.score(PAIR)) for _ in range(3)]
            await until((tmp_path / "pids").exists)
            scorer.close()
        return [reason(each.result()) for each in waiting]

    found: list[list[str]] = []

    async def run() -> None:
        found.append(await closed_meanwhile())

    runs(run())
    assert found == [["crash", "closed", "closed"]]
    pids = (tmp_path / "pids").read_text().split()
    assert len(pids) == 1
    await_true(lambda: is_dead(int(pids[0])), "the end of its one process")


async def test_promptfoo_assertions_are_scored_in_the_process(tmp_path: Path) -> None:
    """A regular expression that never ends is late, like any code of the user's."""
    (tmp_path / "checks.yaml").write_text(
        "defaultTest:\n"
        "  assert:\n"
        "    - {type: icontains, value: THREE}\n"
        "    - {type: python, value: 'file://check.py'}\n"
        "    - {type: regex, value: '^(a+)+$'}\n"
    )
    (tmp_path / "check.py").write_text("def get_assert(output, context): return context['prompt'] == 'count'")
    scorer = own("promptfoo", {"file": "checks.yaml"}, tmp_path, print)
    assert (await scorer.score(PAIR)).q == pytest.approx(1 / 3)
    slow = OwnScorer(tmp_path, scorer.what, ScorerLimits(call_s=2.0))
    assert reason(await slow.score(pair("a", "a" * 64 + "b"))) == "timeout"
    await scorer.aclose()
    await slow.aclose()


@pytest.mark.parametrize("text", ["a: [", "[]", "[" * 2_000_000])
def test_assertions_that_cannot_be_taken_over_are_refused(tmp_path: Path, text: str) -> None:
    """When the scorer is made, with what to do."""
    (tmp_path / "checks.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"^checks\.yaml: .*hint: "):
        own("promptfoo", {"file": "checks.yaml"}, tmp_path, print)


async def test_the_policys_options_make_a_scorer(tmp_path: Path) -> None:
    """What does not start is told, with the file that is to blame."""
    told: list[str] = []
    (tmp_path / "checks.yaml").write_text("[{type: python, value: 'file://gone.py'}]")
    for name, options in (("python", {"ref": "a.py:f", "version": "1"}), ("promptfoo", {"file": "checks.yaml"})):
        assert reason(await own(name, options, tmp_path, told.append).score(PAIR)) == "start"
    assert [each.partition(",")[0] for each in told] == ["a.py:f: FileNotFoundError", "checks.yaml: FileNotFoundError"]
