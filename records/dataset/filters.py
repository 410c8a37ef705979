"""Which exchanges of a route a dataset is made of: by time, model, end, feedback and where they were recorded."""

from typing import Any, Literal, cast

import msgspec

Recorded = Literal["here", "imported"]


class Filters(msgspec.Struct, frozen=True, omit_defaults=True):
    """Conditions, all of which hold. What is not stated lets everything through."""

    since: float | None = None
    """Unix seconds."""
    until: float | None = None
    models: tuple[str, ...] = ()
    """As the app asked, or as the answer says."""
    finish_reasons: tuple[str, ...] = ()
    least_score: float | None = None
    """Of the app's last vote; without a vote an exchange is left out."""
    with_feedback: bool = False
    """Somebody voted on it, labelled or corrected it."""
    labels: tuple[str, ...] = ()
    """Of the app's last feedback."""
    recorded: Recorded | None = None
    """`here`: it went through the gateway; `imported`: another system's log has it."""

    def condition(self, table: str = "") -> tuple[str, list[object]]:
        """The SQL that holds for what is let through, over the view `joined`, and its parameters."""
        of = f"{table}." if table else ""
        parts: list[str] = ["true"]
        values: list[object] = []
        for name, sql in _CONDITIONS.items():
            value: Any = getattr(self, name)
            if value not in (None, (), False):
                parts.append(f"({sql.format(of=of)})")
                listed: object = list(cast(tuple[str, ...], value)) if isinstance(value, tuple) else value
                values += [listed] * sql.count("?")
        return " AND ".join(parts), values


_CONDITIONS = {
    "since": "epoch({of}arrived_at) >= ?",
    "until": "epoch({of}arrived_at) < ?",
    "models": "list_contains(?, {of}model_requested) OR list_contains(?, {of}model_returned)",
    "finish_reasons": "list_contains(?, {of}finish_reason)",
    "least_score": "{of}score >= ?",
    "with_feedback": "{of}said_at IS NOT NULL",
    "labels": "list_contains(?, {of}label)",
    "recorded": "({of}why = 'imported') = (? = 'imported')",
}
