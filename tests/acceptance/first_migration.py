"""A newcomer's whole way, by README and docs alone: `make first-migration` does it in a fresh clone, each step timed.

    python -m tests.acceptance.first_migration

The README's five minutes, then `docs/first-migration.md` from its top: traffic, a dataset, a fine-tune, a policy, the
shadow, 100 %, a broken candidate, its rollback, what was saved. Commands, files and settings are read out of the pages
(`walk.py`). Played are the frontier and the candidate's server: both sort tickets alike, the candidate sooner. The
fine-tune is done where the environment for it is there (CROSSFADE_CACHE, `crossfade train env`); else that is said.

1: a step failed, the app met an error, the first exchange came later than FIRST_S after the clone began, or all of it
took longer than WHOLE_S.
"""

import hashlib
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from gateway.training import environment
from tests.acceptance.first_hour import FIRST_S, START, STARTS, Newcomer, first_capture_s, say, walked
from tests.acceptance.walk import Kind, Reader, Step, StepError
from tests.fakes.faults import Fault
from tests.fakes.openai_answers import Fields, Speaker
from tests.fakes.thread import in_thread
from tests.fakes.upstream import FakeUpstream

WHOLE_S = 1800.0
"""In which all of it has to be done, from the clone on."""
STAGES_S = 1200.0
"""The longest wait for the last stage."""
TRIED_S = 300.0
"""The longest wait for the trial of a suspended candidate to end."""
TRAIN_S = 1200.0
"""The longest training."""
ROUTE = "support-triage"
TEAMS = ("delivery", "billing", "returns", "accounts")
FRONTIER_S, CANDIDATE_S = 0.4, 0.1
"""How long the two take for an answer."""
FRONTIER_PRICE = '{"*": {prompt: 2.5, completion: 10}}'
"""Of a million tokens. OpenAI's own are known by its address, which the played one has not."""
PAGE = "docs/first-migration.md"
TRAINING = ("crossfade train env", "make tiny-base", "crossfade train sft")
RECORDED = (
    Step("python traffic.py 200", "200 questions answered"),
    Step("crossfade records tail", "gpt-4o", Kind.LOOK),
    Step("crossfade routes", "gpt-4o", Kind.LOOK),
    Step("crossfade readiness"),
    Step("crossfade dataset build", "exchanges of no route", names="./datasets/ID"),
    Step("crossfade dataset inspect", "messages"),
)
TRAINED = (
    Step("crossfade train env", within_s=TRAIN_S),
    Step("make tiny-base", ".cache/tiny-base", within_s=TRAIN_S),
    Step("crossfade train sft", '"estimated_hours"', within_s=TRAIN_S),
    Step("crossfade train sft", '"updates": 60', within_s=TRAIN_S),
    Step("vllm serve", kind=Kind.PLAYED),
)
IN_FORCE = (
    Step("crossfade doctor", "upstreams.vllm: http"),
    Step("kill -HUP"),
    Step("crossfade policy lint"),
    Step("crossfade policy explain", ROUTE),
    Step("python traffic.py 100000", kind=Kind.BESIDE),
    Step("crossfade status", f"{ROUTE}  shadow", Kind.LOOK),
    Step("crossfade explain", "In the shadow", Kind.LOOK),
)
MOVED = (
    Step("crossfade explain", "Promoted: answers 100 % of the traffic", Kind.LOOK, within_s=STAGES_S),
    Step("crossfade explain", "Suspended", Kind.LOOK),
    Step("crossfade explain", "Rolled back", Kind.LOOK, within_s=TRIED_S),
    Step("crossfade resume"),
    Step("crossfade status", f"{ROUTE}  shadow", Kind.LOOK),
)
SAVED = (
    Step("crossfade records stats", ROUTE, Kind.LOOK),
    Step("crossfade report", "Saved by the candidate: ", Kind.LOOK),
)
STEPS = (*STARTS, *RECORDED, *TRAINED, *IN_FORCE, *MOVED, *SAVED)


def sorted_ticket(request: Fields) -> Fields:
    """What both models say of a ticket; it hangs on its text alone."""
    digest = hashlib.sha256(request["messages"][-1]["content"].encode()).digest()
    return {"urgent": bool(digest[0] % 2), "team": TEAMS[digest[1] % len(TEAMS)], "days": digest[2] % 30}


def candidate_server(port: int = 0) -> FakeUpstream:
    """The server of the newcomer's own model."""
    speaker = Speaker("candidate", vllm=True, writes=sorted_ticket)
    return FakeUpstream(speaker, port=port, require_key=False, fault=Fault(delay_s=CANDIDATE_S))


def play(
    folder: Path, pages: Sequence[tuple[str, Sequence[str]]], steps: Sequence[Step], left_out: dict[str, str],
    tell: Callable[[str], None] = lambda _: None,
) -> Reader:  # fmt: skip
    """Do what these sections of these pages say, in `folder`; `left_out`: commands that cannot be done, and why.

    Raises:
        StepError: a step did not do what the page says, or the app met an error.
    """
    with ExitStack() as stack:
        frontier = stack.enter_context(
            in_thread(FakeUpstream(Speaker("frontier", writes=sorted_ticket), fault=Fault(delay_s=FRONTIER_S)))
        )
        served = stack.enter_context(ExitStack())
        candidate = served.enter_context(in_thread(candidate_server()))
        person = Newcomer(folder, frontier, candidate, steps, left_out, tell)
        reader = person.reader
        reader.on_heading = {
            "9. Break it": served.close,
            "10. Mend it": lambda: _again(served, candidate.port),
        }
        stack.callback(reader.leaves)
        reader.replaced["prices: {candidate"] = f"prices: {{models: {{openai: {FRONTIER_PRICE}}}, candidate"
        if (made := environment.ready(environment.home(os.environ))) is not None:
            reader.replaced["$PWD/.cache"] = str(made.parents[2])
        for page, sections in pages:
            reader.reads((folder / page).read_text("utf-8"), sections)
        reader.ends()
        if trouble := reader.beside():
            raise StepError(f"traffic.py did not go on, or met errors:\n{trouble}")
    return reader


def _again(served: ExitStack, port: int) -> None:
    served.enter_context(in_thread(candidate_server(port)))


def untrained() -> dict[str, str]:
    """The commands of training that cannot be done here, and why."""
    if environment.ready(environment.home(os.environ)) is not None:
        return {}
    return dict.fromkeys(TRAINING, "its environment is not here; `make train-env` makes it, in several minutes")


def main() -> int:
    """Clone, do it, and print each step's time."""
    pages: list[tuple[str, Sequence[str]]] = [("README.md", START), (PAGE, ())]
    found = walked("first-migration", lambda folder: play(folder, pages, STEPS, untrained(), say))
    if found is None:
        return 1
    cloned_s, reader = found
    first_s, total_s = cloned_s + first_capture_s(reader), cloned_s + sum(took_s for _, took_s in reader.took)
    say(f"the first exchange of one's own was seen after {first_s:.0f} s of {FIRST_S:.0f}")
    say(f"from the clone to 100 %, back, and what it saved: {total_s:.0f} s of {WHOLE_S:.0f}; the app met no error")
    return int(first_s > FIRST_S or total_s > WHOLE_S)


if __name__ == "__main__":
    sys.exit(main())
