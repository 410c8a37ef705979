"""What the records say of each route."""

import json
from pathlib import Path

import msgspec
import pytest

from records.gpu_hours import GpuHours
from records.parquet import FEEDBACK, GPU_HOURS
from records.record import Record
from records.route_facts import grained, idle_shares, route_facts, shutdown_dates
from records.store import Store
from tests.fakes.exchanges import AT, chat_answer, chat_request
from tests.rooms.stored_records import DAY_S, asking, keep, record, vote

NOW, WINDOW_S = AT + 10 * DAY_S, 20 * DAY_S


def test_numbers_and_halves(tmp_path: Path) -> None:
    """Requests, money and shares are counted over the window and over its halves; what is older is left out."""
    store = Store(tmp_path)
    early = [record(n, at=AT - 8 * DAY_S + n) for n in range(10)]
    late = [record(n, at=AT + DAY_S + n) for n in range(20, 50)]
    away = [record(n, at=AT + DAY_S, status=429, response=b"{}", outcome="complete") for n in range(50, 60)]
    keep(store, "a", record(99, at=AT - 20 * DAY_S), *early, *late, *away)
    store.publish(store.stage(FEEDBACK, [vote(late[0].id, 1.0), vote(late[1].id, -1.0)], "b"))
    (facts,) = route_facts(asking(store), now=NOW, window_s=WINDOW_S)
    assert (facts.name, facts.model, facts.requests, facts.votes) == ("support", "gpt-4o", 50, 2)
    assert facts.days == pytest.approx(18.0)
    one = early[0].cost_usd or 0.0
    a_day = facts.usd_per_day
    assert [a_day.whole, a_day.before, a_day.after] == pytest.approx([one * 40 / 18, one * 10 / 8, one * 30 / 10])
    assert [facts.turned_away.whole, facts.turned_away.before] == pytest.approx([0.2, 0.0])
    assert (facts.examples, facts.prompts, facts.answers) == (40, 40, 1)
    assert facts.tokens_per_s.whole is None


def test_questions_of_one_minute_are_the_same() -> None:
    """The window begins a thousandth of itself earlier at most, so that an answer that is kept is found again."""
    asked: list[tuple[object, ...]] = []
    for now in (1_000_000.0, 1_000_060.0):
        route_facts(lambda _, parameters: asked.append(tuple(parameters)) or [], now=now, window_s=WINDOW_S)
    assert len(set(asked)) == 1
    assert 0 <= (1_000_000.0 - WINDOW_S) - grained(1_000_000.0 - WINDOW_S, WINDOW_S) <= WINDOW_S / 1000
    assert grained(59.7, 60.0) == 59.0


def test_examples_that_may_be_trained_on(tmp_path: Path) -> None:
    """Equal prompts count once; answers that were cut, refused to training, or a candidate's do not count."""
    store = Store(tmp_path)
    same = chat_request("same")
    rows = [record(n, request=same, response=chat_answer(f"answer {n}")) for n in range(3)]
    rows += [record(3, response=chat_answer(finish="length")), record(4, no_train=True)]
    keep(store, "a", *rows, record(5, variant="candidate"), record(6, why="refused", variant="gateway"))
    (facts,) = route_facts(asking(store), now=NOW, window_s=WINDOW_S)
    assert (facts.requests, facts.examples, facts.prompts, facts.answers) == (5, 3, 1, 3)


def test_system_prompts(tmp_path: Path) -> None:
    """System prompts are told apart with their first day and feedback; all different ones are told apart by nothing."""

    def under(system: str, number: int, at: float, route: str = "support") -> Record:
        messages = [{"role": "system", "content": system}, {"role": "user", "content": f"question {number}"}]
        request = json.dumps({"model": "gpt-4o", "messages": messages}).encode()
        return record(number, request=request, at=at, route=route)

    store = Store(tmp_path)
    rows = [under("old" if n < 30 else "new", n, AT if n < 30 else AT + 6 * DAY_S) for n in range(60)]
    rows += [under(f"dear {n}", n, AT, "templated") for n in range(60, 160)]
    keep(store, "a", *rows)
    votes = [vote(row.id, 1.0 if n % 2 else 0.0) for n, row in enumerate(rows[:40])]
    store.publish(store.stage(FEEDBACK, votes, "b"))
    found = {each.name: each for each in route_facts(asking(store), now=NOW, window_s=WINDOW_S)}
    facts = found["support"]
    assert (facts.prompt_days, facts.prompt_versions) == (pytest.approx(4.0), 2)
    assert [(each.n, each.mean, each.sd) for each in facts.feedback] == [(30, 0.5, 0.5), (10, 0.5, 0.5)]
    assert found["templated"].prompt_days is None


def test_unrouted(tmp_path: Path) -> None:
    """Traffic without a route is grouped by what it asks, behind the routes; one name gives one group."""
    store = Store(tmp_path)
    other = chat_request("x", tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}])
    keep(store, "a", *(record(n, route="") for n in range(3)), record(4, route="", request=other), record(5))
    names = [each.name for each in route_facts(asking(store), now=NOW, window_s=WINDOW_S)]
    assert names[0] == "support"
    assert [name.startswith("unrouted/") for name in names[1:]] == [True, True]
    (one,) = route_facts(asking(store), now=NOW, window_s=WINDOW_S, name=names[1])
    assert one.requests == 3
    assert route_facts(asking(Store(tmp_path / "none")), now=NOW, window_s=WINDOW_S) == []


def test_unpriced_groups_come_by_their_requests(tmp_path: Path) -> None:
    """Where no price says which group is the dearest, the one that is asked most comes first."""
    store, rows = Store(tmp_path), list[Record]()
    for times in (2, 5, 1, 4, 3):
        tools = [{"type": "function", "function": {"name": f"f{times}", "parameters": {}}}]
        asked = chat_request("x", tools=tools)
        rows += [record(10 * times + n, route="", request=asked) for n in range(times)]
    keep(store, "a", *(msgspec.structs.replace(row, cost_usd=None) for row in rows))
    assert [each.requests for each in route_facts(asking(store), now=NOW, window_s=WINDOW_S)] == [5, 4, 3, 2, 1]


def test_shutdown_dates(tmp_path: Path) -> None:
    """The last recorded answer of `GET /v1/models` says when models are turned off."""

    def listed(number: int, day: str | None) -> Record:
        models = [{"id": "gpt-4o", "shutdown_date": day}, {"id": "gpt-5", "shutdown_date": None}, {"id": "old"}]
        body = json.dumps({"object": "list", "data": models}).encode()
        return record(number, request=b"", response=body, method="GET", target="/v1/models?x=1", route="")

    store = Store(tmp_path)
    keep(store, "a", listed(1, "2026-12-01"), listed(2, "2027-01-06"), record(3))
    assert shutdown_dates(asking(store)) == {"gpt-4o": "2027-01-06"}


def test_idle_shares(tmp_path: Path) -> None:
    """How idle servers were, of the hours that were paid since."""
    store = Store(tmp_path)
    hours = GpuHours(
        upstream="vllm", since_us=int(AT * 1e6), until_us=int((AT + 300) * 1e6), replicas=1, usd_per_hour=4.0,
        paid_usd=1.0, busy_s=75.0, idle_s=225.0, answers=3, charged_usd=1.0,
    )  # fmt: skip
    store.publish(store.stage(GPU_HOURS, [hours, msgspec.structs.replace(hours, upstream="b", idle_s=75.0)], "a"))
    assert idle_shares(asking(store), since=AT) == {"vllm": 0.75, "b": 0.5}
    assert idle_shares(asking(store), since=AT + 301) == {}


def test_a_prompt_is_older_than_a_short_window(tmp_path: Path) -> None:
    """Its first request is looked for as far back as it has to be unchanged; money and requests are the window's."""
    store = Store(tmp_path)
    keep(store, "a", *(record(n, at=NOW - n * DAY_S) for n in range(1, 16)))
    week = {"now": NOW, "window_s": 7 * DAY_S}
    (short,) = route_facts(asking(store), **week)
    (long,) = route_facts(asking(store), **week, prompts_s=14 * DAY_S)

    assert short.prompt_days == pytest.approx(7.0, abs=0.1)
    assert long.prompt_days == pytest.approx(14.0, abs=0.1)
    assert short.requests == long.requests == 7
