"""A plan in words; what stands in it, `test_plan` says."""

from policies.forecast import Need
from policies.plan import Plan, PolicyChange
from policies.plan_text import text
from policies.stage_plan import StagePlan


def test_a_plan_is_told_from_its_changes_to_its_days():
    """What changes, what is assumed, what each stage waits for, and how long it is in all."""
    shadow = StagePlan("shadow", (Need("quality", 500, 2.0),), 0.0, 2.0, "quality", doubt="it may not do")
    last = StagePlan("100%", (), 0.0, 0.0, "")
    found = Plan(
        "r",
        (PolicyChange("mode", "observe", "apply"),),
        "another revision",
        (shadow, last),
        2.0,
        labels="people label about 300 judged pairs",
        units_per_day=1440.0,
        assumes=("that it is so",),
    )

    assert text(found).splitlines() == [
        "ROUTE r",
        "  change   mode: observe -> apply",
        "  restart  another revision",
        "  labels   people label about 300 judged pairs",
        "  traffic  1,440 eligible conversations a day",
        "  assumes  that it is so",
        "  shadow   about 2 days, waits for quality",
        "    quality   500 units, 2 days",
        "    doubt: it may not do",
        "  100%     the last",
        "  in all    about 2 days",
    ]
    assert text(Plan("r", (), "", (), 0.0)).splitlines() == ["ROUTE r", "  no change"]


def test_a_gates_long_name_keeps_apart_from_its_units():
    """All columns of a plan are as wide as the longest of its gates' names wants."""
    names = ("quality", "latency:relative_ttft_p50")
    found = Plan("r", (), "", (StagePlan("shadow", tuple(Need(name, 5, None) for name in names), 0.0, None, ""),), None)
    lines = [line for line in text(found).splitlines() if "units" in line]
    assert lines == ["    quality                   5 units", "    latency:relative_ttft_p50 5 units"]
