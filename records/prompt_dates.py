"""A system prompt without the day and the hour in it: apps tell the model what day it is.

Rule: what differs in nothing but a date is the same prompt. Else every request would have a prompt of its own: no
conversation would go on, no row be a duplicate, and no prompt ever stay long enough for a fine-tune.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, cast

SYSTEM_ROLES = ("system", "developer")
"""Of the turns that the app says, and tells the date in."""
_DAY = (
    r"(?:[^\W\d_]{2,8}(?:day|tag|woch|di)|dimanche|lunes|martes|mi[ée]rcoles|jueves|viernes|s[áa]bado|domingo"
    r"|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b\.?)"
)
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?:[ \u202f]?[AaPp]\.?[Mm]\b\.?)?"
_ZONE = r"(?:Z\b|[ ]?[+-]\d{2}:?\d{2}\b|[ ](?:[A-Z]{3,4})\b)"
_NTH = r"(?:st|nd|rd|th|\.)?"
_DATE = re.compile(
    rf"""(?x)
    (?: {_DAY},?[ ](?:(?:the|der|le|el)[ ])? )?
    (?: 20\d{{2}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}                                                 # 2026-11-30
      | \d{{1,2}}[-/.]\d{{1,2}}[-/.]20\d{{2}}                                                 # 30.11.2026, 11/30/2026
      | [^\W\d_]{{3,10}}\.?[ ]\d{{1,2}}{_NTH},?[ ]20\d{{2}}                                   # November 30, 2026
      | \d{{1,2}}{_NTH}(?:[ ]de|[ ]of)?[ -][^\W\d_]{{3,10}}\.?(?:[ ]de)?,?[ -]20\d{{2}}       # 30 November 2026
      | [^\W\d_]{{3}}[ ]{{1,2}}\d{{1,2}}[ ]{_CLOCK}(?:[ ][A-Z]{{3,4}})?[ ]20\d{{2}}           # Nov 30 14:05:06 UTC 2026
      | 20\d{{2}}年\d{{1,2}}月\d{{1,2}}日
    )
    (?: [ ]\(?{_DAY}\)? )?
    (?: (?: T | ,?[ ](?:at[ ])? ) {_CLOCK}{_ZONE}? )?
    """
)
_TIME = re.compile(rf"(?<![\d:]){_CLOCK}{_ZONE}?(?![\d:])")
_YEAR = re.compile(r"20\d\d")
_BEFORE, _BEHIND = 48, 80
"""Letters beside a year: what belongs to its date is within them."""
_MOST = 64
"""Years that are looked at: a list of dates is no day of today."""
_SIGN = "\ufffd"


def without_dates(text: str) -> str:
    """The text with one sign in place of each date, and of the times of day beside it; without any, the same object."""
    dates = list(_dates(text)) if "20" in text else []
    if not dates:
        return text
    pieces: list[str] = []
    done = 0
    for begin, end in dates:
        pieces += (_timeless(text[done:begin], behind=_BEHIND if done else 0, before=_BEFORE), _SIGN)
        done = end
    return "".join((*pieces, _timeless(text[done:], behind=_BEHIND, before=0)))


def _dates(text: str) -> Iterator[tuple[int, int]]:
    """Where each begins and ends."""
    done = 0
    for year in islice(_YEAR.finditer(text), _MOST):
        if year.start() < done:
            continue
        date = _DATE.search(text, max(done, year.start() - _BEFORE), year.end() + _BEHIND)
        if date is not None and date.start() <= year.start():
            done = date.end()
            yield date.span()


def _timeless(text: str, *, behind: int, before: int) -> str:
    """What stands between two dates, without the times of day that are near one."""
    if len(text) <= behind + before:
        return _TIME.sub(_SIGN, text)
    end = len(text) - before
    return _TIME.sub(_SIGN, text[:behind]) + text[behind:end] + _TIME.sub(_SIGN, text[end:])


def undated(turn: dict[str, Any]) -> dict[str, Any]:
    """A message with the words of its content so; the same object where there is no date."""
    content: Any = turn.get("content")
    if isinstance(content, str):
        fresh = without_dates(content)
        return turn if fresh is content else turn | {"content": fresh}
    if not isinstance(content, list):
        return turn
    parts = [_part(part) for part in cast(list[Any], content)]
    return turn | {"content": parts}


def _part(part: object) -> object:
    if not isinstance(part, dict):
        return part
    fields = cast(dict[str, Any], part)
    text: Any = fields.get("text")
    return fields | {"text": without_dates(text)} if isinstance(text, str) else fields
