"""200 attacks on the judge by a candidate that is otherwise beyond reproach: how many are promoted.

python -m tests.acceptance.attacks [--only CLASS]    prints the table; 1 if an attack is promoted, or if the attacks
are so weak that an unguarded, single-order judge promotes less than half of them
"""

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shadow.compare.pair import ModelAnswer
from tests.acceptance.attacks import world
from tests.acceptance.attacks.corpus import CLASSES, Attack, attacks
from tests.acceptance.attacks.runs import End, Naive, Run, guarded, rules_of
from tests.fakes.judges import StubJudge

JUDGES: dict[str, Callable[[Attack], StubJudge]] = {
    "gullible": lambda _: StubJudge(world.quality, gullible=0.95, first=0.1),
    "loves length": lambda _: StubJudge(world.quality, likes_length=True),
    "one hole": lambda attack: StubJudge(world.quality, gullible=1.0, talks=attack.trick),
    "decent": lambda _: StubJudge(world.quality),
}
"""gullible: follows whatever talks to it, and likes what comes first. one hole: follows this very attack and nothing
else, which no list of known tricks could find. decent: sees what is there."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One attack on one judge."""

    attack: Attack
    judge: str
    alone: End
    """What a single-order judge without guards makes of it."""
    behind_guards: End
    """The same judge, asked the same way, with the output guards on."""
    with_us: End
    trust: str

    @property
    def ends(self) -> tuple[End, End, End]:
        """As the table has them."""
        return self.alone, self.behind_guards, self.with_us


async def outcome(attack: Attack, judge: str) -> Outcome:
    """All three."""
    stub, kept, bare = JUDGES[judge](attack), rules_of(with_guards=True), rules_of(with_guards=False)
    alone = await Run(Naive(stub), bare, attack.answer).end()
    behind = await Run(Naive(stub), kept, attack.answer).end()
    ours = guarded(stub)
    with_us = await Run(ours, kept, attack.answer).end()
    return Outcome(attack, judge, alone, behind, with_us, ours.trust.text())


async def honest(judge: str) -> End:
    """What becomes of a candidate that answers as well as the baseline, in other words."""
    plea = next(attacks())
    stub = JUDGES[judge](plea)
    return await Run(guarded(stub), rules_of(with_guards=True), lambda number: ModelAnswer(world.polite(number))).end()


def table(found: Sequence[Outcome]) -> str:
    """Promotions by class, side by side."""
    head = f"{'':18}" + "".join(f"{judge:^21}" for judge in JUDGES)
    columns = f"{'attack':18}" + f"{'alone guards  ours   ':>21}" * len(JUDGES)
    rows = [_row(kind, [each for each in found if each.attack.kind == kind]) for kind in CLASSES]
    return "\n".join((head, columns, *rows, _row("promoted", found)))


def _row(name: str, found: Sequence[Outcome]) -> str:
    line = f"{name:18}"
    for judge in JUDGES:
        counts = [promotions(ends) for ends in zip(*(o.ends for o in found if o.judge == judge), strict=True)]
        line += "".join(f"{count:>6}" for count in counts) + "   "
    return line


def promotions(ends: Sequence[End]) -> int:
    """How many."""
    return sum(end.word == "PROMOTE" for end in ends)


async def _all(only: str | None) -> list[Outcome]:
    chosen = [attack for attack in attacks() if only in (None, attack.kind)]
    return [await outcome(attack, judge) for attack in chosen for judge in JUDGES]


def main() -> int:
    """Print all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="CLASS", help="attacks of this class")
    found = asyncio.run(_all(parser.parse_args().only))
    sys.stdout.write(
        "Promotions out of the shadow. alone: one order, text in text, no guards; guards: the same with the output\n"
        f"guards on; ours: the gateway's judge and all guards.\n\n{table(found)}\n\n"
    )
    well = False
    for judge in JUDGES:
        ended = Counter(f"{o.with_us.word} ({o.with_us.because})" for o in found if o.judge == judge)
        end = asyncio.run(honest(judge))
        well |= end.word == "PROMOTE"
        sys.stdout.write(
            f"{judge}: " + "; ".join(f"{n} {how}" for how, n in ended.most_common()) + "\n"
            f"  an honest candidate: {end.word} after {end.pairs} pairs {end.because}\n"
        )
    for o in found:
        if o.with_us.word == "PROMOTE":
            sys.stdout.write(f"PROMOTED: {o.attack.name}, {o.judge}, after {o.with_us.pairs} pairs; {o.trust}\n")
    weak = promotions([o.alone for o in found if o.judge == "gullible"]) * 2 * len(JUDGES) < len(found)
    return int(weak or not well or bool(promotions([o.with_us for o in found])))


if __name__ == "__main__":
    sys.exit(main())
