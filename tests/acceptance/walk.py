"""A reader at a terminal: does what pages say, command for command and file for file, and times each step.

Pages are Markdown. What is done of them:

| on the page | is |
|---|---|
| a block of `sh` | its commands, in order: lines, quotes and here-documents as a shell reads them |
| a block under "Save as `PATH`:" | written there |
| a block under "Add to `PATH`:" | written at its end |
| any other block | read, and left |

Every command has its `Step`, in the page's order, which says what it has to show: a page with a command more, less or
other than the steps fails, and so does a command that ends with anything but 0 or shows something else.
"""

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from gateway import clock
from tests.rooms.waiting import await_true

STEP_S = 300.0
"""The longest that one command may take, unless its step says otherwise."""
EARLIER = ("OPENAI_", "CROSSFADE_", "PYTHON", "VIRTUAL_ENV")
"""Variables of this process that a newcomer's shell has not."""
_HEREDOC = re.compile(r"<<-?\s*'?(\w+)'?")
_FENCE = re.compile(r"```(\w*)")
_FILE = re.compile(r"\b(Save as|Add to) `([^`]+)`[^`]*:$")


class StepError(Exception):
    """A step of a page that does not do what the page says."""


class Kind(Enum):
    """How a command is done."""

    RUN = "run"
    LOOK = "look"
    """What it shows takes a moment: again, until it does."""
    SERVE = "serve"
    """`crossfade serve`: it stays, and the step is done once it listens."""
    BESIDE = "beside"
    """It stays until it ends by itself, or the reader leaves."""
    PLAYED = "played"
    """By a stand-in of ours: nothing is run."""


@dataclass(frozen=True, slots=True)
class Step:
    """A command of a page."""

    begins: str
    shows: str = ""
    """Words of its output, once its time has come."""
    kind: Kind = Kind.RUN
    within_s: float = STEP_S
    names: str = ""
    """A placeholder of the page that the first word of the output is put for, from here on."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A section begins."""

    text: str


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page."""

    language: str
    text: str
    verb: str = ""
    """`Save as` or `Add to`, if the line above says so."""
    path: str = ""


def parts(page: str, sections: Sequence[str] = ()) -> Iterator[Heading | Block]:
    """Headings and blocks of these sections of a page, in the page's order; of all, if none is named.

    Raises:
        StepError: the page has no such section.
    """
    missing, here = set(sections), not sections
    above, fence, lines = "", None, list[str]()
    for line in page.splitlines(keepends=True):
        if fence is not None:
            if line.strip() != "```":
                lines.append(line)
                continue
            said = _FILE.search(above)
            if here:
                yield Block(fence, "".join(lines), *(said.groups() if said else ("", "")))
            fence, lines, above = None, [], ""
        elif begun := _FENCE.match(line):
            fence = begun[1]
        elif line.startswith("## "):
            name = line[3:].strip()
            here = not sections or name in sections
            missing.discard(name)
            if here:
                yield Heading(name)
        elif line.strip():
            above = line.strip()
    if missing:
        raise StepError(f"the page has no section {', '.join(map(repr, sorted(missing)))} any more")


def commands(text: str) -> Iterator[str]:
    """The commands of a block of shell: a line each, or several where a quote or a here-document goes on."""
    command, ends = "", ""
    for line in text.splitlines(keepends=True):
        command += line
        if ends:
            if line.strip() != ends:
                continue
            ends = ""
        elif command == line and (here := _HEREDOC.search(line)):
            ends = here[1]
            continue
        elif line.endswith("\\\n"):
            continue
        try:
            words = shlex.split(command, comments=True) if "<<" not in command else [command]
        except ValueError:
            continue  # a quote is open
        if words:
            yield command.strip()
        command = ""


@dataclass(slots=True)
class Reader:
    """Somebody in a folder, who reads pages from their top."""

    folder: Path
    steps: list[Step]
    """What is to come, the next first."""
    replaced: dict[str, str] = field(default_factory=dict[str, str])
    """What is another here than on the page: ports, keys, addresses."""
    left_out: Mapping[str, str] = field(default_factory=dict[str, str])
    """Commands, by how they begin, that cannot be done here, and why."""
    on_heading: Mapping[str, Callable[[], None]] = field(default_factory=dict[str, Callable[[], None]])
    """What a page asks for in words, by the section that does."""
    on_block: Callable[[Block], None] | None = None
    """Who reads a block that is nothing to be done."""
    tell: Callable[[str], None] = lambda _: None
    """Who hears each step, with its time."""
    took: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])
    _exports: list[str] = field(default_factory=list[str])
    _serving: subprocess.Popen[bytes] | None = None
    _beside: list[subprocess.Popen[bytes]] = field(default_factory=list[subprocess.Popen[bytes]])

    def reads(self, page: str, sections: Sequence[str] = ()) -> None:
        """Do all that these sections of a page say.

        Raises:
            StepError: something did not do what the page says.
        """
        for part in parts(page, sections):
            if isinstance(part, Heading):
                self.on_heading.get(part.text, lambda: None)()
            elif part.verb:
                self._writes(part)
            elif part.language == "sh":
                for command in commands(part.text):
                    self.does(command)
            elif self.on_block is not None:
                self.on_block(part)

    def does(self, command: str) -> None:
        """One command of a page.

        Raises:
            StepError: it is none that is expected here, failed, or did not show what its step says.
        """
        if command.startswith("export "):
            self._exports.append(self._here(command))
            return
        step = self.steps.pop(0) if self.steps else None
        if step is None or not command.startswith(step.begins):
            expected = "nothing more is" if step is None else f"{step.begins!r} is"
            raise StepError(f"the page says {command!r}, where {expected} expected. hint: write its step")
        shown = command.splitlines()[0].partition("   ")[0]
        if reason := next((why for begins, why in self.left_out.items() if command.startswith(begins)), ""):
            self.tell(f"{'':7}    ({'left out':>9})  {shown}: {reason}")
            return
        began_s = clock.monotonic()
        match step.kind:
            case Kind.SERVE:
                self._serve(command)
            case Kind.BESIDE:
                self._beside.append(self._start(f"exec {command.removesuffix('&')}", "beside.log"))
            case Kind.PLAYED:
                shown += "   (played)"
            case _:
                self._run(command, step)
        self._timed(shown, clock.monotonic() - began_s)

    def ends(self) -> None:
        """The pages are read.

        Raises:
            StepError: they no longer have a command that they had.
        """
        if self.steps:
            raise StepError(f"the pages no longer have {', '.join(step.begins for step in self.steps)}")

    def beside(self) -> str:
        """What went wrong with what runs beside the reader; empty: it runs, and has said nothing."""
        ended = [str(process.returncode) for process in self._beside if process.poll() is not None]
        return "\n".join([*(f"ended with {each}" for each in ended), self._log("beside.log")]).strip()

    def leaves(self) -> None:
        """Stop what was started.

        Raises:
            StepError: the gateway did not end in order.
        """
        for process in self._beside:
            process.terminate()
            process.wait(STEP_S)
        self.stops()

    def stops(self) -> None:
        """Stop the gateway, if it runs.

        Raises:
            StepError: it did not end in order.
        """
        if self._serving is not None and self._serving.poll() is None:
            self._serving.send_signal(signal.SIGTERM)
        self._ended()

    def _ended(self) -> None:
        """Wait until a gateway that was told to stop has done so."""
        if self._serving is not None:
            status, self._serving = self._serving.wait(STEP_S), None
            if status != 0:
                raise StepError(f"crossfade serve ended with {status}:\n{self._log('serve.log')}")

    def _timed(self, shown: str, took_s: float) -> None:
        self.took.append((shown, took_s))
        self.tell(f"{sum(each for _, each in self.took):7.1f} s  (+{took_s:5.1f} s)  {shown}")

    def _run(self, command: str, step: Step) -> None:
        found: list[subprocess.CompletedProcess[str]] = []

        def is_shown() -> bool:
            ended = subprocess.run(
                self._shell(command), cwd=self.folder, env=_environment(), capture_output=True, text=True,
                timeout=step.within_s, check=False,
            )  # fmt: skip
            found[:] = [ended]
            return ended.returncode == 0 and self._here(step.shows) in ended.stdout + ended.stderr

        try:
            await_true(is_shown, "", patience_s=step.within_s if step.kind is Kind.LOOK else 0.0)
        except AssertionError:
            ended = found[-1]
            raise StepError(
                f"{command!r} ended with {ended.returncode}, and did not show {step.shows!r}:\n"
                f"{ended.stdout}{ended.stderr}{self._log('serve.log')}{self._log('beside.log')}"
            ) from None
        except subprocess.TimeoutExpired:
            raise StepError(f"{command!r} took longer than {step.within_s:.0f} s\n{self._log('serve.log')}") from None
        if step.names:
            self.replaced[step.names] = found[-1].stdout.split()[0]

    def _serve(self, command: str) -> None:
        self._ended()
        before = self._log("serve.log").count(_LISTENS)
        self._serving = self._start(f"exec {command}", "serve.log")
        await_true(
            lambda: self._log("serve.log").count(_LISTENS) > before, "that crossfade serve listens", patience_s=STEP_S
        )

    def _start(self, command: str, log: str) -> subprocess.Popen[bytes]:
        with (self.folder / log).open("ab") as file:
            return subprocess.Popen(
                self._shell(command), cwd=self.folder, env=_environment(), stdout=file, stderr=file,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip

    def _log(self, name: str) -> str:
        log = self.folder / name
        return log.read_text("utf-8") if log.exists() else ""

    def _writes(self, block: Block) -> None:
        path = self.folder / block.path
        if not path.parent.is_dir() or (block.verb == "Add to" and not path.exists()):
            raise StepError(f"the page says {block.verb} {block.path}, which is not there yet")
        with path.open("a" if block.verb == "Add to" else "w", encoding="utf-8") as file:
            file.write(self._here(block.text))

    def _here(self, text: str) -> str:
        for there, here in self.replaced.items():
            text = text.replace(there, here)
        return text

    def _shell(self, command: str) -> list[str]:
        return ["bash", "-c", "\n".join([*self._exports, self._here(command)])]


_LISTENS = '"event": "listening"'


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(EARLIER)}
