"""The closed loop, on this machine: `make loop` prints what came of it.

    python -m tests.acceptance.migration.loop --small [--no-corrections] [--intents N] [--epochs N] [--act SECONDS] …

Messages of a bank's customers go through the gateway to a frontier's stand-in that is right four times of five. The
app corrects by feedback what was wrong, at most one answer of five. Readiness turns from not yet to due, the test
messages become an evaluation set, the records a dataset without them, the dataset a fine-tuned model; a real vLLM
serves it, the preflight writes the policy's next revision, the set is asked of both, and the gates move the route
from the shadow to 100 %.

`--small`: a model of two million parameters that knows nothing, and the messages of a few intents. 1: the route did
not get to 100 %, or the model is not better than the stand-in. Skips, saying so, where messages, TRL or vLLM are not.
Each step says how long it took, and has a bound.
"""

import argparse
import asyncio
import contextlib
import json
import math
import sys
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from openai import AsyncOpenAI

from gateway import clock
from gateway.control.state.sqlite import SqliteState
from gateway.demo.watch import DecisionWatch
from gateway.training import environment
from policies.terms import Phase
from records.store import Store
from tests.acceptance.migration import command, models
from tests.acceptance.migration.bank import Bank, answer, turns
from tests.acceptance.migration.command import CACHE, make_base
from tests.acceptance.migration.models import HERE
from tests.acceptance.migration.traffic import KEY, PATIENCE_S, Traffic
from tests.acceptance.migration.watching import StuckError, Watching
from tests.acceptance.migration.world import SETTINGS, started
from tests.acceptance.vllm_server import VllmServer
from tests.rooms.serving import REAL, Serving
from tests.rooms.waiting import await_true

ROUTE, REVISION = "banking", "r1"
RIGHT = 0.81
MEDIAN_S = 1.0
"""Of an answer of the stand-in. A candidate has at least twice the baseline's p99: on a machine that others use, too, a
real engine that is asked beside a baseline of a quarter of a second is too late now and then."""
MOST_CORRECTED = 0.2
"""Of the answers: an app corrects no more of them."""
SET = "bank-test"
READINESS = "\nreadiness: {total_p95: 1s, prompt_still: 1s}"
"""The stand-in's answers take longer, and the prompt of a minute's traffic is a minute old."""
FIRST_STAGE = "  - 1%: {hold: 5s}\n"
"""Left out: with this little traffic, a hundredth of it certifies no latency within an hour."""
MIRRORED = "sample: 100%"
"""So the engine is asked as much in the shadow as with all of the traffic, which is what it can bear."""
MEASURED_IN_FLIGHT = 8
BORNE = 0.5
"""Of the answers a second that the engine was measured to give: as much the app asks, when all of it is the engine's.
With more, an engine whose machine is asked for other things, too, has a queue that no deadline bears."""
LEAST_IN_FLIGHT = 4
RECORDED_S = 120.0
"""The longest wait for what was sent to be recorded."""
ASKED_S = 900.0
"""The longest wait for all messages to be asked."""


@dataclass(frozen=True, slots=True)
class Place:
    """The gateway, and the engine that will serve the candidate."""

    directory: Path
    serving: Serving
    engine: VllmServer

    @property
    def base_url(self) -> str:
        """The data port."""
        return f"http://127.0.0.1:{self.serving.port}/v1"

    @property
    def policy(self) -> Path:
        """The route's file."""
        return self.directory / "policies" / "banking.yaml"

    def crossfade(self, *words: str | Path) -> str:
        """A command over its records; what it printed.

        Raises:
            StuckError: it was refused or failed.
        """
        return command.crossfade(self.directory, *words)


@contextlib.contextmanager
def place(directory: Path, bank: Bank, intents: int) -> Generator[Place]:
    """All of it runs while entered: the route is captured, and nothing is mirrored yet."""
    evals = directory / "policies" / "evals"
    evals.mkdir(parents=True)
    (evals / "intents.py").write_bytes((HERE / "policies" / "evals" / "intents.py").read_bytes())
    (evals / "labels.json").write_text(json.dumps(dict(bank.train) | dict(bank.test)), encoding="utf-8")
    text = (HERE / "policies" / "banking.yaml").read_text(encoding="utf-8").replace("REVISION", "none-yet")
    text = text.replace(FIRST_STAGE, "").replace("sample: 25%", MIRRORED)
    (directory / "policies" / "banking.yaml").write_text(f"{text}mode: bypass\n", encoding="utf-8")
    with contextlib.ExitStack() as stack:
        engine = stack.enter_context(VllmServer(directory / "vllm.log", name="intents", options=""))
        frontier = started(stack, "frontier", str(RIGHT), str(intents), str(MEDIAN_S))
        settings = SETTINGS.format(frontier=frontier[1], front=engine.port) + READINESS
        serving = stack.enter_context(Serving(directory, settings, worker=REAL))
        serving.await_ready()
        serving.await_control()
        yield Place(directory, serving, engine)


async def use(found: Place, bank: Bank, in_flight: int, most: float) -> tuple[int, int]:
    """The app asks each message once, and corrects what is wrong, of so many answers at `most`.

    Returns how many it asked, and corrected.
    """
    waiting, corrected, may_correct = list(enumerate(bank.train)), 0, int(most * len(bank.train))
    async with (
        asyncio.timeout(ASKED_S),
        AsyncOpenAI(base_url=found.base_url, api_key=KEY, max_retries=2) as client,
        httpx.AsyncClient(
            base_url=found.base_url, headers={"authorization": f"Bearer {KEY}"}, timeout=PATIENCE_S
        ) as feedback,
    ):

        async def work() -> None:
            nonlocal corrected
            while waiting:
                number, (text, intent) = waiting.pop()
                said, exchange = await ask(client, "gpt-4o", text, f"u-{number}")
                if said != answer(intent) and corrected < may_correct:
                    corrected += 1
                    told = {"request_id": exchange, "score": -1, "corrected_output": answer(intent)}
                    (await feedback.post("/feedback", json=told)).raise_for_status()

        async with asyncio.TaskGroup() as tasks:
            for _ in range(in_flight):
                tasks.create_task(work())
    return len(bank.train), corrected


async def ask(client: AsyncOpenAI, model: str, text: str, user: str = "measure") -> tuple[str, str]:
    """What the model says of a message, and the exchange's id if it was the gateway that was asked."""
    asked: Any = turns(text)
    raw = await client.chat.completions.with_raw_response.create(
        model=model, messages=asked, temperature=0, max_tokens=40, user=user
    )
    return raw.parse().choices[0].message.content or "", raw.headers.get("x-crossfade-request-id", "")


def verdict(found: Place) -> str:
    """Whether a fine-tune is due, as `readiness` says; told with its reasons."""
    (said,) = json.loads(found.crossfade("readiness", ROUTE, "--json"))
    sys.stdout.write(f"{said['verdict']}: {'; '.join(said['reasons'])}\n")
    return said["verdict"]


def register(found: Place, bank: Bank) -> Path:
    """The test messages, as an evaluation set of the route; the file of its rows."""
    rows = found.directory / f"{SET}.jsonl"
    rows.write_text(bank.questions(), encoding="utf-8")
    found.crossfade("eval", "add", rows, "--route", ROUTE, "--name", SET)
    return found.serving.data / "evals" / SET / "rows.jsonl"


def train(found: Place, evaluated: Path, small: argparse.Namespace, *, batch: int = 32) -> dict[str, Any]:
    """Dataset, base model, fine-tune. Returns what the training reports."""
    built = json.loads(
        found.crossfade("dataset", "build", "--route", ROUTE, "--format", "trl-sft", "--out", "datasets",
                        "--validation", "5%", "--against", evaluated, "--drop-leaks", "--json")
    )  # fmt: skip
    dataset = found.directory / built["folder"]
    sys.stdout.write(f"{built['kept']} rows, {built['corrected']} of them corrections; left out: {built['left_out']}\n")
    base = found.directory / "base"
    make_base(dataset, base)
    settings = {"epochs": small.epochs, "learning_rate": 1.5e-3, "batch": batch, "save_steps": 200}
    chosen = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    run = found.directory / "runs" / REVISION
    found.crossfade("train", "sft", "--dataset", dataset, "--base", base, "--out", run, *chosen)
    return json.loads((run / "report.json").read_text("utf-8"))


def hand_over(found: Place) -> None:
    """Serve the model, look at it, write the revision."""
    run = found.directory / "runs" / REVISION
    found.engine.model = run / "model"
    found.engine.start()
    sys.stdout.write(found.crossfade("train", "preflight", run, "--policy", found.policy, "--revision", REVISION))


def begin(found: Place) -> None:
    """Let the shadow begin."""
    text = found.policy.read_text("utf-8")
    fresh = found.policy.with_suffix(".new")
    fresh.write_text(text.replace("mode: bypass\n", ""), encoding="utf-8")
    fresh.rename(found.policy)


async def measure(base_url: str, model: str, bank: Bank) -> tuple[list[bool], float]:
    """Whether each test message is answered rightly, and the median of the times."""
    right: dict[int, bool] = {}
    times: list[float] = []
    waiting = list(enumerate(bank.test))
    async with asyncio.timeout(ASKED_S), AsyncOpenAI(base_url=base_url, api_key=KEY, max_retries=2) as client:

        async def work() -> None:
            while waiting:
                number, (text, intent) = waiting.pop()
                began_s = clock.monotonic()
                right[number] = (await ask(client, model, text))[0] == answer(intent)
                times.append(clock.monotonic() - began_s)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(MEASURED_IN_FLIGHT):
                tasks.create_task(work())
    return [right[number] for number in range(len(bank.test))], sorted(times)[len(times) // 2]


def p_value(better: int, worse: int) -> float:
    """How likely so many or more of the pairs that differ would be better by chance. Source: McNemar 1947, exact."""
    pairs = better + worse
    return sum(math.comb(pairs, wins) for wins in range(better, pairs + 1)) / 2**pairs


def borne(engine_s: float, most: int) -> int:
    """How many conversations the app has under way, `most` at most, if an answer of the engine took `engine_s`.

    Their answers take the stand-in's time.
    """
    return max(LEAST_IN_FLIGHT, min(most, round(BORNE * MEASURED_IN_FLIGHT / engine_s * MEDIAN_S)))


async def move(found: Place, bank: Bank, in_flight: int, act_s: float) -> Watching:
    """The app's traffic, until the candidate has all of it."""
    traffic = Traffic(found.base_url, [text for text, _ in bank.test], in_flight)
    watch = DecisionWatch(SqliteState(found.serving.data / "state.db"), ROUTE)
    watching = Watching(traffic, watch, act_s)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(traffic.run())
        try:
            await watching.until(lambda: watching.phase is Phase.PROMOTED, f"{REVISION} at 100 %")
            watching.row("shadow to 100 %", f"{traffic.requests:,} requests, {watching.errors} errors seen by the app")
        except StuckError as error:
            watching.row("STUCK", str(error))
        running.cancel()
    return watching


class Steps:
    """Tells each step with the time it took, and when it ended."""

    def __init__(self) -> None:
        """From now on."""
        self.began_s = self._last_s = clock.monotonic()

    def tell(self, text: str) -> None:
        """A step is done."""
        now_s = clock.monotonic()
        sys.stdout.write(f"{now_s - self.began_s:6.0f} s  ({now_s - self._last_s:4.0f} s)  {text}\n")
        sys.stdout.flush()
        self._last_s = now_s


def play(found: Place, bank: Bank, arguments: argparse.Namespace) -> bool:
    """The whole loop, told; whether it ended as it should."""
    steps = Steps()
    verdicts = [verdict(found)]
    asked, corrected = asyncio.run(use(found, bank, arguments.in_flight, arguments.corrected))
    store = Store(found.serving.data / "records")
    await_true(lambda: recorded(store) >= (asked, corrected), "all of it recorded", patience_s=RECORDED_S)
    steps.tell(f"{asked} messages asked through the gateway, {corrected} answers corrected ({corrected / asked:.1%})")
    evaluated = register(found, bank)
    verdicts.append(verdict(found))
    steps.tell(f"readiness: {' -> '.join(verdicts)}")
    report = train(found, evaluated, arguments)
    steps.tell(f"trained: {report['rows']} rows, {report['updates']} updates, {report['result']}")
    hand_over(found)
    steps.tell("served by vLLM, looked at by the preflight, written as the next revision")
    sys.stdout.write(found.crossfade("eval", "run", SET, "--in-flight", str(MEASURED_IN_FLIGHT)))
    frontier, frontier_s = asyncio.run(measure(found.base_url, "gpt-4o", bank))
    tuned, tuned_s = asyncio.run(measure(found.engine.base_url, "intents", bank))
    better = sum(new and not old for old, new in zip(frontier, tuned, strict=True))
    worse = sum(old and not new for old, new in zip(frontier, tuned, strict=True))
    p = p_value(better, worse)
    steps.tell(
        f"untouched test messages: {sum(frontier)} and {sum(tuned)} of {len(tuned)} right, p = {p:.2g} that by chance; "
        f"median of an answer {frontier_s * 1000:.0f} and {tuned_s * 1000:.0f} ms"
    )
    begin(found)
    in_flight = borne(tuned_s, arguments.in_flight)
    sys.stdout.write(f"{in_flight} conversations at once: {BORNE:.0%} of what the engine answered beside the gateway\n")
    watching = asyncio.run(move(found, bank, in_flight, arguments.act))
    steps.tell("shadow to 100 %, moved by the gates")
    sys.stdout.write(found.crossfade("records", "stats"))
    steps.tell("the whole loop")
    return p < 0.01 and verdicts == ["not yet", "due"] and all(what != "STUCK" for what, _ in watching.rows)


def recorded(store: Store) -> tuple[int, int]:
    """Exchanges of the route, and corrections among them."""
    counted = "SELECT count(*), count(corrected_output_json) FROM joined WHERE route = ?"
    row = store.read(lambda views: views.execute(counted, [ROUTE]).fetchone())
    return (row[0], row[1]) if row else (0, 0)


def missing(*, serves: bool = True) -> str | None:
    """What stands in the way here, with what to do; `serves`: a vLLM is needed, too."""
    if environment.ready(CACHE) is None:
        return "no environment for training here: run make train-env"
    return models.missing(serves=serves)


def main() -> int:
    """Play it, and say how it ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", action="store_true", required=True, help="two million parameters, a few intents")
    parser.add_argument(
        "--no-corrections", action="store_const", const=0.0, default=MOST_CORRECTED, dest="corrected",
        help="the app says nothing of wrong answers, and they are trained on",
    )  # fmt: skip
    parser.add_argument("--intents", type=int, default=8, help="of the 77 (default: 8; readiness wants 1,000 messages)")
    parser.add_argument("--epochs", type=float, default=5.0, help="of the training (default: 5)")
    parser.add_argument("--in-flight", type=int, default=32, help="conversations under way at most")
    parser.add_argument("--act", type=float, default=1500.0, help="the longest wait for the gates, in seconds")
    arguments = parser.parse_args()
    if (told := missing()) is not None:
        sys.stdout.write(f"skipped: {told}\n")
        return 0
    bank = Bank.of(arguments.intents)
    with (
        tempfile.TemporaryDirectory(prefix="crossfade-loop-") as folder,
        place(Path(folder), bank, arguments.intents) as found,
    ):
        return int(not play(found, bank, arguments))


if __name__ == "__main__":
    sys.exit(main())
