"""Hours of servers that are paid busy or idle, and what an answer bears of them."""

import msgspec
import pytest

from records.gpu_hours import (
    DAY_HOURS,
    HOUR_S,
    KNOWN_S,
    LATE_S,
    SLICE_S,
    GpuAccount,
    GpuHours,
    HourlyPrice,
    open_account,
)

AT = 1_795_000_000.0
PRICE = HourlyPrice("vllm", 3.6, 2)
"""0.2 cents a second, of both replicas."""


@pytest.fixture
def account() -> GpuAccount:
    return open_account(PRICE, AT)


def test_an_hour_without_an_answer_is_borne_by_the_next_one(account: GpuAccount) -> None:
    """All that was paid is charged to the answers, to the cent; until one comes it is shown as unborne."""
    account.pay(AT + HOUR_S)
    assert account.uncharged_usd == pytest.approx(7.2)
    assert account.charge(3) == pytest.approx(2.4)
    account.pay(AT + HOUR_S + 5)
    assert account.charge(1) == pytest.approx(0.01)
    assert account.uncharged_usd == 0.0


def test_replicas_that_nobody_states_are_unknown() -> None:
    """One is charged, and the row does not say that there is one."""
    account = open_account(HourlyPrice("vllm", 3.6), AT)
    account.pay(AT + SLICE_S + LATE_S)
    row = account.row(AT + SLICE_S + LATE_S)
    assert row is not None
    assert (row.replicas, row.paid_usd) == (None, pytest.approx(SLICE_S * 0.001))
    assert open_account(HourlyPrice("vllm", 3.6, 1), AT).price.replicas == 1


def test_a_row_tells_busy_and_idle_per_replica(account: GpuAccount) -> None:
    """Two requests at once keep two replicas busy, and three no more than two; the rest of the paid time is idle."""
    account.pay(AT + SLICE_S + LATE_S)
    account.work(AT + 10.0, AT + 20.0)
    account.work(AT + 15.5, AT + 20.0)
    account.work(AT + 18.0, AT + 19.0)
    account.charge(3)
    row = account.row(AT + SLICE_S + LATE_S)
    assert row is not None
    assert (row.busy_s, row.idle_s) == (pytest.approx(14.5), pytest.approx(2 * SLICE_S - 14.5))
    assert row.paid_usd == pytest.approx(SLICE_S * 0.002)
    assert (row.since_us, row.until_us) == (AT * 1e6, (AT + SLICE_S) * 1e6)


def test_a_row_tells_no_money_and_no_answer_of_the_time_after_it(account: GpuAccount) -> None:
    """Under steady traffic each row's answers bear what the row paid: never more, whatever was charged since."""
    rows: list[GpuHours | None] = []
    for second in range(1, int(3 * SLICE_S) + 1):
        account.pay(AT + second)
        account.charge(1)
        rows.append(account.row(AT + second))
    told = [row for row in [*rows, account.row(AT + 3 * SLICE_S, last=True)] if row is not None]
    assert [row.answers for row in told] == [SLICE_S, SLICE_S, SLICE_S]
    assert [row.charged_usd for row in told] == pytest.approx([row.paid_usd for row in told])


def test_a_row_waits_for_answers_that_are_under_way(account: GpuAccount) -> None:
    """What an answer kept busy is known at its end: rows come late, whole, and without a hole or an overlap."""
    account.pay(AT + SLICE_S + 1)
    assert account.row(AT + SLICE_S + 1) is None
    account.work(AT, AT + SLICE_S)
    account.pay(AT + 3 * SLICE_S)
    first = account.row(AT + 3 * SLICE_S)
    last = account.row(AT + 3 * SLICE_S, last=True)
    assert first is not None
    assert last is not None
    assert first.busy_s == SLICE_S
    assert first.until_us == last.since_us
    assert first.paid_usd + last.paid_usd == pytest.approx(account.uncharged_usd)


def test_what_an_answer_costs_of_late_is_the_dearer_of_hour_and_day(account: GpuAccount) -> None:
    """A busy day and a quiet hour, or the other way round: what is decided by it is never cheap for the hour."""
    for hour in range(1, DAY_HOURS):
        account.pay(AT + hour * HOUR_S)
        account.charge(7200 if hour < DAY_HOURS - 3 else 1)
    quiet = account.usd_per_answer()
    assert quiet is not None
    assert quiet >= 7.2 * 0.9
    account.charge(1_000_000)
    dear = account.usd_per_answer()
    assert dear is not None
    assert dear == pytest.approx(sum(hour.paid_usd for hour in account.hours) / sum(h.answers for h in account.hours))


def test_too_little_is_unknown_and_no_answer_is_no_zero(account: GpuAccount) -> None:
    """Before ten minutes nothing is said; then an answer that never came costs all that was paid."""
    account.pay(AT + KNOWN_S - 1)
    assert account.usd_per_answer() is None
    account.pay(AT + HOUR_S)
    assert account.usd_per_answer() == pytest.approx(7.2, rel=0.01)


def test_a_clock_that_is_set_back_charges_nothing_twice(account: GpuAccount) -> None:
    """The time it says again costs nothing until the account begins again from there."""
    account.pay(AT + 100)
    account.pay(AT + 50)
    assert account.uncharged_usd == pytest.approx(0.2)
    account.begin_again(AT + 50, PRICE)
    account.pay(AT + 60)
    assert account.uncharged_usd == pytest.approx(0.22)


def test_an_account_outlives_a_restart(account: GpuAccount) -> None:
    """What is written down and read again goes on to the cent."""
    account.pay(AT + 100)
    account.work(AT + 1, AT + 2.5)
    again = msgspec.json.decode(msgspec.json.encode(account), type=GpuAccount)
    for each in (account, again):
        each.pay(AT + SLICE_S + LATE_S)
        each.charge(1)
    assert again.row(AT + SLICE_S + LATE_S) == account.row(AT + SLICE_S + LATE_S)
