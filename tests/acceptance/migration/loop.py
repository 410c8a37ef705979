"""The closed loop, on this machine: `make loop` prints what came of it.

    python -m tests.acceptance.migration.loop [--small] [--no-corrections] [--intents N] [--epochs N] [--act SECONDS] …
    python -m tests.acceptance.migration.loop --keep FOLDER
    python -m tests.acceptance.migration.loop --trained FOLDER

Messages of a bank's customers go through the gateway to a frontier's stand-in that is right four times of five. The
app corrects by feedback what was wrong, at most one answer of five. Readiness turns from not yet to due, the test
messages become an evaluation set, the records a dataset without them, the dataset a fine-tuned model; a real vLLM
serves it, the preflight writes the policy's next revision, the set is asked of both, and the gates move the route
from the shadow to 100 %. The report says what it came to, and a table quality, latency and cost before and after.

The base model is SmolLM2 of 135 million parameters. `--small`: one of two million that knows nothing, and the messages
of a few intents. 1: the route did not get to 100 %, or the model is not better than the stand-in. Skips, saying so,
where messages, TRL, vLLM or the base model are not. Each step says how long it took, and has a bound.

`--keep`: the run is played in that folder, and it stays. `--trained`: all of it is played, but the model is that of a
run that was kept, if its dataset teaches the same as this run's; the report says so.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from openai import AsyncOpenAI

from gateway import clock
from gateway.control.state.sqlite import SqliteState
from gateway.demo.watch import DecisionWatch
from gateway.node.datadir import keep_secret
from gateway.training import environment
from policies.terms import Phase
from records.store import Store
from tests.acceptance.migration import command, models
from tests.acceptance.migration.bank import Bank, answer, turns
from tests.acceptance.migration.command import CACHE
from tests.acceptance.migration.kept import DATA, DATASETS, REVISION, RUNS, KeptError, Trained
from tests.acceptance.migration.models import HERE
from tests.acceptance.migration.quality import Quality, before_and_after
from tests.acceptance.migration.sizes import Size
from tests.acceptance.migration.traffic import KEY, PATIENCE_S, Traffic
from tests.acceptance.migration.wanted import Wanted
from tests.acceptance.migration.watching import StuckError, Watching
from tests.acceptance.migration.world import SETTINGS, started
from tests.acceptance.vllm_server import VllmServer
from tests.rooms.serving import REAL, Serving
from tests.rooms.waiting import await_true

ROUTE = "banking"
SET = "bank-test"
READINESS = "\nreadiness: {total_p95: 1s, prompt_still: 1s}"
"""The stand-in's answers take longer, and the prompt of a minute's traffic is a minute old."""
MIRRORED = "sample: 100%"
"""So the engine is asked as much in the shadow as with all of the traffic, which is what it can bear."""
EVALUATED_IN_FLIGHT = 16
"""More than the engine is measured with: nobody waits for one answer, and it answers many at once in less time."""
MEASURED_IN_FLIGHT = 8
MEASURED = 64
"""Messages that tell how long an answer of the engine takes."""
BORNE = 0.5
"""Of the answers a second that the engine was measured to give: as much the app asks, when all of it is the engine's.
With more, an engine whose machine is asked for other things, too, has a queue that no deadline bears."""
LEAST_IN_FLIGHT = 2
ENDS = {Phase.PROMOTED, Phase.ROLLED_BACK, Phase.REJECTED, Phase.QUARANTINED}
"""Phases in which the gates' work is done."""
RECORDED_S = 120.0
"""The longest wait for what was sent to be recorded."""
ASKED_S = 900.0
"""The longest wait for all messages to be asked."""


@dataclass(frozen=True, slots=True)
class Place:
    """The gateway, and the engine that will serve the candidate."""

    size: Size
    directory: Path
    serving: Serving
    engine: VllmServer
    trained: Trained | None = None
    """The model of an earlier run; None: one is trained."""

    @property
    def base_url(self) -> str:
        """The data port."""
        return f"http://127.0.0.1:{self.serving.port}/v1"

    @property
    def run(self) -> Path:
        """What `crossfade train` left."""
        return self.trained.run if self.trained else self.directory / RUNS / REVISION

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
def place(directory: Path, bank: Bank, size: Size, trained: Trained | None = None) -> Generator[Place]:
    """All of it runs while entered: the route is captured, and nothing is mirrored yet."""
    evals = directory / "policies" / "evals"
    evals.mkdir(parents=True)
    (evals / "intents.py").write_bytes((HERE / "policies" / "evals" / "intents.py").read_bytes())
    (evals / "labels.json").write_text(json.dumps(dict(bank.train) | dict(bank.test)), encoding="utf-8")
    text = (HERE / "policies" / "banking.yaml").read_text(encoding="utf-8").replace("REVISION", "none-yet")
    for share in size.stages_left_out:
        text = text.replace(f"  - {share}: {{hold: 5s}}\n", "")
    text = text.replace("sample: 25%", MIRRORED)
    (directory / "policies" / "banking.yaml").write_text(f"{text}mode: bypass\n", encoding="utf-8")
    if trained is not None:
        (directory / DATA).mkdir(mode=0o700)
        keep_secret(directory / DATA / "pepper", trained.pepper)
    with contextlib.ExitStack() as stack:
        engine = stack.enter_context(VllmServer(directory / "vllm.log", name="intents", options=""))
        frontier = started(stack, "frontier", str(size.right), str(size.intents), str(size.median_s))
        settings = SETTINGS.format(frontier=frontier[1], front=engine.port) + READINESS
        serving = stack.enter_context(Serving(directory, settings, worker=REAL))
        serving.await_ready()
        serving.await_control()
        yield Place(size, directory, serving, engine, trained)


async def use(found: Place, bank: Bank) -> tuple[int, int]:
    """The app asks each message once, and corrects what is wrong, of so many answers at most.

    Returns how many it asked, and corrected.
    """
    waiting, corrected, may_correct = list(enumerate(bank.train)), 0, int(found.size.corrected * len(bank.train))
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
            for _ in range(found.size.in_flight):
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


def train(found: Place, evaluated: Path) -> dict[str, Any]:
    """Dataset, base model, fine-tune, or that of an earlier run. Returns what the training reports.

    Raises:
        KeptError: the earlier run's was of other data.
    """
    built = json.loads(
        found.crossfade("dataset", "build", "--route", ROUTE, "--format", "trl-sft", "--out", DATASETS,
                        "--validation", "5%", "--against", evaluated, "--drop-leaks", "--json")
    )  # fmt: skip
    dataset = found.directory / built["folder"]
    sys.stdout.write(f"{built['kept']} rows, {built['corrected']} of them corrections; left out: {built['left_out']}\n")
    size = found.size
    settings = {"epochs": size.epochs, "learning_rate": size.learning_rate, "batch": size.batch, "save_steps": 200}
    if found.trained is not None:
        found.trained.refuse_others(dataset, settings)
        return found.trained.report
    base = size.base(dataset, found.directory / "base")
    chosen = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    words = ("train", "sft", "--dataset", dataset, "--base", base, "--out", found.run, *chosen)
    command.crossfade(found.directory, *words, threads=size.threads, within_s=size.trained_s)
    return json.loads((found.run / "report.json").read_text("utf-8"))


def hand_over(found: Place) -> None:
    """Serve the model, look at it, write the revision."""
    found.engine.model = found.run / "model"
    found.engine.start()
    sys.stdout.write(found.crossfade("train", "preflight", found.run, "--policy", found.policy, "--revision", REVISION))


def begin(found: Place) -> None:
    """Let the shadow begin."""
    text = found.policy.read_text("utf-8")
    fresh = found.policy.with_suffix(".new")
    fresh.write_text(text.replace("mode: bypass\n", ""), encoding="utf-8")
    fresh.rename(found.policy)


def evaluate(found: Place) -> Quality:
    """Ask the test messages of both, each message once."""
    said = json.loads(found.crossfade("eval", "run", SET, "--in-flight", str(EVALUATED_IN_FLIGHT), "--json"))
    for score in said["scores"]:
        sys.stdout.write(
            f"{score['variant']}: {score['mean']:.3f} over {score['rows']}, {score['failed']} failed, "
            f"cost ${score['cost_usd']:.4f}\n"
        )
    (less,) = said["differences"]
    sys.stdout.write(f"the model less the stand-in: {less['mean']:+.3f} [{less['lower']:+.3f}, {less['upper']:+.3f}]\n")
    return Quality.of(said)


async def answered_in(base_url: str, model: str, texts: list[str]) -> float:
    """The median time of an answer in seconds, with so many under way as are measured."""
    times: list[float] = []
    waiting = list(texts)
    async with asyncio.timeout(ASKED_S), AsyncOpenAI(base_url=base_url, api_key=KEY, max_retries=2) as client:

        async def work() -> None:
            while waiting:
                text, began_s = waiting.pop(), clock.monotonic()
                await ask(client, model, text)
                times.append(clock.monotonic() - began_s)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(MEASURED_IN_FLIGHT):
                tasks.create_task(work())
    return sorted(times)[len(times) // 2]


def borne(engine_s: float, size: Size) -> int:
    """How many conversations the app has under way at most, if an answer of the engine took `engine_s`.

    Their answers take the stand-in's time.
    """
    asked = round(BORNE * MEASURED_IN_FLIGHT / engine_s * size.median_s)
    return max(LEAST_IN_FLIGHT, min(size.in_flight, asked))


async def move(found: Place, bank: Bank, in_flight: int) -> Watching:
    """The app's traffic, until the candidate has all of it."""
    traffic = Traffic(found.base_url, [text for text, _ in bank.test], in_flight)
    watch = DecisionWatch(SqliteState(found.serving.data / "state.db"), ROUTE)
    watching = Watching(traffic, watch, found.size.act_s)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(traffic.run())
        try:
            await watching.until(lambda: watching.phase in ENDS, f"{REVISION} at 100 %")
            seen = f"{traffic.requests:,} requests, {watching.errors} errors seen by the app"
            is_up = watching.phase is Phase.PROMOTED
            watching.row("shadow to 100 %" if is_up else "STUCK", seen if is_up else f"{watching.phase}: {seen}")
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


def play(found: Place, bank: Bank) -> bool:
    """The whole loop, told; whether it ended as it should."""
    steps = Steps()
    verdicts = [verdict(found)]
    asked, corrected = asyncio.run(use(found, bank))
    store = Store(found.serving.data / "records")
    await_true(lambda: recorded(store) >= (asked, corrected), "all of it recorded", patience_s=RECORDED_S)
    steps.tell(f"{asked} messages asked through the gateway, {corrected} answers corrected ({corrected / asked:.1%})")
    evaluated = register(found, bank)
    verdicts.append(verdict(found))
    steps.tell(f"readiness: {' -> '.join(verdicts)}")
    report = train(found, evaluated)
    whose = f"not of this run, the training that {found.run} has" if found.trained else "trained"
    told = f"{whose}: {report['rows']} rows, {report['updates']} updates, {report['result']}"
    steps.tell(told)
    hand_over(found)
    steps.tell("served by vLLM, looked at by the preflight, written as the next revision")
    quality = evaluate(found)
    steps.tell(quality.told())
    engine_s = asyncio.run(answered_in(found.engine.base_url, "intents", [text for text, _ in bank.test[:MEASURED]]))
    begin(found)
    in_flight = borne(engine_s, found.size)
    steps.tell(
        f"an answer of the engine takes {engine_s:.2f} s beside {MEASURED_IN_FLIGHT - 1} others: the app asks "
        f"{in_flight} at once, {BORNE:.0%} of what it answers"
    )
    watching = asyncio.run(move(found, bank, in_flight))
    steps.tell("shadow to 100 %, moved by the gates")
    sys.stdout.write(found.crossfade("report", ROUTE, "--since", "all"))
    arms = json.loads(found.crossfade("report", ROUTE, "--since", "all", "--json"))["arms"]
    sys.stdout.write(before_and_after({arm["variant"]: arm for arm in arms}, quality))
    steps.tell(f"the whole loop; {told}" if found.trained else "the whole loop")
    return quality.is_better and verdicts == ["not yet", "due"] and all(what != "STUCK" for what, _ in watching.rows)


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
    wanted = Wanted.of(sys.argv[1:])
    size = wanted.size
    if (told := missing() or size.lacks()) is not None:
        sys.stdout.write(f"skipped: {told}\n")
        return 0
    bank = Bank.of(size.intents)
    try:
        trained = Trained.of(wanted.trained.resolve()) if wanted.trained else None
        with wanted.folder() as folder, place(folder, bank, size, trained) as found:
            return int(not play(found, bank))
    except KeptError as error:
        sys.stdout.write(f"refused: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
