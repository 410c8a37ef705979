"""Whether a candidate serves: fed by every exchange assigned to it, whatever table, stage or epoch it came under.

Rules:
1. It belongs to one candidate and attempt. No edit, renewal, change of leader or move of a stage takes from it; another
   key, a restart or a suspension begins it afresh, and so does the end of that. Once it has found a candidate ill it
   says so until then: what heals by itself comes back by a trial, with evidence from zero, or by an operator's word.
2. Intention to treat: an assigned request that the candidate did not answer is a failure of its own, also where the
   breaker, a deadline of ours or an app's patience came between. Where the baseline fails too, it is excused.
3. No answers are no life: where requests are assigned and none is answered, or all with nothing where the baseline has
   something to say, traffic goes back, errors or not.

Its state follows the leader's order of exchanges, as detectors do. It is kept with the evidence's snapshot and is no
evidence: what it said at a decision stands in the decision's record, and a rebuild leaves it as it is kept.
"""

import math
from dataclasses import dataclass, field, replace
from enum import StrEnum

import msgspec

from policies.detectors import Detector, Recent
from policies.failure_words import failure_phrase
from policies.terms import Owner

WINDOW_S = 5.0
"""A window of the rule that wants an answer: two of them without one are too many."""
ROW = 5
"""Requests in a row that must have been left without an answer before silence means anything."""
EMPTY_ROW = 30
"""Answers in a row with nothing in them that are as good as none: a model that has lost its weights still says 200."""
_RARE = math.log(1e-9)
"""Log of the chance of so long a row if its answers are empty as often as the baseline's: longer where those are."""
MINUTE_S = 60.0
"""A window of the share really answered."""
ENOUGH = 20
"""Assigned requests in such a window from which its share means something."""
_MOSTLY_FAILING = 0.5
"""A baseline that fails more often than this lately excuses every silence beside it."""


class AssignedOutcome(StrEnum):
    """What became of a request that was assigned to the candidate."""

    ANSWERED = "answered"
    FAILED = "failed"
    """It, its breaker, a deadline of ours, or an app that waited for longer than the baseline ever makes it."""
    BUSY = "busy"
    """It had too many requests in flight, or all its connections in use: it lacks room, and nothing says that it is
    ill. Where that is so of most, it is too slow for its traffic (`_why`)."""
    LEFT = "left"
    """The app hung up before the first byte, and nobody knows yet how long apps are used to wait."""


class ServiceReport(msgspec.Struct, frozen=True, array_like=True):
    """One exchange, as far as it tells who served and how fast. Travels from every node to the leader."""

    ended_at: float
    """Unix seconds."""
    owner: Owner
    service: AssignedOutcome | None = None
    """None: the candidate was not to be asked."""
    word: str = ""
    """How it failed, of the closed list in `gateway.errors`."""
    is_failed_baseline: bool | None = None
    """None: the baseline was not asked, or did nothing wrong that is its own."""
    waited_s: float = 0.0
    first_s: float | None = None
    """Of the baseline's own good answers: time to the first byte."""
    total_s: float | None = None
    is_stream: bool = False
    is_empty: bool = False
    """What the candidate answered had neither words nor calls in it."""
    sent_bytes: int = 0
    """Of the baseline's own good answers: of the body."""


@dataclass(frozen=True, slots=True)
class Minute:
    """How many requests were assigned in one minute, and how many of them the candidate answered."""

    index: int
    """Unix time in `MINUTE_S`."""
    assigned: int = 0
    answered: int = 0


@dataclass(frozen=True, slots=True)
class Liveness:
    """Whether one candidate serves, in one attempt. A new value after each exchange."""

    candidate: str = ""
    """`CandidateKey.digest`."""
    attempt: int = 0
    errors: Detector = field(default_factory=lambda: Detector(0.02))
    recent: Recent = field(default_factory=Recent)
    """The baseline's own failures lately."""
    last: tuple[str, ...] = ()
    """How its last requests failed, the newest last; an empty word is an answer."""
    unanswered: int = 0
    """Requests in a row that it left without an answer and without an excuse."""
    silent_since: float | None = None
    """When the first of them ended."""
    minutes: tuple[Minute, ...] = ()
    """The latest three."""
    empty: int = 0
    """Answers in a row with nothing in them."""
    lost: str = ""
    """Why it counts as not serving; it does not heal."""
    watch: int = 0
    """`rules.Held.watch`."""

    def of(self, candidate: str, attempt: int, watch: int = 0) -> "Liveness":
        """This one, if it is that candidate's, attempt's and watch's; else one that knows nothing."""
        same = (candidate, attempt, watch) == (self.candidate, self.attempt, self.watch)
        return self if same else Liveness(candidate, attempt, watch=watch)

    def after(
        self, told: ServiceReport, *, tolerance: float, arl: float, patience_s: float, empty_rate: float = 0.0
    ) -> "Liveness":
        """The value after one more exchange. `patience_s`: whoever leaves earlier is nobody's fault. `empty_rate`: how
        often the baseline's own answers have nothing in them lately.
        """
        failed, service = told.is_failed_baseline, told.service
        if service is AssignedOutcome.LEFT and told.waited_s < patience_s:
            service = None
        found = self if service is None else self._asked(told, service, tolerance)
        if not found.lost and service is not None:
            found = replace(found, lost=_why(found, told.ended_at, arl, empty_row(empty_rate)))
        return found if failed is None else replace(found, recent=found.recent.after(failed=failed))

    def unhealthy(self) -> str | None:
        """Why the candidate does not serve; None: nothing says so."""
        return self.lost or None

    def share(self) -> tuple[int, int]:
        """Of the requests assigned in the last minutes: how many it answered, and how many there were."""
        lately = self.minutes[-2:]
        return sum(each.answered for each in lately), sum(each.assigned for each in lately)

    def told(self) -> str:
        """What it answers, in a sentence; empty before its first request."""
        answered, assigned = self.share()
        if not assigned:
            return ""
        if len(self.last) == ROW and "" not in self.last and len(set(self.last)) == 1:
            return f"failed its last {ROW} requests ({failure_phrase(self.last[0])})"
        return f"answered {answered} of the last {assigned} requests assigned to it{_words(self.last)}"

    def _asked(self, told: ServiceReport, service: AssignedOutcome, tolerance: float) -> "Liveness":
        """After a request that was the candidate's to answer."""
        answered, excused = service is AssignedOutcome.ANSWERED, bool(told.is_failed_baseline)
        errors = replace(self.errors, tolerance=tolerance)  # the policy may have been edited; what was seen stays seen
        if service in (AssignedOutcome.ANSWERED, AssignedOutcome.FAILED):
            excuse = 0.0 if told.is_failed_baseline is not None else self.recent.rate
            errors = errors.after(float(not answered and not excused), excuse=excuse)
        unanswered, since = self.unanswered, self.silent_since
        if answered:
            unanswered, since = 0, None
        elif service is not AssignedOutcome.BUSY and not excused and self.recent.rate < _MOSTLY_FAILING:
            unanswered, since = unanswered + 1, told.ended_at if since is None else min(since, told.ended_at)
        empty = self.empty if not answered else self.empty + 1 if told.is_empty else 0
        word = "" if answered else told.word or str(service)
        minutes = self.minutes if excused else _counted(self.minutes, told.ended_at, answered=answered)
        return replace(
            self, errors=errors, last=(*self.last[1 - ROW :], word), unanswered=unanswered, silent_since=since,
            minutes=minutes, empty=empty,
        )  # fmt: skip


def empty_row(rate: float) -> float:
    """Empty answers in a row that are too many beside a baseline of whose answers `rate` are empty."""
    if rate >= 1:
        return math.inf
    return EMPTY_ROW if rate <= 0 else max(EMPTY_ROW, math.ceil(_RARE / math.log(rate)))


def _counted(minutes: tuple[Minute, ...], at: float, *, answered: bool) -> tuple[Minute, ...]:
    """Count one request in its minute; only the latest three minutes are kept."""
    index = int(at // MINUTE_S)
    known = {each.index: each for each in minutes}
    held = known.get(index, Minute(index))
    known[index] = Minute(index, held.assigned + 1, held.answered + answered)
    return tuple(known[each] for each in sorted(known)[-3:])


def _why(found: Liveness, at: float, arl: float, most_empty: float) -> str:
    """Why a candidate does not serve; empty: nothing says so."""
    if found.errors.peak >= arl:
        return f"the candidate {found.told() or 'fails'}"
    if found.empty >= most_empty:
        return f"the candidate's last {found.empty} answers are empty"
    if found.unanswered >= ROW and found.silent_since is not None and at - found.silent_since >= 2 * WINDOW_S:
        return (
            f"the candidate answered none of the last {found.unanswered} requests assigned to it, "
            f"for {at - found.silent_since:.0f} s{_words(found.last)}"
        )
    whole = found.minutes[:-1]  # the latest is not over
    if len(whole) == 2 and all(each.assigned >= ENOUGH and 2 * each.answered < each.assigned for each in whole):
        assigned, answered = (sum(counts) for counts in zip(*((m.assigned, m.answered) for m in whole), strict=True))
        told = f"the candidate answered {answered} of {assigned} requests assigned to it in two minutes"
        return f"{told}{_words(found.last)}"
    return ""


def _words(last: tuple[str, ...]) -> str:
    """How the last requests failed, each word once, with how often."""
    counts = {word: last.count(word) for word in dict.fromkeys(last) if word}
    told = ", ".join(f"{n} × {failure_phrase(word)}" for word, n in counts.items())
    return f" (its last {len(last)}: {told})" if counts else ""
