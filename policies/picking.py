"""Which of several candidates goes on, who rests meanwhile, and what stands between one and its rise. Pure.

Nothing here moves anything: what is found goes into what `policies.review` is told, and `policies.rollout` says what
comes of it.

Rules:
1. While one candidate has traffic, or is suspended and may come back to it, those in the shadow rest: they are not
   stepped, and their evidence is kept.
2. Without all others known, none leaves the shadow: nobody may rise beside one who is not known to be at 0.
3. Of those that would leave the shadow now, the one with the best mean does.
4. After one was rolled back its cooldown holds for all: they are compared on, and a rollback brings the baseline back.
5. An operator's word goes before 3 and 4, and never before 2.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from policies.evidence import Evidence
from policies.language.amounts import duration_text
from policies.review import quality_log_e
from policies.rollout import Decision, Rollout
from policies.terms import Move, Phase

_BACK = frozenset({Phase.ROLLED_BACK, Phase.QUARANTINED})
_WAITS = frozenset({Phase.SHADOW, Phase.APPROVING})
_RISES = frozenset({Move.ADVANCE, Move.AWAIT})


@dataclass(frozen=True, slots=True)
class Beside:
    """What the other candidates mean to one: what `review.Conditions` is told."""

    rivals: tuple[float, ...] = ()
    why: str = ""
    """Why another goes first; empty: none does."""


ALONE = Beside()


@dataclass(frozen=True, slots=True)
class Contender:
    """One candidate, as it is looked at beside the others."""

    rollout: Rollout
    evidence: Evidence
    look: Callable[[Beside], Decision]
    """What would be done with it now."""


Others = Mapping[str, Contender | None]
"""The other candidates by their rollouts' names; None: one of which nothing is known now."""


def serving(others: Others) -> str:
    """Which of the others has the place, and how; empty: none has."""
    for name, each in others.items():
        if each is not None and each.rollout.place_ppm:
            return (
                f"{name} is suspended and may come back" if each.rollout.phase is Phase.SUSPENDED else f"{name} serves"
            )
    return ""


def rests(own: Contender, others: Others) -> str:
    """Why it rests; empty: it does not."""
    told = serving(others)
    return f"it rests while {told}, and its evidence is kept" if told and own.rollout.phase in _WAITS else ""


def beside(own: Contender, others: Others) -> Beside:
    """What it is told of the others, at one look."""
    unknown = next((name for name, each in others.items() if each is None), "")
    if told := serving(others):
        return Beside((), f"{told}, too, and only one candidate may serve")
    if own.rollout.place_ppm:
        return ALONE
    rivals = _rivals(others)
    if unknown:
        return Beside(rivals, f"{unknown} is not read yet, and only one candidate may have traffic")
    if told := _cooling(others):
        return Beside(rivals, told)
    found = own.look(Beside(rivals))
    return Beside(rivals, _outranked(own, found, others) if _rises(found) else "")


def refusal(others: Others) -> str:
    """Why not even an operator's word gives a candidate traffic now; empty: it does."""
    if told := serving(others):
        return f"only one candidate may have traffic, and {told}. hint: roll that one back first"
    unknown = next((name for name, each in others.items() if each is None), "")
    return f"{unknown} is not read yet, and only one candidate may have traffic. hint: try again" if unknown else ""


def _outranked(own: Contender, found: Decision, others: Others) -> str:
    """The candidates that could rise as well and have a better mean; of two equal ones, the first by name."""
    name, mean = own.rollout.route, _mean(found)
    for other, each in others.items():
        if each is None:
            continue
        theirs = {**{more: contender for more, contender in others.items() if more != other}, name: own}
        look = each.look(Beside(_rivals(theirs)))
        if _rises(look) and (_mean(look), name) > (mean, other):
            return f"{other} is certified, too, and its mean is better: {_mean(look):+.4f} against {mean:+.4f}"
    return ""


def _rises(found: Decision) -> bool:
    """Whether it leaves the shadow as far as evidence goes: its servers may have to get warm first."""
    return found.move in _RISES or found.rule == "warm"


def _rivals(others: Others) -> tuple[float, ...]:
    return tuple(0.0 if each is None else quality_log_e(each.evidence, each.rollout) for each in others.values())


def _cooling(others: Others) -> str:
    """Why nobody rises after one of the others was rolled back; empty: that is long ago, or none was."""
    for name, each in others.items():
        if each is not None and each.rollout.phase in _BACK:
            left_s = each.rollout.settings.cooldown_s - each.rollout.lived_s
            if left_s > 0:
                return f"{name} was rolled back, and for {duration_text(round(left_s))} no other goes up in its place"
    return ""


def _mean(look: Decision) -> float:
    """How good it is, by its first score: what candidates are picked by."""
    known = (gate.estimate for gate in look.results.gates if gate.gate == "quality")
    return next((mean for mean in known if mean is not None), -1.0)
