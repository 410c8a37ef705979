"""The policies that users are shown: each is linted, explained, planned for, and run against candidates that are known.

A good candidate climbs by the gates that the policy states, a bad one never does; both are simulated, with recorded
pairs of the shape that the policy's comparators give.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import policies
from gateway.config.policy_file import Loaded, contenders, read_file
from policies.compile import decision_rules
from policies.describe import text
from policies.events import AlsoScored, Output, PairEvent
from policies.explain import text as decided
from policies.lint import named_files
from policies.plan import plan
from policies.plan_text import text as planned
from policies.rules import Rules
from policies.simulate import Simulation, simulate
from policies.stage_plan import Traffic
from policies.surroundings import KnownUpstream, Surroundings
from policies.terms import Move, Outcome
from shadow.scorer import unfit

FOLDER = Path(policies.__file__).parent / "examples"
EXAMPLES = sorted(FOLDER.glob("*.yaml"))


FRONTIER = KnownUpstream(has_background_key=True, is_priced=True, is_engine=False)
ENGINE = KnownUpstream(has_background_key=True, is_priced=True)
KNOWN = Surroundings(
    {"openai": FRONTIER, "openai-ours": FRONTIER, "azure": FRONTIER, "claude": FRONTIER, "vllm": ENGINE},
)
HOUR_S = 3600.0
SUNDAY = 3 * 24 * HOUR_S
"""The first of 1970: a whole day later it is Monday, and people come to work."""


def candidate_of(path: Path) -> Loaded:
    """The file as it is for its candidate; of several, for the first."""
    return contenders(read_file(path, KNOWN))[0]


@dataclass(frozen=True, slots=True)
class Made:
    """How good a candidate is made."""

    q: float = 0.05
    agree: float = 0.95
    fails: bool = False
    cost_usd: float = 0.0002


GOOD, WORSE, BROKEN = Made(), Made(q=-0.6, agree=0.3), Made(fails=True)


def pairs(rules: Rules, made: Made, *, hours: int, an_hour: int = 100) -> Iterator[PairEvent]:
    """So many conversations an hour, each of one request, which ends before the next hour begins."""
    is_declared = any(gate.likeness and gate.deterministic for gate in rules.gates.qualities)
    agree = 0.999 if is_declared and made.q > 0 else made.agree  # held against itself, it would agree with itself
    for n in range(hours * an_hour):
        hour, turn = divmod(n, an_hour)
        metrics = [AlsoScored(gate.metric, made.q) for gate in rules.gates.also_quality]
        yield PairEvent(
            f"u{n}", SUNDAY + HOUR_S * hour + turn, q=made.q, error_baseline=False, error_candidate=made.fails,
            valid_candidate=True, valid_baseline=True, ttft_baseline_s=0.5, ttft_candidate_s=0.3,
            total_baseline_s=2.0, total_candidate_s=1.5, cost_baseline_usd=0.001, cost_candidate_usd=made.cost_usd,
            output_baseline=Output(f"b{n}", 100), output_candidate=Output(f"c{n}", 100), agree=agree,
            agree_again=0.9, agree_cross=agree, again=True, user=f"p{n}", label=made.q, also=tuple(metrics),
            slices=tuple(f"{name}={('one', 'two')[n % 2]}" for name in rules.gates.slices),
        )  # fmt: skip


def run(loaded: Loaded, made: Made, *, hours: int = 30) -> Simulation:
    rules = decision_rules(loaded.policy, KNOWN)
    short = replace(rules, units=replace(rules.units, close_after_s=min(rules.units.close_after_s, HOUR_S / 2)))
    return simulate(short, pairs(short, made, hours=hours), timed=True)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_policy_is_understood(path: Path) -> None:
    """Nothing is refused, the files that it names are there and fit, its words and its plan name what it has."""
    loaded = candidate_of(path)
    rules = decision_rules(loaded.policy, KNOWN)
    explained, plans = text(loaded.policy, rules), planned(plan(None, (loaded.policy, rules), Traffic(5000.0)))

    for loc, name in named_files(loaded.policy):
        assert (FOLDER / name).is_file()
        assert not unfit(str(loc[-2]), name, FOLDER)
    assert explained.splitlines()[0].split("  ")[0] == f"ROUTE {loaded.policy.route}"
    assert loaded.policy.candidate.model in explained
    assert plans.startswith(f"ROUTE {loaded.policy.route}\n")
    for gate in rules.gates.qualities:
        assert gate.metric in explained
        assert gate.name in plans


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_good_candidate_climbs(path: Path) -> None:
    """It leaves the shadow by certificates, and nothing sends it back."""
    loaded = candidate_of(path)
    found = run(loaded, GOOD, hours=30 if loaded.policy.advance is None else 42)
    moves = [moment.decision.move for moment in found.moves if moment.decision.move is not Move.JOIN]
    if loaded.policy.mode == "split":
        assert found.moves[0].decision.rule in ("split", "approval")
        return

    assert found.last is not None
    assert moves[:1] in ([Move.ADVANCE], [Move.AWAIT]), decided(found.last)
    assert not {Move.ROLL_BACK, Move.REJECT, Move.PAUSE} & set(moves), decided(found.last)


@pytest.mark.parametrize("made", [WORSE, BROKEN], ids=["worse", "broken"])
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_bad_candidate_gets_no_traffic(path: Path, made: Made) -> None:
    """Whose answers are worse, or who fails: it never leaves the shadow. Where quality is off only failures tell."""
    loaded = candidate_of(path)
    if loaded.policy.mode == "split":  # nothing keeps it back but errors: it is called uncertified
        assert "uncertified" in text(loaded.policy, decision_rules(loaded.policy, KNOWN))
        return
    if made is WORSE and not decision_rules(loaded.policy, KNOWN).gates.qualities:
        made = replace(made, cost_usd=0.002)  # nobody looks at its answers: what it costs keeps it away
    found = run(loaded, made, hours=12)

    assert found.outcome is not Outcome.PROMOTE
    assert found.last is not None
    assert found.last.rollout.weight_ppm == 0


def test_the_page_names_every_example() -> None:
    """And no file that is not there."""
    page = (FOLDER.parents[1] / "docs" / "policies.md").read_text("utf-8")
    whole = page.partition("## Whole policies")[2]

    assert sorted(re.findall(r"`(\w+\.yaml)`", whole)) == [path.name for path in EXAMPLES]
    assert len(EXAMPLES) >= 25
