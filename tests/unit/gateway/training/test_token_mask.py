"""Tokens as the training environment tells them; with the real one: tests/acceptance/test_training.py."""

import sys
from pathlib import Path

import pytest

from gateway.training import environment
from gateway.training.token_mask import TokenMaskError, token_masks
from records.dataset.lesson import Lesson

LESSON = Lesson([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}], frozenset({1}))


def test_without_an_environment_it_is_said_how_to_make_one(tmp_path: Path):
    """Nothing is guessed of tokens."""
    with pytest.raises(TokenMaskError, match="crossfade train env"):
        token_masks([LESSON], tmp_path, tmp_path)


def test_what_the_environment_says_is_told_as_it_is(tmp_path: Path):
    """An environment without the library, or a folder without a tokenizer, is told by its last words."""
    made = environment.folder(tmp_path)
    (made / "bin").mkdir(parents=True)
    (made / "bin" / "python").symlink_to(sys.executable)
    (made / ".made").touch()

    with pytest.raises(TokenMaskError, match=r"No module named 'transformers'\. hint: name a model's folder"):
        token_masks([LESSON], tmp_path / "model", tmp_path)
