"""When models are turned off that baselines answer with."""

import json

from gateway.control.recorder.retirements import samples, told_by
from records.pricing import PriceBook
from records.record_maker import RecordMaker, RoutePrices
from records.redact import Redactor
from tests.fakes.exchanges import exchange

MAKER = RecordMaker(
    b"p" * 32, Redactor(), PriceBook({"openai": "https://api.openai.com/v1"}), {"": RoutePrices("openai")}
)
LISTED = json.dumps({"data": [{"id": "gpt-4o", "shutdown_date": "2027-03-31"}, {"id": "gpt-5"}]}).encode()


def told(answer: bytes = LISTED, **meta: object) -> dict[str, str]:
    usual = {"target": "/v1/models?limit=5", "method": "GET", "model": ""}
    return told_by(MAKER.record(exchange(1, b"", answer, **(usual | meta))))


def test_only_a_list_of_models_says_when() -> None:
    """An answer of another path, method or status says nothing, whatever is in it."""
    assert told() == told(target="/models") == {"gpt-4o": "2027-03-31"}
    for other in ({"target": "/v1/files"}, {"method": "POST"}, {"status": 500}, {"answer": b"{}"}):
        assert told(**other) == {}


def test_what_is_stated_goes_before_what_was_told() -> None:
    """One sample for each route and model with a known day; a model without one has none."""
    asked = [("triage", "a"), ("triage", "b"), ("chat", "a")]
    made = samples(asked, {"a": "1970-01-03"}, {"a": "1970-01-02", "c": "1970-01-02"})
    assert {each.labels: each.value for each in made} == {("triage", "a"): 172_800.0, ("chat", "a"): 172_800.0}
