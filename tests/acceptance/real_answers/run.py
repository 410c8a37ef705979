"""Real answers of real models through the running gateway: an app asks, the shadow asks too, evidence decides.

python -m tests.acceptance.real_answers.run [--only NAME]     prints the table; 1 if a verdict is not the expected one

Everything is a process of its own and speaks HTTP: the app (the official SDK), `crossfade serve`, the frontier, the
candidate and the judge. The upstreams say what the models really said, tool calls in the time they really took, scaled.
"""

import argparse
import asyncio
import inspect
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI

from gateway import clock
from tests.acceptance.real_answers import data
from tests.acceptance.real_answers.data import DATA, Question, Said
from tests.acceptance.real_answers.server import Replayed
from tests.fakes.alpaca import BASELINE, JUDGE, Alpaca
from tests.fakes.alpaca import rows as chat_rows
from tests.fakes.thread import in_thread
from tests.rooms.serving import REAL, Serving

FRONTIER = "gpt-4o-2024-05-13-FC"
ROUTE = "answers"
SCALE = 0.05
"""Of recorded times: a minute of a slow model would be an hour of this run."""
AT_ONCE = 16
CLOSE_S = 2.0
SETTLE_S = 60.0
"""Longest wait, once all is asked, for the last conversation to close and be looked at."""
SCORER = '''
RIGHT = json.loads((Path(__file__).parent / "right.json").read_text())


def score(request, baseline, candidate):
    """1 for a right answer, 0 for a wrong one; the candidate's less the baseline's."""
    known = RIGHT[key_of(request)]
    ours, theirs = (known[answer_key(answer["body"]["choices"][0]["message"])] for answer in (candidate, baseline))
    return ours - theirs
'''
"""The user's own evaluation: it knows of every answer that was ever given whether it was right."""


@dataclass(frozen=True, slots=True)
class Case:
    """A candidate that real data knows, and what must become of it."""

    candidate: str
    kind: str
    """`tools` or `chat`."""
    expected: str
    """`promoted`: traffic moves by evidence. `rejected`. `held`: still in the shadow when everything was asked."""
    because: str = ""
    """What must be named as the reason: a gate or a guard."""
    timed: bool = False
    """Whether this model's times were kept."""


CASES = (
    Case("Salesforce_xLAM-7b-fc-r", "tools", "promoted"),
    Case("gorilla-openfunctions-v2", "tools", "held", "latency", timed=True),
    Case("google_gemma-7b-it", "tools", "rejected", "quality"),
    Case("FuseChat-Gemma-2-9B-Instruct", "chat", "promoted"),
    Case("FuseChat-Llama-3.2-1B-Instruct", "chat", "rejected", "quality"),
    Case("NullModel", "chat", "rejected", "outputs"),
)


@dataclass(frozen=True, slots=True)
class Found:
    """What became of one candidate."""

    case: Case
    became: str
    units: int
    asked: int
    app_errors: int
    reason: str
    blocking: list[str]
    seconds: float

    @property
    def is_expected(self) -> bool:
        """Whether it is what must become of it, for the reason there must be, and no app noticed."""
        why = not self.case.because or self.case.because in self.blocking
        return self.became == self.case.expected and why and not self.app_errors

    def line(self) -> str:
        """One line of the table."""
        return (
            f"{self.case.candidate:<32} {self.case.kind:<6} {self.became:<9} after {self.units:>4} units,"
            f" {self.asked:>4} asked, {self.app_errors} app errors, {self.seconds:>4.0f} s"
            f"  {'as expected' if self.is_expected else f'EXPECTED {self.case.expected}'}\n    {self.reason}"
        )


# The upstreams, the settings, the policy -----------------------------------------------------------------------------


@contextmanager
def upstreams(case: Case) -> Iterator[tuple[dict[str, str], list[Question]]]:
    """Base URLs by name, and what the app will ask."""
    with ExitStack() as stack:
        if case.kind == "chat":
            alpaca = stack.enter_context(in_thread(Alpaca(chat_rows())))
            yield dict.fromkeys(("frontier", "engine", "third"), alpaca.base_url), data.chat_questions()
            return
        frontier = stack.enter_context(in_thread(Replayed(data.tool_answers(FRONTIER), "frontier", SCALE)))
        engine = stack.enter_context(in_thread(Replayed(data.tool_answers(case.candidate), "engine", SCALE)))
        yield {"frontier": frontier.base_url, "engine": engine.base_url}, data.tool_questions()


def settings(urls: dict[str, str], folder: Path) -> str:
    """Lines of crossfade.yaml."""
    key = folder / "background.key"
    key.write_text("sk-background\n", "utf-8")
    key.chmod(0o600)
    lines = [f"  {name}: {{base_url: {url}, background_key_file: {key.name}}}" for name, url in urls.items()]
    return "\n".join(["upstreams:", *lines, "default_upstream: frontier", "policies: ./policies"])


def write_policy(case: Case, folder: Path) -> None:
    """The migration, and the user's own evaluation where there is one."""
    folder.mkdir()
    latency = f"{{total_p95: {int(5000 * SCALE)}ms}}" if case.timed else "off"
    compare = f"judge: {{upstream: third, model: {JUDGE}, sample: 100%}}"
    if case.kind == "tools":
        compare = "python: {ref: evals.py:score}"
        (folder / "evals.py").write_text(_scorer(), "utf-8")
        (folder / "right.json").write_text(json.dumps(_right(case)), "utf-8")
    (folder / f"{ROUTE}.yaml").write_text(
        f"""# Errors: these records hold no failures, and 1,000 of them cannot certify less than 5 %.
route: {ROUTE}
match: {{model: {FRONTIER if case.kind == "tools" else BASELINE}}}
baseline: {{upstream: frontier}}
candidate: {{upstream: engine, model: {case.candidate}, revision: "1"}}
assign: {{close_after: {CLOSE_S:g}s}}
shadow: {{max_in_flight: 32, queue: 2048, budget: $1000/day}}
compare: [{{{compare}}}]
gates: {{errors: {{margin: 5%}}, validity: off, latency: {latency}}}
stages: [shadow: {{days: 0}}, 1%, 100%]
""",
        "utf-8",
    )


def _scorer() -> str:
    """A file that stands alone: scorers run in their own folder, and see no test of ours."""
    sources = [inspect.getsource(each) for each in (data.key_of, data.answer_key, data._read, data._calls_of)]
    imports = (
        "import hashlib\nimport json\nfrom pathlib import Path\nfrom typing import Any\n\nFields = dict[str, Any]\n\n\n"
    )
    return imports + "\n\n".join(sources) + SCORER


def _right(case: Case) -> dict[str, dict[str, float]]:
    """Question -> answer -> whether the leaderboard found it right."""
    found: dict[str, dict[str, float]] = {}
    for model in (case.candidate, FRONTIER):
        answers: dict[str, Said] = data.tool_answers(model)
        for key, said in answers.items():
            found.setdefault(key, {})[data.answer_key(said.message)] = float(said.correct)
    return found


# The app -------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class App:
    """Asks every question once, as a user of its own, until somebody stops it."""

    base_url: str
    model: str
    questions: list[Question]
    asked: int = 0
    errors: int = 0
    stopped: bool = False

    async def run(self) -> None:
        """Ask them all."""
        queue = iter(enumerate(self.questions))
        client = AsyncOpenAI(base_url=self.base_url, api_key="sk-app", max_retries=0)
        async with client, asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(self._ask(client, queue))

    async def _ask(self, client: AsyncOpenAI, queue: Iterator[tuple[int, Question]]) -> None:
        for number, question in queue:
            if self.stopped:
                return
            try:
                await client.chat.completions.create(model=self.model, user=f"user-{number}", **question.fields)
            except Exception as error:  # noqa: BLE001 -- whatever an app sees is what is counted here
                self.errors += 1
                sys.stderr.write(f"{type(error).__name__}: {error}\n"[:300])
            self.asked += 1


# One case ------------------------------------------------------------------------------------------------------------


def look(serving: Serving) -> dict[str, Any]:
    """What was last found of the route; nothing yet: empty."""
    done = serving.crossfade("explain", ROUTE, "--json", "--config", "crossfade.yaml")
    return json.loads(done.stdout) if not done.returncode else {}


async def watch(serving: Serving, app: App) -> dict[str, Any]:
    """Let the app ask until it is decided, or everything is asked and looked at; what was found last."""
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(app.run())
        until: float | None = None
        while True:
            await asyncio.sleep(1.0)
            found = await asyncio.to_thread(look, serving)
            if asking.done() and until is None:
                until = clock.monotonic() + SETTLE_S
            seen = found.get("results", {}).get("units", 0)
            everything = until is not None and (seen >= len(app.questions) or clock.monotonic() > until)
            if found and (became(found) != "held" or everything):
                app.stopped = True
                return found
            if until is not None and clock.monotonic() > until + SETTLE_S:
                raise RuntimeError(f"nothing was found of {ROUTE}: {found}")


def became(found: dict[str, Any]) -> str:
    """Where the route stands now."""
    phase = found["rollout"]["phase"]
    if phase in ("rejected", "rolled_back", "quarantined"):
        return "rejected"
    return "promoted" if found["rollout"]["stage"] > 0 else "held"


def decide(case: Case) -> Found:
    """Serve, ask, and see what becomes of it."""
    began = clock.monotonic()
    with tempfile.TemporaryDirectory(prefix="crossfade-") as name, upstreams(case) as (urls, questions):
        folder = Path(name)
        write_policy(case, folder / "policies")
        with Serving(folder, settings(urls, folder), worker=REAL) as serving:
            serving.await_ready()
            serving.await_control()
            model = FRONTIER if case.kind == "tools" else BASELINE
            app = App(f"http://127.0.0.1:{serving.port}/v1", model, questions)
            found = asyncio.run(watch(serving, app))
            history = serving.crossfade("explain", ROUTE, "--history", "20", "--json", "--config", "crossfade.yaml")
            moves = [each for each in json.loads(history.stdout or "[]") if each.get("move") not in (None, "hold")]
    deciding = next((each for each in moves if each["outcome"] in ("PROMOTE", "REJECTED")), found)
    results = deciding["results"]
    blocking = [each["gate"] for each in results["gates"] if each["required"] and each["verdict"]]
    blocking += [each["guard"] for each in results["guards"] if each["verdict"]]
    return Found(
        case, became(found), results["units"], app.asked, app.errors, deciding["reason"], blocking,
        clock.monotonic() - began,
    )  # fmt: skip


def main() -> int:
    """Print the table. 1 if a verdict is not the expected one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="candidates whose name contains this")
    only = parser.parse_args().only
    if not DATA.exists():
        sys.stderr.write(f"{DATA} is not here: nothing to decide\n")
        return 0
    wrong = 0
    for case in CASES:
        if only in case.candidate:
            found = decide(case)
            wrong += not found.is_expected
            sys.stdout.write(f"{found.line()}\n")
            sys.stdout.flush()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
