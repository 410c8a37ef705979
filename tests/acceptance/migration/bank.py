"""The bank's messages of some intents, and how its app asks for them."""

import json
from dataclasses import dataclass
from typing import Any

from tests.acceptance.migration.models import TEST, TRAIN, first_intents, messages
from tests.acceptance.migration.traffic import SYSTEM


@dataclass(frozen=True, slots=True)
class Bank:
    """The messages of the intents that a run is about, each with its intent."""

    train: list[tuple[str, str]]
    test: list[tuple[str, str]]

    @classmethod
    def of(cls, intents: int) -> "Bank":
        """Those of the first intents by name, all of them alike in both files."""
        chosen = first_intents(intents)
        test = [row for row in messages(TEST) if row[1] in chosen]
        known = {text for text, _ in test}
        return cls([row for row in messages(TRAIN) if row[1] in chosen and row[0] not in known], test)

    def questions(self) -> str:
        """The test messages as the rows of an evaluation set."""
        return "\n".join(
            json.dumps(
                {"request": {"model": "gpt-4o", "messages": turns(text), "max_tokens": 40}, "expected": answer(intent)}
            )
            for text, intent in self.test
        )


def turns(text: str) -> list[dict[str, Any]]:
    """The chat that asks for a message."""
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]


def answer(intent: str) -> str:
    """What is right to say."""
    return json.dumps({"intent": intent})
