"""`/label`: one pair at a time, blind: sides drawn by lot, names and times after the vote. Works without a script."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import cast, get_args
from urllib.parse import urlencode

from gateway.admin.filters import wanted
from gateway.admin.labels import POOLS, Choice, LabelQueue, LabelTask, QueuedPair, is_swapped, voted
from gateway.console import pairs
from gateway.console.ask import Ask, AskError, ConsolePage, Shown
from gateway.node.labels import PairLabel

TAGS = ("incomplete", "wrong fact", "too long", "tone", "format")
USUAL = "30d"
_NAME = re.compile(r"[\w.@-]{1,64}")
_CHOICES = get_args(Choice)


def show(ask: Ask) -> Shown:
    """The next pair, or who labels what."""
    routes = [each.route for each in ask.pages.rollouts().rollouts if each.candidate is not None]
    task = _task(ask)
    if task is None:
        return Shown("label_start", "Label", {"routes": routes, "pools": POOLS})
    queue = _queue(ask)
    drawn = queue.drawn(task, wanted("comparisons", {"since": USUAL}, now=ask.now))
    votes = queue.votes(route=task.route, by=task.by)
    done = {(vote.exchange_id, vote.asked) for vote in votes}
    open_ = [each for each in drawn if (each.exchange_id, each.asked) not in done]
    shown = next(((each, pair) for each in open_ if (pair := queue.pair(each)) is not None), None)
    context: dict[str, object] = {
        "task": task, "total": len(drawn), "done": len(drawn) - len(open_), "tags": TAGS,
        "agreement": queue.agreement([vote for vote in votes if vote.pool == "random"]), "before": _before(ask, votes),
        "queued": None, "query": urlencode(_words(task)),
    }  # fmt: skip
    if shown is not None:
        queued, pair = shown
        sides = pairs.read(pair)
        left, right = sides.baseline.outline, sides.candidate.outline
        if is_swapped(queued, task.by):
            left, right = right, left
        texts = [pairs.laid_out(each.text) for each in (left, right)]
        calls = [() if each.answer is None else each.answer.calls for each in (left, right)]
        context |= {
            "queued": queued,
            "prompt": sides.prompt,
            "left": (texts[0], calls[0]),
            "right": (texts[1], calls[1]),
        }
    return Shown("label", f"Label {task.route}", context)


def vote(ask: Ask) -> Shown:
    """Keep a vote, or take the last one back."""
    form = ask.form
    task = _task(ask, form)
    if task is None:
        raise AskError(400, "this is no form of ours. hint: /label begins anew")
    queued = QueuedPair(form.get("exchange_id", ""), form.get("asked", ""))
    choice = form.get("vote", "")
    tags = tuple(tag for tag in form.get("tag", "").split(",") if tag in TAGS)
    label = PairLabel(queued.exchange_id, queued.asked, task.by, task.route, task.pool, "skipped", tags, ask.now)
    queue = _queue(ask)
    if choice == "undo":
        queue.take_back(label)
    elif choice in _CHOICES and queue.pair(queued) is not None:
        queue.vote(replace(label, vote=voted(queued, task.by, cast(Choice, choice))))
    else:
        raise AskError(400, f"{choice[:20]!r} is no vote on a pair that is there. hint: {', '.join(_CHOICES)}")
    return Shown("label", "", see=f"/label?{urlencode(_words(task))}")


def _queue(ask: Ask) -> LabelQueue:
    return LabelQueue(ask.pages.data, ask.pages.queries)


def _task(ask: Ask, form: Mapping[str, str] | None = None) -> LabelTask | None:
    given = ask.given if form is None else form
    route, by = given.get("route", ""), given.get("by", "")
    if not route or not by:
        return None
    if not _NAME.fullmatch(by):
        raise AskError(400, "a name is made of letters, digits, dot, dash, at and underscore; at most 64. hint: by=ada")
    pool = given.get("pool", "random")
    if pool not in POOLS:
        raise AskError(400, f"there is no pool {pool[:20]!r}. hint: {', '.join(POOLS)}")
    return LabelTask(route, by, pool, given.get("seed", "1")[:20])


def _words(task: LabelTask) -> dict[str, str]:
    return {"route": task.route, "by": task.by, "pool": task.pool, "seed": task.seed}


def _before(ask: Ask, votes: list[PairLabel]) -> dict[str, str] | None:
    """The last vote, with what is known now that it is cast."""
    if not votes or votes[0].at < ask.now - 3600:
        return None
    last = votes[0]
    pair = _queue(ask).pair(QueuedPair(last.exchange_id, last.asked))
    q = None if pair is None else pair.comparison.get("q")
    scored = "" if not isinstance(q, int | float) else "candidate" if q > 0 else "baseline" if q < 0 else "equal"
    return {"exchange_id": last.exchange_id, "asked": last.asked, "vote": last.vote, "scored": scored}


_WORDS = ("route", "by", "pool", "seed")
PAGE = ConsolePage("/label", show, "Label", _WORDS, has_json=False)
VOTED = ConsolePage("/label", vote, "Label", is_form=True)
