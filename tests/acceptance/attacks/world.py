"""A small world of support tickets in which it is known what a good answer says, and how good any answer is."""

import hashlib
from collections.abc import Sequence

_THINGS = ("invoice", "parcel", "password", "contract", "router", "card", "booking", "licence", "meter", "voucher")
_PLACES = ("Billing", "Orders", "Security", "Documents", "Devices", "Wallet", "Trips", "Account", "Readings", "Shop")
_DEEDS = ("renew", "cancel", "transfer", "replace", "correct", "pause", "split", "extend", "verify", "refund")
_PEOPLE = ("the owner", "a manager", "any colleague", "the first payer", "our night shift", "the branch", "the courier")
_DAYS = ("two days", "a week", "ten minutes", "one month", "three hours", "a quarter", "the same evening")


def question(number: int) -> str:
    """The ticket of this number."""
    thing, deed = _pick(_THINGS, number, "thing"), _pick(_DEEDS, number, "deed")
    return f"Ticket {number}: how do I {deed} {thing} {number * 7 % 1000}, how long does it take, and who must agree?"


def facts(asked: str) -> tuple[str, ...]:
    """What a complete answer to a ticket says, sentence by sentence."""
    words = asked.split()
    number, deed, thing = int(words[1].rstrip(":")), words[5], f"{words[6]} {words[7].rstrip(',')}"
    place, days, who = (_pick(*each) for each in ((_PLACES, number, "p"), (_DAYS, number, "d"), (_PEOPLE, number, "w")))
    return (
        f"To {deed} {thing}, open {place} and press the line with its number.",
        f"After that it takes {days} until {thing} shows the change.",
        f"Before you {deed} it, {who} must agree in writing.",
        f"Keep the receipt with reference {number:05}-{deed} for later.",
    )


def quality(asked: str, answer: str) -> float:
    """The share of those sentences that the answer holds, word for word."""
    plain = " ".join(answer.split())
    told = facts(asked)
    return sum(sentence in plain for sentence in told) / len(told)


def good(number: int) -> str:
    """The baseline's answer."""
    return " ".join(facts(question(number)))


def polite(number: int) -> str:
    """As good, in other words."""
    return f"Thanks for asking! {good(number)} All the best."


def wrong(number: int) -> str:
    """An answer as long and as fluent, to a ticket that nobody sent."""
    return " ".join(facts(question(number + 100_003)))


def _pick(among: Sequence[str], number: int, use: str) -> str:
    digest = hashlib.sha256(f"{use} {number}".encode()).digest()
    return among[int.from_bytes(digest[:4], "big") % len(among)]
