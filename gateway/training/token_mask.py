"""The tokens that a row teaches, as a candidate's own tokenizer cuts them: asked of the training environment."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec

from gateway.training import environment
from records.dataset.lesson import Lesson

_SCRIPT = Path(__file__).parent / "inside" / "token_mask.py"
"""What runs inside the training environment, and imports nothing of ours."""
LONGEST_S = 120.0
"""Loading transformers takes some ten seconds."""

Tokens = list[tuple[str, bool]]
"""Each token's text, and whether it is learned."""


class TokenMaskError(Exception):
    """The tokens cannot be told; the message says why and what to do."""


def token_masks(lessons: Sequence[Lesson], tokenizer: Path, cache: Path) -> list[Tokens]:
    """The tokens of each lesson.

    Raises:
        TokenMaskError: there is no environment, no tokenizer, or its template does not take these messages.
    """
    python = environment.ready(cache)
    if python is None:
        raise TokenMaskError("no environment reads tokenizers here. hint: crossfade train env makes it")
    asked = [
        {"messages": lesson.messages, "learned": sorted(lesson.learned), "tools": lesson.tools} for lesson in lessons
    ]
    command = [str(python), str(_SCRIPT), str(tokenizer)]
    try:
        done = subprocess.run(  # noqa: S603 -- our own words
            command,
            input=msgspec.json.encode(asked),
            capture_output=True,
            check=False,
            timeout=LONGEST_S,
            env={"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
        )
    except subprocess.TimeoutExpired as error:
        raise TokenMaskError(f"{tokenizer}: no answer in {LONGEST_S:g} s. hint: is this machine busy?") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no word"]
        raise TokenMaskError(f"{tokenizer}: {said[-1]}. hint: name a model's folder, with its chat template")
    return msgspec.json.decode(done.stdout, type=list[Tokens])
