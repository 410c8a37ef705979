"""Whether two answers are the same text: a label, a sentence, a word.

Source: decisions, C.1: Unicode form, case, white space and Markdown say nothing.
"""

import re
import unicodedata
from collections.abc import Mapping

from shadow.compare.pair import Comparator, ModelAnswer, Pair, Score

MAX_CHARS = 1_000_000
"""Longer texts are compared as they are."""

_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[^\n`]{0,40}$", re.MULTILINE)
_LINE_MARK = re.compile(r"^[ \t]{0,12}(?:#{1,6}|>|[-*+•]|\d{1,3}[.)])[ \t]+", re.MULTILINE)
_STARRED = re.compile(r"\*{1,3}([^\s*](?:[^*\n]{0,300}[^\s*])?)\*{1,3}")
_SCORED = re.compile(r"(?<!\w)_{1,3}([^\s_](?:[^_\n]{0,300}[^\s_])?)_{1,3}(?!\w)")
_CODE = re.compile(r"`([^`\n]{1,300})`")


def make(options: Mapping[str, object]) -> Comparator:
    """The comparator, for the policy's `exact` options."""
    normalize = options.get("normalize", True) is True

    def compare(pair: Pair) -> Score:
        equal = same(pair.baseline, pair.candidate, normalize=normalize)
        return Score(q=equal - 1.0, agree=float(equal), equal=equal)

    return compare


def same(one: ModelAnswer, other: ModelAnswer, *, normalize: bool) -> bool:
    """Whether two answers say the same in words and call the same, letter by letter."""
    texts = (one.text or one.refusal, other.text or other.refusal)
    return one.calls == other.calls and (texts[0] == texts[1] or (normalize and normal(texts[0]) == normal(texts[1])))


def normal(text: str) -> str:
    """What is left of a text when Unicode form, case, Markdown and white space are taken away."""
    if len(text) > MAX_CHARS:
        return text
    plain = unicodedata.normalize("NFKC", text)
    for mark, kept in ((_FENCE, ""), (_LINE_MARK, ""), (_STARRED, r"\1"), (_SCORED, r"\1"), (_CODE, r"\1")):
        plain = mark.sub(kept, plain)
    return " ".join(plain.casefold().split())
