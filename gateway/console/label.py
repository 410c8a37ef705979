"""`/label`: one pair at a time, blind: sides drawn by lot, names and times after the vote. Works without a script."""

from collections.abc import Mapping
from urllib.parse import urlencode

from gateway.admin.labels import (
    CHOICES,
    POOLS,
    TAGS,
    LabelQueue,
    LabelTask,
    QueuedPair,
    VoteRefusedError,
    blind,
    human,
    task_of,
)
from gateway.console import pairs
from gateway.console.ask import Ask, AskError, ConsolePage, Shown
from gateway.node.labels import LabelsFullError, PairLabel


def show(ask: Ask) -> Shown:
    """The next pair, or who labels what."""
    routes = [each.route for each in ask.pages.rollouts().rollouts if each.candidate is not None]
    task = _task(ask.given)
    if task is None:
        return Shown("label_start", "Label", {"routes": routes, "pools": POOLS})
    queue = _queue(ask)
    state = queue.state(task, now=ask.now)
    drawn = [vote for vote in state.votes if vote.pool == "random"]
    context: dict[str, object] = {
        "task": task, "total": state.total, "done": state.done, "tags": TAGS, "agreement": queue.agreement(drawn),
        "human": human(queue.votes(route=task.route)), "before": _before(ask, state.votes), "queued": state.queued,
        "query": urlencode(_words(task)),
    }  # fmt: skip
    if state.queued is not None and state.pair is not None:
        sides = blind(state.pair, state.queued, task.by)
        context["prompt"] = sides.prompt
        for name, side in (("left", sides.left), ("right", sides.right)):
            context[name] = (pairs.laid_out(side.text), () if side.answer is None else side.answer.calls)
    return Shown("label", f"Label {task.route}", context)


def vote(ask: Ask) -> Shown:
    """Keep a vote, or take the last one back."""
    form = ask.form
    task = _task(form)
    if task is None:
        raise AskError(400, "this is no form of ours. hint: /label begins anew")
    queued = QueuedPair(form.get("exchange_id", ""), form.get("asked", ""))
    choice, queue = form.get("vote", ""), _queue(ask)
    if choice == "undo":
        queue.take_back(task, queued, now=ask.now)
    elif choice in CHOICES:
        try:
            queue.vote(task, queued, choice, form.get("tag", "").split(","), now=ask.now)
        except VoteRefusedError as error:
            raise AskError(400, str(error)) from error
        except LabelsFullError as error:
            raise AskError(409, str(error)) from error
    else:
        raise AskError(400, f"{choice[:20]!r} is no vote. hint: {', '.join(CHOICES)}")
    return Shown("label", "", see=f"/label?{urlencode(_words(task))}")


def _queue(ask: Ask) -> LabelQueue:
    return LabelQueue(ask.pages.data, ask.pages.queries)


def _task(given: Mapping[str, str]) -> LabelTask | None:
    route, by = given.get("route", ""), given.get("by", "")
    return task_of(route, by, given.get("pool", "random"), given.get("seed", "1")) if route and by else None


def _words(task: LabelTask) -> dict[str, str]:
    return {"route": task.route, "by": task.by, "pool": task.pool, "seed": task.seed}


def _before(ask: Ask, votes: list[PairLabel]) -> dict[str, str] | None:
    """The last vote, with what is known now that it is cast."""
    if not votes or votes[0].at < ask.now - 3600:
        return None
    last = votes[0]
    pair = _queue(ask).pair(QueuedPair(last.exchange_id, last.asked), last.route)
    q = None if pair is None else pair.comparison.get("q")
    scored = "" if not isinstance(q, int | float) else "candidate" if q > 0 else "baseline" if q < 0 else "equal"
    return {"exchange_id": last.exchange_id, "asked": last.asked, "vote": last.vote, "scored": scored}


_WORDS = ("route", "by", "pool", "seed")
PAGE = ConsolePage("/label", show, "Label", _WORDS, has_json=False)
VOTED = ConsolePage("/label", vote, "Label", is_form=True)
