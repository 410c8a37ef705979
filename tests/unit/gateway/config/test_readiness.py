"""The settings of `crossfade readiness`."""

import pytest
from pydantic import ValidationError

from gateway.config.readiness import ReadinessSettings
from records.gpu_hours import HourlyPrice
from records.readiness import DAY_S, ReadinessTerms


def test_defaults() -> None:
    """Nothing stated is what the core takes by default."""
    assert ReadinessSettings().terms("any") == ReadinessTerms()


def test_one_route_otherwise() -> None:
    """What is stated of a route holds for it alone; all else is as stated for every route."""
    stated = ReadinessSettings.model_validate(
        {
            "window": "7d",
            "budget_usd_per_month": 100,
            "routes": {"triage": {"budget_usd_per_month": 5, "distinct": "50%"}},
        }
    )
    own = stated.terms("triage")
    assert (own.window_s, own.budget_usd_per_month, own.distinct) == (7 * DAY_S, 5.0, 0.5)
    assert stated.terms("other").budget_usd_per_month == 100.0


def test_inputs() -> None:
    """Everything goes to a process: routes, prices, and dates as text."""
    hourly = (HourlyPrice("vllm", 4.0),)
    stated = ReadinessSettings.model_validate({"shutdown": {"gpt-4o": "2027-01-06"}, "routes": {"a": {}}})
    found = stated.inputs(hourly, "policies")
    assert (found.shutdown, found.hourly, found.policies, list(found.routes)) == (
        {"gpt-4o": "2027-01-06"},
        hourly,
        "policies",
        ["a"],
    )


@pytest.mark.parametrize("stated", [{"window": 7}, {"distinct": "150%"}, {"eval_rows": 0}, {"budget": 1}])
def test_refused(stated: dict[str, object]) -> None:
    """An amount without its unit, more than all, none at all, and a name that is none are refused."""
    with pytest.raises(ValidationError):
        ReadinessSettings.model_validate(stated)
