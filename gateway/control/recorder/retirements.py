"""When the models are turned off that routes' baselines answer with: what an operator states goes before what a
provider's list of models said last.
"""

from collections.abc import Iterable, Mapping

from gateway.telemetry.metrics import PREFIX, Sample
from policies.request.body import endpoint_of
from records.record import Record
from records.retirement import LIST_PATH, dates_in, moment

MOST_MODELS = 1000
"""Of a provider's list, with a date."""


def told_by(row: Record) -> dict[str, str]:
    """By model, the days that a recorded list of models names; nothing where the row is none."""
    if (endpoint_of(row.path), row.method, row.status) != (LIST_PATH, "GET", 200) or row.response_json is None:
        return {}
    return dict(list(dates_in(row.response_json).items())[:MOST_MODELS])


def samples(asked: Iterable[tuple[str, str]], stated: Mapping[str, str], told: Mapping[str, str]) -> list[Sample]:
    """Their part of `/metrics`. `asked`: routes, and the models that their baselines answered for."""
    days = {**told, **stated}
    dated = [(labels, moment(days.get(labels[1]))) for labels in asked]
    return [Sample(f"{PREFIX}model_retires_timestamp_seconds", at, labels) for labels, at in dated if at is not None]
