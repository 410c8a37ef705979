"""What the demo's app asks, and what its two models answer: made up here, the same on every machine. Pure.

A shop's support tickets are sorted into JSON: intent, urgency, product. A model is its skill: how often which field is
wrong, drawn by a hash of the ticket, so that two models err on different tickets.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

FIRST_ORDER = 10_000
SYSTEM = "You sort support tickets. Answer with JSON: intent, urgency, product."
INTENTS: dict[str, tuple[str, ...]] = {
    "delivery_late": ("My {product} was due days ago", "Where is the {product} I ordered", "Still no {product} here"),
    "damaged": ("The {product} came broken", "My {product} has a crack", "The {product} stopped working at once"),
    "refund": ("I want my money back for the {product}", "Please refund the {product}", "When do I get my refund"),
    "wrong_item": ("You sent me another {product}", "This is not the {product} I ordered", "Wrong size of {product}"),
    "invoice": ("I need an invoice for the {product}", "The invoice of my {product} is wrong", "Who do I pay"),
    "warranty": ("Is my {product} still under warranty", "The warranty card of the {product} is missing"),
    "cancel": ("Cancel my order of the {product}", "I ordered the {product} twice, cancel one"),
    "question": ("Does the {product} come in green", "How do I clean the {product}", "Is the {product} waterproof"),
}
PRODUCTS = ("kettle", "tent", "lamp", "backpack", "radio", "jacket", "bicycle pump", "coffee mill")
TONES = {
    "low": ("No hurry.", "Thanks for looking into it."),
    "normal": ("Please tell me what to do.", "Can you help?"),
    "high": ("This is the third time I write!", "I leave tomorrow, it is urgent."),
}


@dataclass(frozen=True, slots=True)
class Ticket:
    """One message with what a person would say of it."""

    number: int
    text: str
    intent: str
    urgency: str
    product: str


@dataclass(frozen=True, slots=True)
class Skill:
    """How well a model sorts, and how fast it answers."""

    name: str
    wrong_intent: float
    wrong_urgency: float
    median_s: float
    spread: float = 0.4
    """Of the logarithm of its times."""


FRONTIER = Skill("frontier", wrong_intent=0.004, wrong_urgency=0.02, median_s=0.080)
GOOD = Skill("good weights", wrong_intent=0.006, wrong_urgency=0.02, median_s=0.030)
BROKEN = Skill("a broken upload of the same weights", wrong_intent=0.5, wrong_urgency=0.3, median_s=0.030)
HASTY = Skill("one epoch of training", wrong_intent=0.25, wrong_urgency=0.2, median_s=0.030)


def ticket(number: int) -> Ticket:
    """The ticket of this number; no two have the same text."""
    intent = _pick(list(INTENTS), number, "intent")
    urgency = _pick(list(TONES), number, "urgency")
    product = _pick(PRODUCTS, number, "product")
    words = _pick(INTENTS[intent], number, "words").format(product=product)
    return Ticket(
        number,
        f"{words} (order {FIRST_ORDER + number}). {_pick(TONES[urgency], number, 'tone')}",
        intent,
        urgency,
        product,
    )


def read(text: str) -> Ticket | None:
    """The ticket that a message is; None: it is none of ours."""
    found = re.search(r"\(order (\d{1,9})\)", text)
    asked = ticket(int(found[1]) - FIRST_ORDER) if found else None
    return asked if asked is not None and asked.text == text else None


def answer(skill: Skill, asked: Ticket) -> str:
    """What a model of this skill says of a ticket."""
    intent, urgency = asked.intent, asked.urgency
    if lot(skill.name, asked.text, "intent") < skill.wrong_intent:
        intent = _other(list(INTENTS), intent, asked.text)
    if lot(skill.name, asked.text, "urgency") < skill.wrong_urgency:
        urgency = _other(list(TONES), urgency, asked.text)
    return json.dumps({"intent": intent, "urgency": urgency, "product": asked.product})


def lot(*words: str) -> float:
    """A number in [0, 1) that depends on the words alone."""
    return int.from_bytes(hashlib.blake2b("\0".join(words).encode(), digest_size=6).digest(), "big") / 2**48


def _pick(choices: Sequence[str], number: int, purpose: str) -> str:
    return choices[int(lot(str(number), purpose) * len(choices))]


def _other(choices: list[str], right: str, text: str) -> str:
    wrong = [choice for choice in choices if choice != right]
    return wrong[int(lot(text, "other") * len(wrong))]
