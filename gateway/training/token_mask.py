"""The tokens that a row teaches, as a candidate's own tokenizer cuts them: asked of the training environment."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from gateway.training.inside_call import ask
from records.dataset.lesson import Lesson

LONGEST_S = 120.0
"""Loading transformers takes some ten seconds."""

Tokens = list[tuple[str, bool]]
"""Each token's text, and whether it is learned."""


def token_masks(lessons: Sequence[Lesson], tokenizer: Path, cache: Path) -> list[Tokens]:
    """The tokens of each lesson.

    Raises:
        TrainingCallError: there is no environment, no tokenizer, or its template does not take these messages.
    """
    asked = [
        {"messages": lesson.messages, "learned": sorted(lesson.learned), "tools": lesson.tools} for lesson in lessons
    ]
    said = ask("token_mask.py", tokenizer, asked, cache, within_s=LONGEST_S)
    return msgspec.json.decode(said, type=list[Tokens])
