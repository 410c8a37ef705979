"""Real models' tool calls as they were answered, through the shipped comparator and `crossfade policy simulate`.

    python -m tests.acceptance.real_calls [--shuffles N]

Nothing is fed in of what is right: how alike calls are, and whether they fit their tools, is all that is known. That
convicts nobody of the same model, and promotes nobody who is worse: it promotes, or it says that answers differ. 1 if
not. Where a second answer of the baseline to each request is at hand (`SECOND`), its likeness to itself is the floor.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from shadow.compare import tool_calls
from shadow.compare.pair import AppRequest, ModelAnswer, Pair
from tests.acceptance import real_verdicts
from tests.acceptance.comparators import calls, request
from tests.acceptance.real_verdicts import DATA, FRONTIER, TOOL_CALLS, Row, rows

SECOND = DATA / "bfcl_second_date.jsonl.gz"
"""The same questions in the same order, as the same models answered them on another date. Left out where it is not."""
AGAIN = "another date"
"""After a model's name: its answers of the second file."""
WORSE = 0.05
"""Less often right than the baseline by so much: whoever is promoted all the same is one too many."""
_compare = tool_calls.make({})


@dataclass(frozen=True, slots=True)
class LikeCase:
    """A candidate, and whether the baseline was asked twice."""

    candidate: str
    is_declared: bool
    """Declared deterministic, in place of a second answer."""

    @property
    def policy(self) -> str:
        return "tool_calls_declared" if self.is_declared else "tool_calls_alike"

    @property
    def is_same(self) -> bool:
        return self.candidate.removesuffix(AGAIN).strip() == FRONTIER


def cases() -> Iterator[LikeCase]:
    """Every model beside the baseline, once for each way to know the floor."""
    models = rows(TOOL_CALLS)[0]["answers"]
    yield from (LikeCase(name, is_declared=True) for name in models)
    if SECOND.exists():
        yield LikeCase(f"{FRONTIER} {AGAIN}", is_declared=True)
        yield from (LikeCase(name, is_declared=False) for name in models if name != FRONTIER)


def _said(row: Row, name: str) -> ModelAnswer | None:
    return calls(row["answers"][name]["result"])


def _alike(asked: AppRequest, one: ModelAnswer | None, other: ModelAnswer | None) -> float:
    """Whether two answers call the same; what no engine's parser would read is like nothing but its like."""
    if one is None or other is None:
        return float(one is other)
    return float(_compare(Pair(asked, one, other)).equal)


def _is_valid(asked: AppRequest, said: ModelAnswer | None) -> bool:
    return said is not None and bool(_compare(Pair(asked, said, said)).valid_candidate)


def pairs(case: LikeCase) -> Iterator[Row]:
    """What was answered, as compared pairs."""
    first = rows(TOOL_CALLS)
    second = rows(SECOND) if SECOND.exists() else first
    name = case.candidate.removesuffix(AGAIN).strip()
    ours = second if name != case.candidate else first
    for row, again_row, our_row in zip(first, second, ours, strict=True):
        asked, base, said = request(row), _said(row, FRONTIER), _said(our_row, name)
        pair: Row = {
            "unit": f"{row['category']}-{row['index']}", "error_baseline": False, "error_candidate": False,
            "agree": _alike(asked, base, said), "valid_baseline": _is_valid(asked, base),
            "valid_candidate": _is_valid(asked, said),
        }  # fmt: skip
        if not case.is_declared:
            again = _said(again_row, FRONTIER)
            pair |= {"agree_again": _alike(asked, base, again), "b_again": _alike(asked, said, again)}
        yield pair


def truth(case: LikeCase) -> float:
    """How much more often the candidate is right than the baseline; of the same model, nothing."""
    if case.is_same:
        return 0.0
    found = rows(TOOL_CALLS)
    right = [float(row["answers"][case.candidate]["correct"]) for row in found]
    return statistics.fmean(right) - statistics.fmean(float(row["answers"][FRONTIER]["correct"]) for row in found)


@dataclass(frozen=True, slots=True)
class LikeResult:
    """What became of one candidate."""

    case: LikeCase
    truth: float
    alike: float
    found: list[Row]

    @property
    def holds(self) -> bool:
        """None of the same model is rejected, none by its likeness at all, and none that is worse goes on."""
        return all(self._is_fair(each) for each in self.found)

    def _is_fair(self, found: Row) -> bool:
        rejected, promoted = found["decision"] == "REJECTED", found["decision"] == "PROMOTE"
        harmed = [each["gate"] for each in found["gates"] if each["verdict"] == "FAIL"]
        convicted = rejected and (self.case.is_same or "quality" in harmed)
        return not convicted and not (promoted and self.truth < -WORSE)

    def line(self) -> str:
        """One line of the table."""
        verdicts = sorted({each["decision"] for each in self.found})
        units = statistics.median(each["decided_at_unit"] or each["units"] for each in self.found)
        floor = "declared" if self.case.is_declared else "asked twice"
        return (
            f"{'holds' if self.holds else 'FAILS'}  {self.case.candidate:<38} {floor:<11} right {self.truth:+.3f}  "
            f"alike {self.alike:.3f}  {'/'.join(verdicts)} at {units:.0f}"
        )


def decide(case: LikeCase, shuffles: int) -> LikeResult:
    """Decide one case under several orders of its pairs."""
    found = list(pairs(case))
    lines = b"\n".join(json.dumps(pair).encode() for pair in found)
    seeds = range(1, shuffles + 1)
    decided = [real_verdicts.simulated(case.policy, lines, seed) for seed in seeds]
    return LikeResult(case, truth(case), statistics.fmean(pair["agree"] for pair in found), decided)


def main() -> int:
    """Print the table. 1 if any case does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shuffles", type=int, default=5, help="orders in which each candidate's pairs are fed")
    shuffles = parser.parse_args().shuffles
    if not DATA.exists():
        sys.stderr.write(f"{DATA} is not here: nothing to decide\n")
        return 0
    if not SECOND.exists():
        sys.stderr.write(f"{SECOND} is not here: the baseline is declared deterministic, no second date is compared\n")
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda case: decide(case, shuffles), cases()))
    sys.stdout.write("".join(f"{result.line()}\n" for result in results))
    return int(not all(result.holds for result in results))


if __name__ == "__main__":
    sys.exit(main())
