"""Examples that compare: which of two answers is better, and which answers were liked.

Rules:
1. An answer is better because a correction, the judge or the team's own labels say so. That the baseline said it, or
   that the other differs from it, says nothing.
2. What a candidate said is never liked on a user's word alone; what users disliked is disliked, whoever said it.
"""

import msgspec

from records.dataset.example import Example, Source, answer_in, example
from records.dataset.reason import Reason

DIRECTED = ("judge", "python", "promptfoo")
"""Metrics whose score says which answer is better. All others say how far the candidate's is from the baseline's."""


def preference(source: Source) -> Example | Reason:
    """The better and the worse answer to the exchange's prompt, or why there are no two."""
    corrected = source.corrected_output_json is not None
    if not corrected and (not source.q or source.other_json is None):
        return "no_preference"
    made = example(source if corrected else msgspec.structs.replace(source, score=None))
    if not isinstance(made, Example):
        return made
    is_better = not corrected and (source.q or 0) > 0
    other = answer_in(source.response_json if corrected else source.other_json, is_better=is_better)
    if not isinstance(other, dict):
        return other
    better, worse = (made.answer, other) if corrected or (source.q or 0) < 0 else (other, made.answer)
    if better == worse:
        return "same_answer"
    return msgspec.structs.replace(made, answer=better, rejected=worse)


def vote(source: Source) -> Example | Reason:
    """The answer and whether it was liked, or why nobody said so."""
    if not source.score:
        if source.corrected_output_json is None:
            return "no_vote"
        made = example(source)
        return msgspec.structs.replace(made, is_good=True) if isinstance(made, Example) else made
    if source.score > 0:
        made = example(msgspec.structs.replace(source, corrected_output_json=None))
    else:
        said = msgspec.structs.replace(source, score=None, corrected_output_json=None)
        made = example(
            msgspec.structs.replace(said, variant="baseline", why="assigned") if source.variant == "candidate" else said
        )
    return msgspec.structs.replace(made, is_good=source.score > 0) if isinstance(made, Example) else made
