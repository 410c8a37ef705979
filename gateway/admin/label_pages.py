"""What the admin API has on labels: the queue of pairs, blind, and the votes of people."""

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import HTTPException

from gateway.admin.label_views import (
    AgreementView,
    BlindPairView,
    HumanScoreView,
    LabelOrderView,
    LabelQueueView,
    LabelsView,
    LabelView,
    VotedView,
)
from gateway.admin.labels import LabelQueue, QueuedPair, VoteRefusedError, blind, human, task_of
from gateway.node.labels import LabelsFullError


@dataclass(frozen=True, slots=True)
class LabelPages:
    """The pages on labels over one queue."""

    queue: LabelQueue
    wall: Callable[[], float]
    """Unix seconds."""

    def labels(self, route: str | None = None, by: str | None = None) -> LabelsView:
        """What people said of pairs, newest first; of the random ones, how far they agree with the scores."""
        votes = self.queue.votes(route=route, by=by)
        drawn = [vote for vote in votes if vote.pool == "random"]
        return LabelsView(
            labels=[LabelView.model_validate(each) for each in votes],
            agreement=AgreementView.model_validate(self.queue.agreement(drawn)),
            human=HumanScoreView.model_validate(human(votes)),
        )

    def next_pair(self, route: str, by: str, pool: str = "random", seed: str = "1") -> LabelQueueView:
        """The next pair for somebody to judge, blind: left and right are drawn by lot."""
        state = self.queue.state(task_of(route, by, pool, seed), now=self.wall())
        pair = None
        if state.queued is not None and state.pair is not None:
            sides = blind(state.pair, state.queued, by)
            turns = [f"{turn.role}: {turn.text}" for turn in sides.prompt.turns]
            pair = BlindPairView(
                exchange_id=state.queued.exchange_id, asked=state.queued.asked, left=sides.left.said,
                prompt=[f"system: {sides.prompt.system}", *turns] if sides.prompt.system else turns,
                right=sides.right.said,
            )  # fmt: skip
        return LabelQueueView(total=state.total, done=state.done, pair=pair)

    def vote(self, body: LabelOrderView) -> VotedView:
        """Keep a vote of somebody, in place of an earlier one on the same pair, or take it back; audited."""
        now = self.wall()
        task = task_of(body.route, body.by, body.pool, body.seed)
        queued = QueuedPair(str(body.exchange_id), body.asked)
        if body.choice == "undo":
            return VotedView(label=None, undone=self.queue.take_back(task, queued, now=now))
        try:
            found = self.queue.vote(task, queued, body.choice, body.tags, now=now)
        except VoteRefusedError as error:
            raise HTTPException(404, str(error)) from error
        except LabelsFullError as error:
            raise HTTPException(409, str(error)) from error
        return VotedView(label=LabelView.model_validate(found), undone=False)
