"""How large a run of the loop is: the base model, the messages, what teaches, and how long one waits."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.migration.command import UNPACKED, make_base, unpacked_base

MOST_CORRECTED = 0.2
"""Of the answers: an app corrects no more of them."""


@dataclass(frozen=True, slots=True)
class Size:
    """All in which one run differs from another."""

    base: Callable[[Path, Path], Path]
    """From a dataset's folder and a folder to make it in, where the base model is."""
    intents: int
    """Of the 77; readiness wants 1,000 messages."""
    right: float
    """The share of the stand-in's answers that are right. Over a few hundred messages it comes out a few points off."""
    median_s: float
    """Of an answer of the stand-in. A candidate has at least twice the baseline's p99: on a machine that others use,
    too, a real engine that is asked beside a baseline of a quarter of a second is too late now and then, and one that
    needs most of the machine was 4.5 s late for two of 413 when all of it stood still once: beside a baseline of one
    second that is an error each."""
    epochs: float
    learning_rate: float
    batch: int
    threads: int
    """Of the training: for two million parameters, more than one only wait. The engine has one, and one that waits."""
    trained_s: float
    """The longest wait for the training."""
    stages_left_out: tuple[str, ...]
    """With this little traffic, a hundredth of it certifies no latency within an hour; a quarter of two requests a
    second, as much as SmolLM2 answers on two cores, no equal share of errors within half of one."""
    act_s: float
    """The longest wait for the gates."""
    corrected: float = MOST_CORRECTED
    in_flight: int = 32
    """Conversations under way, at most."""

    def lacks(self) -> str | None:
        """That the base model is not there, with what to do."""
        if self.base is unpacked_base and not UNPACKED.exists():
            return "the base model is not there: run make smollm2"
        return None


SMOLLM2 = Size(
    unpacked_base, intents=12, right=0.79, median_s=1.5, epochs=1.0, learning_rate=3e-4, batch=16, threads=2,
    trained_s=3600.0, stages_left_out=("1%", "5%", "25%"), act_s=2400.0,
)  # fmt: skip
"""SmolLM2 of 135 million parameters, all of them tuned: one epoch of 1,600 messages."""
SMALL = Size(
    make_base, intents=8, right=0.81, median_s=1.0, epochs=5.0, learning_rate=1.5e-3, batch=32, threads=1,
    trained_s=1800.0, stages_left_out=("1%",), act_s=1500.0,
)  # fmt: skip
"""Two million parameters that know nothing, and the messages of a few intents."""
