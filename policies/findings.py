"""What there is to say about a policy beside its single keys: a refusal, which keeps it from loading, or a doubt.

Both say where and what to do; `policies.lint` finds them.
"""

from dataclasses import dataclass

Loc = tuple[str | int, ...]
"""The way to a value: keys and list positions."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to say about a policy."""

    loc: Loc
    message: str
    hint: str
    refused: bool = True
    is_served: bool = False
    """Refused by `lint` alone."""


def warning(loc: Loc, message: str, hint: str) -> Finding:
    """A doubt: said, and no more."""
    return Finding(loc, message, hint, refused=False)
