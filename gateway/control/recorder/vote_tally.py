"""Votes on their way into the tally: each is joined to the answer it was cast on, and counted once for that answer.

Only a picture for `/metrics`: the records have every vote, and `records.feedback` joins them all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import duckdb

from gateway.control.recorder.tally import Tally
from gateway.log import Log
from records.feedback import answered_by, made_us, voted_on
from records.record import Record, Vote
from records.store import Store

JOIN_US = 7 * 24 * 3_600_000_000
"""Answers older than this are not looked for: a vote on one is on an unknown answer. It bounds what is read."""
_AHEAD_US = 3_600_000_000
"""How far a worker's clock may be ahead of another's."""
Answers = dict[str, tuple[str, str]]
"""Exchange -> its route, and the variant that answered it."""
UNKNOWN = ("", "unknown")
"""Route and variant of an answer that is not recorded: not yet, no more, or not to be read now."""


@dataclass(slots=True)
class VoteTally:
    """Counts the votes of a batch that waits to be committed, each once however often that is tried."""

    store: Store
    log: Log
    _counted: set[str] = field(default_factory=set[str], init=False)
    """Exchanges whose vote is in the tally and not yet in the records."""

    def count(self, votes: Iterable[Vote], rows: Sequence[Record], tally: Tally) -> None:
        """Count each answer's first vote; `rows` are about to be recorded too. Never raises: recording goes on."""
        fresh: dict[str, Vote] = {}
        for vote in votes:
            if vote.score is not None and vote.exchange_id not in self._counted:
                fresh.setdefault(vote.exchange_id, vote)
        if not fresh:
            return
        answers = {row.id: (row.route, row.variant) for row in rows if row.id in fresh}
        recorded, voted = self._look_up(fresh, answers)
        answers |= recorded
        for name, vote in fresh.items():
            if name not in voted:
                tally.count("feedback_total", (*answers.get(name, UNKNOWN), _word(vote.score or 0.0)))
        self._counted |= fresh.keys()

    def committed(self) -> None:
        """What was counted is in the records now, which tell of it from here on."""
        self._counted.clear()

    def _look_up(self, fresh: dict[str, Vote], here: Answers) -> tuple[Answers, set[str]]:
        """The answers that are recorded already, and those of all that were voted on before."""
        try:
            ages = {name: vote.said_us - made_us(name) for name, vote in fresh.items()}
            young = [name for name, age in ages.items() if -_AHEAD_US <= age <= JOIN_US]
            return answered_by(self.store, (name for name in young if name not in here)), voted_on(self.store, young)
        except (OSError, ValueError, duckdb.Error) as error:
            self.log.alarm("recorder.votes_not_joined", votes=len(fresh), reason=type(error).__name__)
            return {}, set()


def _word(score: float) -> str:
    return "up" if score > 0 else "down" if score < 0 else "none"
