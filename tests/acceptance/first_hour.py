"""The README's first steps, done: `make first-hour` runs its commands, as they stand there, in a fresh clone.

    python -m tests.acceptance.first_hour

A newcomer with an upstream and a candidate of their own, both played here: every command of the two sections is run in
order, each must end with 0 and show what the page says of it. Prints each step's time; 1: a step failed, or the first
exchange was captured later than FIRST_S after the clone began. The ports are free ones: it runs beside anything.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from gateway import clock
from gateway.demo.sandbox import free_port
from tests.fakes.openai_answers import Speaker
from tests.fakes.thread import in_thread
from tests.fakes.upstream import FakeUpstream
from tests.rooms.waiting import await_true

ROOT = Path(__file__).parents[2]
FIRST_S = 180.0
"""In which the first exchange of one's own upstream has to be captured, from the clone on."""
STEP_S = 300.0
"""The longest that one command may take."""
SECTIONS = ("Install", "Five minutes: your own upstream", "Your first migration")
SHOWS = {
    "make setup": "",
    "crossfade init": "crossfade-policies/support-triage.yaml.example",
    "crossfade doctor": "upstreams.vllm: http",
    "crossfade serve": "",
    "python -c 'from openai import OpenAI; print(OpenAI().models": "gpt-4o",
    "python -c 'from openai import OpenAI\n": "frontier-",
    "crossfade records tail": "gpt-4o",
    "kill -HUP": "",
    "cp crossfade-policies/support-triage.yaml.example": "",
    "crossfade policy lint": "",
    "curl -s": 'asked="candidate",outcome="answered"',
    "crossfade status": "support-triage  shadow",
    "crossfade explain support-triage": "STAGE shadow",
    "crossfade records stats": "support-triage",
    "crossfade dataset build": "1 exchanges of support-triage",
    "crossfade train sft --help": "dataset",
    "crossfade kill": "",
    "crossfade kill --off": "",
}
"""How each command of the page begins, and what it shows once its time has come: what happens beside a command takes a
moment, so that those which look are tried again until STEP_S. A command that the page has no longer fails."""
LOOKS = ("crossfade records tail", "curl -s", "crossfade status", "crossfade explain", "crossfade records stats")
EARLIER = ("OPENAI_", "CROSSFADE_", "PYTHON", "VIRTUAL_ENV")
"""Variables of this process that a newcomer's shell has not."""


class StepError(Exception):
    """A step of the page that does not do what the page says."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of the page."""

    language: str
    text: str


def blocks(page: str) -> Iterator[Block]:
    """The blocks of the two sections, in order."""
    for name in SECTIONS:
        _, begun, rest = page.partition(f"\n## {name}\n")
        if not begun:
            raise StepError(f"the README has no section {name!r} any more")
        for language, text in re.findall(r"^```(\w+)\n(.*?)^```", rest.partition("\n## ")[0], re.DOTALL | re.MULTILINE):
            yield Block(language, text)


def commands(text: str) -> Iterator[str]:
    """The commands of a block of shell: a line each, or several where a quote goes on."""
    command = ""
    for line in text.splitlines(keepends=True):
        command += line
        try:
            words = shlex.split(command, comments=True)
        except ValueError:
            continue  # a quote is open
        if words:
            yield command.strip()
        command = ""


@dataclass(slots=True)
class Newcomer:
    """Somebody at a terminal in a folder, who reads the page from its top."""

    folder: Path
    replaced: dict[str, str]
    """What is another here than on the page: ports and a key."""
    exports: list[str] = field(default_factory=list[str])
    serving: subprocess.Popen[bytes] | None = None
    steps: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])
    shown: set[str] = field(default_factory=set[str])

    def does(self, command: str) -> None:
        """One command of the page.

        Raises:
            StepError: it failed, or did not show what the page says.
        """
        began_s = clock.monotonic()
        begins = max((known for known in SHOWS if command.startswith(known)), key=len, default=None)
        if command.startswith("export "):
            self.exports.append(self._here(command))
            return
        if begins is None:
            raise StepError(f"a command that nobody tries yet: {command!r}. hint: say in SHOWS what it shows")
        if begins == "crossfade serve":
            self._serve(command)
        else:
            self._run(command, begins)
        self.shown.add(begins)
        self.steps.append((command.splitlines()[0].partition("   ")[0], clock.monotonic() - began_s))

    def _run(self, command: str, begins: str) -> None:
        last_s = clock.monotonic() + STEP_S
        while True:
            ended = subprocess.run(
                self._shell(command), cwd=self.folder, env=_environment(), capture_output=True, text=True,
                timeout=STEP_S, check=False,
            )  # fmt: skip
            if ended.returncode == 0 and SHOWS[begins] in ended.stdout:
                return
            if not begins.startswith(LOOKS) or clock.monotonic() > last_s:
                raise StepError(
                    f"{command!r} ended with {ended.returncode}, and did not show {SHOWS[begins]!r}:\n"
                    f"{ended.stdout}{ended.stderr}{self._log()}"
                )

    def _serve(self, command: str) -> None:
        with (self.folder / "serve.log").open("wb") as log:
            self.serving = subprocess.Popen(
                self._shell(f"exec {command}"), cwd=self.folder, env=_environment(), stdout=log, stderr=log
            )
        await_true(lambda: '"event": "listening"' in self._log(), "that crossfade serve listens", patience_s=STEP_S)

    def _log(self) -> str:
        log = self.folder / "serve.log"
        return log.read_text("utf-8") if log.exists() else ""

    def _here(self, command: str) -> str:
        for there, here in self.replaced.items():
            command = command.replace(there, here)
        return command

    def _shell(self, command: str) -> list[str]:
        return ["bash", "-c", "\n".join([*self.exports, self._here(command)])]

    def edits(self, frontier: str, candidate: str) -> None:
        """Name the upstreams in `crossfade.yaml`, as the page says, and the free ports."""
        path = self.folder / "crossfade.yaml"
        text = self._here(path.read_text("utf-8"))
        for there, here in (("https://api.openai.com/v1", frontier), ("http://127.0.0.1:8000/v1", candidate)):
            if there not in text:
                raise StepError(f"`crossfade init` writes no upstream at {there}, where the README has one")
            text = text.replace(there, here)
        path.write_text(text, "utf-8")

    def leaves(self) -> None:
        """Stop what was started.

        Raises:
            StepError: it did not end in order.
        """
        if self.serving is not None:
            self.serving.send_signal(signal.SIGTERM)
            if (status := self.serving.wait(STEP_S)) != 0:
                raise StepError(f"crossfade serve ended with {status}:\n{self._log()}")


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(EARLIER)}


def same_settings(snippet: str, settings: str) -> None:
    """The page's settings are what `init` writes, but for what the user adds.

    Raises:
        StepError: they differ.
    """
    there, here = yaml.safe_load(snippet), yaml.safe_load(settings)
    upstreams = {name: there["upstreams"].get(name) for name in here["upstreams"]}
    if (upstreams, there["default_upstream"]) != (here["upstreams"], here["default_upstream"]):
        raise StepError(f"the README's upstreams are not those of `crossfade init`: {there}, {here}")


def play(folder: Path, page: str, *, is_set_up: bool) -> Newcomer:
    """Do all that `page` says, in `folder`. `is_set_up`: all is installed there, and `make setup` left out.

    Raises:
        StepError: a step did not do what the page says.
    """
    replaced = {"8080": str(free_port()), "8081": str(free_port()), "sk-…": "sk-of-the-newcomer"}
    person = Newcomer(folder, replaced)
    candidate = FakeUpstream(Speaker("candidate", vllm=True), require_key=False)
    with ExitStack() as stack:
        stack.enter_context(in_thread(candidate))
        frontier = stack.enter_context(in_thread(FakeUpstream(Speaker("frontier"))))
        stack.callback(person.leaves)
        for block in blocks(page):
            if block.language == "sh":
                for command in commands(block.text):
                    if not (is_set_up and command.startswith("make setup")):
                        person.does(command)
            elif "upstreams:" in block.text:
                same_settings(block.text, (folder / "crossfade.yaml").read_text("utf-8"))
                person.edits(frontier.base_url, candidate.base_url)
            elif "route:" in block.text:
                written = (folder / "crossfade-policies" / "support-triage.yaml").read_text("utf-8")
                if yaml.safe_load(written) != yaml.safe_load(block.text):
                    raise StepError("the README's policy is not the example of `crossfade init`")
        _judge(person, candidate, frontier, is_set_up=is_set_up)
    return person


def _judge(person: Newcomer, candidate: FakeUpstream, frontier: FakeUpstream, *, is_set_up: bool) -> None:
    unseen = set(SHOWS) - person.shown - ({"make setup"} if is_set_up else set())
    if unseen:
        raise StepError(f"the README no longer has {', '.join(sorted(unseen))}")
    asked = [entry.json["model"] for entry in candidate.ledger if entry.request.method == b"POST"]
    if "triage-7b" not in asked:
        raise StepError(f"the candidate was asked for {asked}, never for triage-7b")
    keys = {entry.request.get(b"authorization") for entry in frontier.ledger}
    if b"Bearer sk-of-the-newcomer" not in keys:
        raise StepError("the app's key did not go through")


def main() -> int:
    """Clone, do it, and print each step's time."""
    began_s = clock.monotonic()
    with tempfile.TemporaryDirectory(prefix="crossfade-first-hour-") as temporary:
        folder = Path(temporary) / "crossfade"
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, folder], check=True)
        cloned_s = clock.monotonic() - began_s
        try:
            person = play(folder, (folder / "README.md").read_text("utf-8"), is_set_up=False)
        except StepError as error:
            sys.stdout.write(f"{error}\n")
            return 1
    total_s, first_s = 0.0, 0.0
    for step, took_s in [("git clone", cloned_s), *person.steps]:
        total_s += took_s
        if not first_s and step.startswith("crossfade records tail"):
            first_s = total_s
        sys.stdout.write(f"{total_s:7.1f} s  (+{took_s:5.1f})  {step}\n")
    sys.stdout.write(f"the first exchange of one's own was seen after {first_s:.0f} s of {FIRST_S:.0f}\n")
    sys.stdout.write(f"a policy of one's own, its candidate asked and compared: after {total_s:.0f} s\n")
    return int(first_s > FIRST_S)


if __name__ == "__main__":
    sys.exit(main())
