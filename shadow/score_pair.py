"""Scores a pair: cheap, exact comparators first; a judge is asked only about what they leave open.

Order, by decisions C.1:
1. The candidate's answer is broken where the baseline's is not: a loss (q = -1), and nobody is asked.
2. The answers are equal: a tie (q = 0), and no judge is asked; if they are identical, nobody is.
3. The metric's own comparator.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from policies.events import AlsoScored, Output
from policies.language.compare import DIAGNOSTIC, LIKENESS, SCORES
from shadow.compare import answer, exact, json_fields, schema, tool_calls, vectors
from shadow.compare.pair import Comparator, Pair, Score
from shadow.ports import Scorer

Options = Mapping[str, object]
Files = Callable[[str], bytes]
"""A file's bytes, by its name from the policy's folder on. Raises OSError."""

_PURE: dict[str, Callable[[Options, Files], Comparator]] = {
    "exact": lambda options, _: exact.make(options),
    "json_fields": lambda options, _: json_fields.make(options),
    "schema": schema.make,
    "tool_calls": lambda options, _: tool_calls.make(options),
    "vectors": lambda options, _: vectors.make(options),
}
_NOTHING = Score()

Settled = Literal["", "broken", "identical", "equal"]
"""`broken`: the candidate's answer, and not the baseline's. `equal`: by some comparator, or but for case and form."""
_NOT_ASKED: dict[Settled, frozenset[str]] = {
    "": frozenset(),
    "equal": frozenset({"judge", "embedding"}),
    "identical": frozenset({*SCORES, *DIAGNOSTIC}),
    "broken": frozenset({*SCORES, *DIAGNOSTIC}),
}


@dataclass(frozen=True, slots=True)
class Compared:
    """What there is to say of one pair."""

    metric: str
    """The comparator whose score `q` is."""
    q: float | None
    """Candidate's score less the baseline's, in [-1, 1]; None: not scored."""
    p_sample: float
    """Probability with which it was scored: weigh `q` by its inverse."""
    agree: float | None
    """Likeness of the two answers, 0 to 1."""
    valid_baseline: bool | None
    valid_candidate: bool | None
    """Whether every check holds; None: nothing to check."""
    settled: Settled
    """What was plain before anybody was asked."""
    scores: Mapping[str, Score]
    """Every comparator's own outcome."""
    output_baseline: Output
    output_candidate: Output
    """What the guards need of both answers."""
    also: tuple[AlsoScored, ...] = ()
    """What further metrics say that gates rest on."""

    @property
    def abstained(self) -> bool:
        """Whether whoever gives the metric's score was asked, and gave none."""
        return self.scores.get(self.metric, _NOTHING).abstained

    @property
    def control(self) -> bool | None:
        """Whether the judge got a hidden control beside this pair right; None: there was none."""
        return self.scores.get("judge", _NOTHING).control

    def columns(self) -> dict[str, Any]:
        """The columns of a `records.comparison.Comparison` that are known here."""
        judge = self.scores.get("judge")
        return {
            "metric": self.metric,
            "q": self.q,
            "p_sample": self.p_sample,
            "agree": self.agree,
            "valid_candidate": self.valid_candidate,
            "valid_baseline": self.valid_baseline,
            "scores_json": _json({name: told(score) for name, score in self.scores.items()}),
            "judge_cost_usd": sum(score.cost_usd for score in self.scores.values()),
            "judge_json": _json(judge.told) if judge and judge.told else "",
            "abstained": self.abstained,
            "control": self.control,
            "output_candidate_json": _json(self.output_candidate),
            "output_baseline_json": _json(self.output_baseline),
            "also_json": _json(self.also) if self.also else "",
        }


def told(score: Score) -> dict[str, Any]:
    """A score as a reader sees it: what it does not say is left out."""
    stated: dict[str, Any] = {
        "q": score.q,
        "agree": score.agree,
        "valid_baseline": score.valid_baseline,
        "valid_candidate": score.valid_candidate,
        "p_sample": score.p_sample if score.p_sample != 1.0 else None,
        "abstained": score.abstained or None,
    }
    return {name: value for name, value in stated.items() if value is not None} | dict(score.told)


class Comparing:
    """One route's comparators, ready to use."""

    def __init__(
        self,
        compare: Sequence[Mapping[str, Options]],
        metric: str,
        *,
        files: Files,
        scorers: Mapping[str, Scorer],
        also: Sequence[str] = (),
    ) -> None:
        """`compare` as in the policy, each `{name: options}`; `scorers` are those of them that ask somebody.

        `also`: further metrics that gates rest on.
        """
        self.metric = metric
        self._also = tuple(also)
        self._likeness = next((name for name in (metric, *also) if name in LIKENESS), metric)
        self.problems: tuple[str, ...] = ()
        """What cannot be used, and why: it says nothing of any pair, so nothing advances by it."""
        self._pure: dict[str, Comparator] = {}
        self._scorers: dict[str, Scorer] = {}
        for name, options in (item for each in compare for item in each.items()):
            if name in scorers:
                self._scorers[name] = scorers[name]
            elif name in _PURE:
                self._take(name, options, files)

    def _take(self, name: str, options: Options, files: Files) -> None:
        try:
            self._pure[name] = _PURE[name](options, files)
        except (OSError, ValueError) as error:
            self.problems = (*self.problems, f"compare: {name}: {error}")

    async def compare(self, pair: Pair) -> Compared:
        """Everything that is to be known of a pair."""
        scores = self._look(pair)
        settled = _settle(pair, scores)
        for name, scorer in self._scorers.items():
            if name not in _NOT_ASKED[settled]:
                scores[name] = await scorer.score(pair)
        return self._conclude(pair, scores, settled)

    def likeness(self, pair: Pair) -> Compared:
        """What is to be known without asking anybody: for the baseline beside itself."""
        scores = self._look(pair)
        return self._conclude(pair, scores, _settle(pair, scores))

    def _look(self, pair: Pair) -> dict[str, Score]:
        return {name: comparator(pair) for name, comparator in self._pure.items()}

    def _conclude(self, pair: Pair, scores: Mapping[str, Score], settled: Settled) -> Compared:
        own = _verdict(scores.get(self.metric, _NOTHING), settled)
        baseline, candidate = answer.look(pair)
        return Compared(
            metric=self.metric,
            q=own.q,
            p_sample=own.p_sample,
            agree=self._agree(pair, scores),
            valid_baseline=_all(score.valid_baseline for score in scores.values()),
            valid_candidate=_all(score.valid_candidate for score in scores.values()),
            settled=settled,
            scores=scores,
            output_baseline=baseline,
            output_candidate=candidate,
            also=tuple(_also(name, _verdict(scores.get(name, _NOTHING), settled)) for name in self._also),
        )

    def _agree(self, pair: Pair, scores: Mapping[str, Score]) -> float:
        """The likeness that a gate rests on, or that of the first comparator that has one."""
        for name in (self._likeness, *self._pure):
            if name in scores and (agree := scores[name].agree) is not None:
                return agree
        return float(exact.same(pair.baseline, pair.candidate, normalize=True))


def _settle(pair: Pair, scores: Mapping[str, Score]) -> Settled:
    if _is_broken(pair, scores):
        return "broken"
    if exact.same(pair.baseline, pair.candidate, normalize=False):
        return "identical"
    if any(score.equal for score in scores.values()):
        return "equal"
    lenient = "exact" not in scores and exact.same(pair.baseline, pair.candidate, normalize=True)
    return "equal" if lenient else ""


def _is_broken(pair: Pair, scores: Mapping[str, Score]) -> bool:
    """Whether the candidate's answer is of no use, and the baseline's is."""
    invalid = _all(score.valid_candidate for score in scores.values()) is False
    if invalid and _all(score.valid_baseline for score in scores.values()) is not False:
        return True
    if answer.is_truncated(pair.candidate, beside=pair.baseline):
        return True
    return answer.is_silent(pair.candidate) and not answer.is_silent(pair.baseline)


def _verdict(own: Score, settled: Settled) -> Score:
    """The metric's score, once what is plain is taken into account."""
    if settled == "broken":
        return Score(q=-1.0)
    return Score(q=0.0) if settled and own.q is None and not own.abstained else own


def _also(name: str, own: Score) -> AlsoScored:
    return AlsoScored(name, own.q, own.p_sample, own.abstained)


def _all(known: Iterable[bool | None]) -> bool | None:
    stated = [each for each in known if each is not None]
    return all(stated) if stated else None


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
