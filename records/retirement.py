"""When a provider turns a model off, as its list of models says: `shutdown_date`, a day."""

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

LIST_PATH = "/v1/models"
"""Whose answer says so."""


class _Model(msgspec.Struct):
    id: str
    shutdown_date: str | None = None


class _ModelList(msgspec.Struct):
    data: list[msgspec.Raw]


def dates_in(answer: str) -> dict[str, str]:
    """By model, the day that the text of a list of models names; nothing where it is no such list."""
    try:
        listed = msgspec.json.decode(answer, type=_ModelList).data
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {}
    return dict(_named(listed))


def _named(listed: list[msgspec.Raw]) -> Iterator[tuple[str, str]]:
    """Each model with its day; one that is written otherwise hides no other's."""
    for raw in listed:
        try:
            model = msgspec.json.decode(raw, type=_Model)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        if model.shutdown_date:
            yield model.id, model.shutdown_date


def moment(day: str | None) -> float | None:
    """Unix seconds of a day's beginning, UTC; None: it is none."""
    try:
        return None if day is None else datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
