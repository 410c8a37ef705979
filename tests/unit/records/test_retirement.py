"""Days on which models are turned off."""

import pytest

from records.retirement import dates_in, moment

DAY_S = 86_400.0


def test_a_list_of_models_names_days() -> None:
    """Those with a day are named; a text that is no list of models names none."""
    listed = (
        '{"object":"list","data":[{"id":"a","shutdown_date":"2027-03-31"},{"id":"b"},{"id":"c","shutdown_date":null}]}'
    )
    assert dates_in(listed) == {"a": "2027-03-31"}
    odd = '{"data":[5,{"id":"x","shutdown_date":1806451200},{"name":"y"},{"id":"a","shutdown_date":"2027-03-31"}]}'
    assert dates_in(odd) == {"a": "2027-03-31"}
    for other in ("", "[]", '{"data":{}}', '{"data":[{"shutdown_date":"2027-03-31"}]}', '{"error":{}}'):
        assert dates_in(other) == {}


@pytest.mark.parametrize(
    ("day", "at"), [("1970-01-02", DAY_S), (None, None), ("soon", None), ("", None), ("2027-13-01", None)]
)
def test_a_day_begins_at_midnight_utc(day: str | None, at: float | None) -> None:
    """A text that is no day is no moment."""
    assert moment(day) == at
