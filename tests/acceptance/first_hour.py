"""The README's first steps, done: `make first-hour` runs its commands, as they stand there, in a fresh clone.

    python -m tests.acceptance.first_hour

A newcomer with an upstream and a candidate of their own, both played here: every command of the three sections is run
in order, each must end with 0 and show what the page says of it (`walk.py`). Prints each step's time; 1: a step failed,
or the first exchange was captured later than FIRST_S after the clone began. Its ports are free ones.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from gateway import clock
from gateway.demo.sandbox import free_port
from tests.acceptance.walk import Block, Kind, Reader, Step, StepError
from tests.fakes.openai_answers import Speaker
from tests.fakes.thread import in_thread
from tests.fakes.upstream import FakeUpstream

ROOT = Path(__file__).parents[2]
FIRST_S = 180.0
"""In which the first exchange of one's own upstream has to be captured, from the clone on."""
START = ("Install", "Five minutes: your own upstream")
MIGRATION = "Your first migration"
KEY = "sk-of-the-newcomer"
SET_UP = {"make setup": "all is installed already"}
STARTS = (
    Step("make setup"),
    Step("crossfade init", "crossfade-policies/support-triage.yaml.example"),
    Step("crossfade doctor", "upstreams.vllm: http"),
    Step("crossfade serve", kind=Kind.SERVE),
    Step("python -c 'from openai import OpenAI; print(OpenAI().models", "gpt-4o"),
    Step("python -c 'from openai import OpenAI\n", "frontier"),
    Step("crossfade records tail", "gpt-4o", Kind.LOOK),
    Step("kill -HUP"),
)
"""The commands of the first two sections."""
STEPS = (
    *STARTS,
    Step("cp crossfade-policies/support-triage.yaml.example"),
    Step("crossfade policy lint"),
    Step("python -c 'from openai import OpenAI\n", "frontier"),
    Step("curl -s", 'asked="candidate",outcome="answered"', Kind.LOOK),
    Step("crossfade status", "support-triage  shadow", Kind.LOOK),
    Step("crossfade explain support-triage", "STAGE shadow", Kind.LOOK),
    Step("crossfade records stats", "support-triage", Kind.LOOK),
    Step("crossfade dataset build", "1 exchanges of support-triage"),
    Step("crossfade train sft --help", "dataset"),
    Step("crossfade kill"),
    Step("crossfade kill --off"),
)


@dataclass(slots=True)
class Newcomer:
    """A reader with a frontier and a candidate of their own, both played here."""

    folder: Path
    frontier: FakeUpstream
    candidate: FakeUpstream
    steps: Sequence[Step]
    left_out: dict[str, str] = field(default_factory=dict[str, str])
    tell: Callable[[str], None] = lambda _: None
    reader: Reader = field(init=False)

    def __post_init__(self) -> None:
        """At the top of the README."""
        replaced = {"8080": str(free_port()), "8081": str(free_port()), "sk-…": KEY}
        self.reader = Reader(
            self.folder, list(self.steps), replaced, self.left_out, on_block=self._read, tell=self.tell
        )

    def _read(self, block: Block) -> None:
        """A block that is no command: the upstreams are named as the page says, the policy is the example's."""
        if block.language != "yaml":
            return
        if "upstreams:" in block.text:
            same_settings(block.text, (self.folder / "crossfade.yaml").read_text("utf-8"))
            self._names_upstreams()
        elif "route:" in block.text:
            written = (self.folder / "crossfade-policies" / "support-triage.yaml").read_text("utf-8")
            if yaml.safe_load(written) != yaml.safe_load(block.text):
                raise StepError("the README's policy is not the example of `crossfade init`")

    def _names_upstreams(self) -> None:
        path = self.folder / "crossfade.yaml"
        text = path.read_text("utf-8")
        for there, here in (
            ("https://api.openai.com/v1", self.frontier.base_url),
            ("http://127.0.0.1:8000/v1", self.candidate.base_url),
            *self.reader.replaced.items(),
        ):
            if there not in text and "//" in there:
                raise StepError(f"`crossfade init` writes no upstream at {there}, where the README has one")
            text = text.replace(there, here)
        path.write_text(text, "utf-8")


def same_settings(snippet: str, settings: str) -> None:
    """The page's settings are what `init` writes, but for what the user adds.

    Raises:
        StepError: they differ.
    """
    there, here = yaml.safe_load(snippet), yaml.safe_load(settings)
    upstreams = {name: there["upstreams"].get(name) for name in here["upstreams"]}
    if (upstreams, there["default_upstream"]) != (here["upstreams"], here["default_upstream"]):
        raise StepError(f"the README's upstreams are not those of `crossfade init`: {there}, {here}")


def play(folder: Path, page: str, *, is_set_up: bool, tell: Callable[[str], None] = lambda _: None) -> Reader:
    """Do all that `page` says, in `folder`. `is_set_up`: all is installed there, and `make setup` left out.

    Raises:
        StepError: a step did not do what the page says.
    """
    candidate = FakeUpstream(Speaker("candidate", vllm=True), require_key=False)
    with ExitStack() as stack:
        stack.enter_context(in_thread(candidate))
        frontier = stack.enter_context(in_thread(FakeUpstream(Speaker("frontier"))))
        person = Newcomer(folder, frontier, candidate, STEPS, SET_UP if is_set_up else {}, tell)
        stack.callback(person.reader.leaves)
        person.reader.reads(page, (*START, MIGRATION))
        person.reader.ends()
        _judge(candidate, frontier)
    return person.reader


def _judge(candidate: FakeUpstream, frontier: FakeUpstream) -> None:
    asked = [entry.json["model"] for entry in candidate.ledger if entry.request.method == b"POST"]
    if "triage-7b" not in asked:
        raise StepError(f"the candidate was asked for {asked}, never for triage-7b")
    keys = {entry.request.get(b"authorization") for entry in frontier.ledger}
    if f"Bearer {KEY}".encode() not in keys:
        raise StepError("the app's key did not go through")


def cloned(folder: Path) -> float:
    """Clone this repository into `folder`; how long it took."""
    began_s = clock.monotonic()
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, folder], check=True)
    return clock.monotonic() - began_s


def walked(name: str, play: Callable[[Path], Reader]) -> tuple[float, Reader] | None:
    """Clone this repository and let `play` do its steps there: how long the clone took, and who did them.

    None: a step failed, and that is said.
    """
    with tempfile.TemporaryDirectory(prefix=f"crossfade-{name}-") as temporary:
        folder = Path(temporary) / "crossfade"
        cloned_s = cloned(folder)
        say(f"{cloned_s:7.1f} s  (+{cloned_s:5.1f} s)  git clone; the times below count from its end")
        try:
            return cloned_s, play(folder)
        except StepError as error:
            say(str(error))
            return None


def say(line: str) -> None:
    """A line of what the script prints."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def first_capture_s(reader: Reader) -> float:
    """How long it took until the first exchange was seen."""
    total_s = 0.0
    for shown, took_s in reader.took:
        total_s += took_s
        if shown.startswith("crossfade records tail"):
            break
    return total_s


def main() -> int:
    """Clone, do it, and print each step's time."""
    found = walked(
        "first-hour", lambda folder: play(folder, (folder / "README.md").read_text("utf-8"), is_set_up=False, tell=say)
    )
    if found is None:
        return 1
    cloned_s, reader = found
    first_s, total_s = cloned_s + first_capture_s(reader), cloned_s + sum(took_s for _, took_s in reader.took)
    say(f"the first exchange of one's own was seen after {first_s:.0f} s of {FIRST_S:.0f}")
    say(f"a policy of one's own, its candidate asked and compared: after {total_s:.0f} s")
    return int(first_s > FIRST_S)


if __name__ == "__main__":
    sys.exit(main())
