"""One of several candidates as its leader sees it beside the others: what `policies.picking` says of evaluations."""

from collections.abc import Mapping
from dataclasses import replace

from gateway.control.leader.evaluation import Evaluation
from policies import picking
from policies.picking import Beside, Contender
from policies.rollout import Decision
from policies.terms import Move, Outcome

Others = Mapping[str, Evaluation | None]
"""The other candidates' evaluations by name; None: one that is not read yet, or cannot be."""


def rests(ours: Evaluation, others: Others, now: float) -> Decision | None:
    """The word that it rests; None: it does not."""
    why = picking.rests(_contender(ours, now), _contenders(others, now))
    if not why:
        return None
    ours.beside = Beside((), why)
    results = replace(ours.results(now, bounds=False), fault=None)  # nothing is read for it, and nothing is late
    return Decision(Outcome.HOLD, Move.HOLD, "rests", why, ours.rollout, ours.rollout, now, results)


def stand_beside(ours: Evaluation, others: Others, now: float) -> None:
    """Tell an evaluation all that the others mean to it at this look."""
    ours.beside = picking.beside(_contender(ours, now), _contenders(others, now))


def refusal(others: Others, now: float) -> str:
    """Why no word may give a candidate traffic now; empty: one may."""
    return picking.refusal(_contenders(others, now))


def _contenders(others: Others, now: float) -> dict[str, Contender | None]:
    return {name: None if each is None else _contender(each, now) for name, each in others.items()}


def _contender(evaluation: Evaluation, now: float) -> Contender:
    def look(beside: Beside) -> Decision:
        evaluation.beside = beside
        return evaluation.look(now, bounds=False)

    return Contender(evaluation.rollout, evaluation.evidence, look)
