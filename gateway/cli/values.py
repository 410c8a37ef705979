"""What an option's word means as a number or a time: each kind says what it takes, with an example.

argparse names the option before the message. No number is out of its range behind here: not a number, infinity and less
than nothing are refused, so that no command has to bend what was written.
"""

import argparse
import importlib
import math
from collections.abc import Callable

from gateway.node.moments import ALWAYS, MomentError, moment

MOST = 10**15
"""More than there is of anything, and less than what a database, a file or an iterator counts to."""
MOST_AT_ONCE = 10_000
"""Calls at the same time: each has a task and a connection of its own."""


def count(text: str) -> int:
    """A number of things: 1 or more.

    Raises:
        ArgumentTypeError: it is none.
    """
    return _whole(text, 1, MOST)


def at_once(text: str) -> int:
    """A number of things at the same time: 1 to 10,000.

    Raises:
        ArgumentTypeError: it is none.
    """
    return _whole(text, 1, MOST_AT_ONCE)


def whole(text: str) -> int:
    """A whole number: 0 or more.

    Raises:
        ArgumentTypeError: it is none.
    """
    return _whole(text, 0, MOST)


def between(least: float, most: float = math.inf) -> Callable[[str], float]:
    """The kind of numbers from `least` to `most`; it raises ArgumentTypeError of any other word."""
    said = f"{least:g} or more" if math.isinf(most) else f"{least:g} to {most:g}"

    def number(text: str) -> float:
        try:
            found = float(text)
        except ValueError:
            found = math.nan
        if not math.isfinite(found) or not least <= found <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is out of range. hint: a number, {said}")
        return found

    return number


def since(text: str) -> str:
    """A moment from which on something is wanted, or `all`: as it is written, for `gateway.node.moments` to read.

    Raises:
        ArgumentTypeError: it is none.
    """
    return text if text == ALWAYS else until(text)


def until(text: str) -> str:
    """The same of an end, which cannot be `all`.

    Raises:
        ArgumentTypeError: it is none.
    """
    try:
        moment(text, now=0.0)
    except MomentError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def stated(text: str) -> str:
    """Words that say something.

    Raises:
        ArgumentTypeError: there are none.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError("is empty. hint: say why in a few words")
    return text


def lasting(text: str) -> float:
    """How many seconds `1h` or `90s` are, as policies write it; whose module is loaded only where somebody says a time.

    Raises:
        ArgumentTypeError: it is no duration.
    """
    try:
        found: float = importlib.import_module("policies.language.amounts").seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from error
    return found


def _whole(text: str, least: int, most: int) -> int:
    try:
        found = int(text)
    except ValueError:
        found = least - 1
    if not least <= found <= most:
        said = f"{most:,} at most" if found > most else f"{least} or more"
        raise argparse.ArgumentTypeError(f"{text!r} is out of range. hint: a whole number, {said}")
    return found
