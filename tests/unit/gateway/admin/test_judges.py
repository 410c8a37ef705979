"""What is known of each route's judge."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.admin.filters import wanted
from gateway.admin.judges import Judges, JudgesView, bias
from gateway.admin.labels import LabelQueue
from gateway.admin.queries import RecordQueries
from gateway.node import labels
from gateway.node.labels import LabelVote, PairLabel
from records.store import Store
from tests.fakes.exchanges import chat_answer
from tests.rooms.console_house import ConsoleHouse, house

SAID: list[tuple[float | None, list[str], bool | None, str, LabelVote]] = [
    (1.0, ["candidate", "candidate"], True, "", "candidate"),
    (0.0, ["baseline", "candidate"], None, "", "equal"),
    (-1.0, ["baseline", "baseline"], False, "", "baseline"),
    (None, ["candidate", "candidate"], True, "unearned_win", "candidate"),
    (1.0, ["candidate", "candidate"], None, "", "baseline"),
]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[ConsoleHouse]:
    """Five judged pairs with a person's vote each, and one that nobody judged."""
    with house(tmp_path) as found:
        for q, orders, control, why, _ in SAID:
            told: dict[str, Any] = {"orders": orders, "trust": "trusted: 1 of the last 9 hidden controls wrong"}
            found.compare(
                found.ask(), chat_answer("a"), q=q, metric="judge", control=control, abstained=q is None,
                judge_cost_usd=0.25, judge_json=json.dumps(told | ({"why": why} if why else {})),
            )  # fmt: skip
        found.compare(found.ask(), chat_answer("a"))
        found.record()
        with labels.opened(found.data.state) as state:
            for name, (q, *_, vote) in zip(found.ids, SAID, strict=False):
                labels.keep(state, PairLabel(name, "candidate", "ada", "triage", "random", vote, (), 1.0, "k", q))
        yield found


def view(home: ConsoleHouse, bars: dict[str, str] | None = None) -> JudgesView:
    queue = LabelQueue(home.data, RecordQueries(Store(home.data.records)))
    return Judges(queue).found(wanted("comparisons", {"since": "all"}, now=0.0), bars or {})


def test_a_judge_beside_what_is_known(home: ConsoleHouse) -> None:
    """Sums, places that decided, controls, money, agreement with people, and the policy's bar in the look's words."""
    (judge,) = view(home, {"triage": "judge_bias: within 0.1"}).judges
    assert (judge.judged, judge.abstained, judge.wins, judge.losses) == (5, 1, 2, 1)
    assert (judge.controls, judge.controls_right, judge.cost_usd) == (3, 2, 1.25)
    assert (judge.orders, judge.orders_differ) == (5, 1)
    assert (judge.agreement.n, judge.agreement.agreed) == (4, 3)
    assert (judge.bias.n, judge.bias.mean) == (4, 0.5)
    assert (judge.suspended, judge.bar) == (False, "judge_bias: within 0.1")


def test_verdicts_to_look_at(home: ConsoleHouse) -> None:
    """A wrong control, a win that did not hold and a winner by place are named; what is plain is not."""
    found = {each.exchange_id: each.why for each in view(home).suspicious}
    assert set(found) == {home.ids[1], home.ids[2], home.ids[3]}
    assert "other order" in found[home.ids[1]]
    assert "control" in found[home.ids[2]]
    assert "did not hold" in found[home.ids[3]]


def test_a_suspended_judge_says_so(home: ConsoleHouse) -> None:
    """The latest verdict's own words count; an account that cannot be read says nothing and stops nothing."""
    home.compare(home.ask(), chat_answer("a"), q=None, abstained=True, judge_json='{"trust": "suspended: 9 wrong"}')
    home.compare(home.ask(), chat_answer("a"), judge_json="[", compared_us=1)
    home.record()
    (judge,) = view(home).judges
    assert (judge.suspended, judge.state, judge.judged) == (True, "suspended: 9 wrong", 7)


def test_how_much_kinder_a_judge_is_than_people() -> None:
    """The interval holds the mean, within what a gap can be, and narrows with more pairs; without any it is unknown."""
    few, many = bias([2.0, 0.0, 0.0, 0.0] * 5), bias([2.0, 0.0, 0.0, 0.0] * 200)
    assert few.mean == many.mean == 0.5
    assert -2 <= (few.lower or 0) < (many.lower or 0) < 0.5 < (many.upper or 0) < (few.upper or 0) <= 2
    assert bias([]).mean is bias([]).lower is None
