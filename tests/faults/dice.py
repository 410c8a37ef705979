"""Seeded chance: a run that failed can be run again."""

import random  # noqa: TID251 -- seeded, and for tests alone

Dice = random.Random


def dice(seed: int) -> Dice:
    """A generator that always rolls the same."""
    return Dice(seed)
