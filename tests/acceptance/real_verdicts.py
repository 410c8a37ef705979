"""Real answers of real models, made into compared pairs and decided by `crossfade policy simulate`.

python -m tests.acceptance.real_verdicts [--shuffles N]   prints the table; 1 if a verdict is not the expected one
"""

import argparse
import gzip
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATA = Path("../shared/data")
POLICIES = Path(__file__).parent / "verdicts"
TOOL_CALLS, ANSWERS = DATA / "bfcl_tool_calls.jsonl.gz", DATA / "alpacaeval2_answers.jsonl.gz"
FRONTIER, JUDGED = "gpt-4o-2024-05-13-FC", "gpt4_1106_preview"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """A candidate that real data knows, and what must become of it."""

    candidate: str
    policy: str
    expected: str
    """PROMOTE, HOLD or REJECTED."""
    because: str = ""
    """What must be named as the reason: a gate or a guard."""
    baseline: str = FRONTIER


CASES = (
    Case("Salesforce_xLAM-7b-fc-r", "tool_calls_untimed", "PROMOTE"),
    Case("gpt-4o-mini-2024-07-18-FC", "tool_calls", "PROMOTE"),
    Case("gpt-3.5-turbo-0125-FC", "tool_calls", "PROMOTE"),
    Case("gorilla-openfunctions-v2", "tool_calls", "HOLD", "latency"),
    Case("NousResearch_Hermes-2-Pro-Mistral-7B", "tool_calls_untimed", "REJECTED", "quality"),
    Case("google_gemma-7b-it", "tool_calls_untimed", "REJECTED", "quality"),
    Case("FuseChat-Gemma-2-9B-Instruct", "answers", "PROMOTE", baseline=JUDGED),
    Case("FuseChat-Llama-3.2-1B-Instruct", "answers", "REJECTED", "quality", baseline=JUDGED),
    Case("NullModel", "answers", "REJECTED", "outputs", baseline=JUDGED),
    Case("claude-2.1", "answers", "PROMOTE", baseline="claude-2"),
    Case("claude-2.1", "answers_strict", "HOLD", "quality", baseline="claude-2"),
)


def rows(path: Path) -> list[Row]:
    """The rows of a data file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def pairs(case: Case) -> list[Row]:
    """What the two models really answered, as compared pairs."""
    if case.policy.startswith("tool_calls"):
        return list(_called(rows(TOOL_CALLS), case))
    return list(_preferred(rows(ANSWERS), case))


def _called(found: list[Row], case: Case) -> Iterator[Row]:
    for row in found:
        base, ours = row["answers"][case.baseline], row["answers"][case.candidate]
        pair = _pair(f"{row['category']}-{row['index']}", float(ours["correct"]) - float(base["correct"]))
        for name, answer in (("baseline", base), ("candidate", ours)):
            pair[f"output_{name}"] = json.dumps(answer["result"])
            if answer.get("latency_s"):  # some models' were not kept
                pair[f"total_{name}_s"] = answer["latency_s"]
        yield pair


def _preferred(found: list[Row], case: Case) -> Iterator[Row]:
    for number, row in enumerate(found):
        versus = 0.5 if case.baseline == JUDGED else row["preference"][case.baseline]
        pair = _pair(f"instruction-{number}", row["preference"][case.candidate] - versus)
        pair["output_baseline"], pair["output_candidate"] = (
            row["answers"][name] for name in (case.baseline, case.candidate)
        )
        yield pair


def _pair(unit: str, q: float) -> Row:
    return {"unit": unit, "q": q, "error_baseline": False, "error_candidate": False}


def decide(case: Case, lines: bytes, seed: int) -> Row:
    """What becomes of one case."""
    return simulated(case.policy, lines, seed)


def simulated(policy: str, lines: bytes, seed: int) -> Row:
    """What the command says of these pairs: its last line."""
    command = [sys.executable, "-m", "gateway.cli.main", "policy", "simulate", str(POLICIES / f"{policy}.yaml")]
    command += ["--pairs", "-", "--json", "--shuffle", str(seed)]
    done = subprocess.run(command, input=lines, capture_output=True, check=False, timeout=300)
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    return json.loads(done.stdout.splitlines()[-1])


def is_expected(case: Case, found: Row) -> bool:
    """Whether the verdict is the expected one, for the expected reason."""
    if found["decision"] != case.expected:
        return False
    blocking = [row["gate"] for row in found["gates"] if row["required"] and row["verdict"] != "PASS"]
    blocking += [row["guard"] for row in found["guards"] if row["verdict"] != "PASS"]
    return not case.because or case.because in blocking


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one candidate."""

    case: Case
    truth: float
    spread: float
    found: list[Row]

    @property
    def as_expected(self) -> int:
        """How many shuffles came out as they must."""
        return sum(is_expected(self.case, each) for each in self.found)

    def line(self) -> str:
        """One line of the table."""
        case, units = self.case, [each["decided_at_unit"] or each["units"] for each in self.found]
        verdicts = sorted({each["decision"] for each in self.found})
        return (
            f"{case.candidate:<37} vs {case.baseline:<21} {case.policy:<18} {self.truth:+.3f} ({self.spread:.2f})  "
            f"{'/'.join(verdicts):<9} at {statistics.median(units):>5.0f}  "
            f"{'by ' + case.because if case.because else '':<11} {self.as_expected}/{len(self.found)} as expected"
        )


def judge(case: Case, shuffles: int) -> Result:
    """Decide one case under several orders of its pairs."""
    found = pairs(case)
    scores = [pair["q"] for pair in found]
    lines = b"\n".join(json.dumps(pair).encode() for pair in found)
    decided = [decide(case, lines, seed) for seed in range(1, shuffles + 1)]
    return Result(case, statistics.fmean(scores), statistics.pstdev(scores), decided)


def main() -> int:
    """Print the table. 1 if more than one order in twenty contradicts the whole sample."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shuffles", type=int, default=5, help="orders in which each candidate's pairs are fed")
    shuffles = parser.parse_args().shuffles
    if not DATA.exists():
        sys.stderr.write(f"{DATA} is not here: nothing to decide\n")
        return 0
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda case: judge(case, shuffles), CASES))
    sys.stdout.write("".join(f"{result.line()}\n" for result in results))
    return 1 if any(result.as_expected < 0.95 * shuffles for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
