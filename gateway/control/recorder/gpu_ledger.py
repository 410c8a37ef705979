"""The recorder's ledger of servers that are paid by the hour: who answered, what each answer bears, what none does yet.

The rules stand in `records/gpu_hours.py`. What is here lives in the recorder's progress file: a restart charges nothing
twice and leaves nothing out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from gateway.control.recorder.tally import Tally
from gateway.telemetry.metrics import PREFIX, Sample
from records.comparison import Comparison
from records.gpu_hours import GpuAccount, GpuHours, HourlyPrice, open_account
from records.pricing import BY_HOURS
from records.record import Record


@dataclass(slots=True)
class GpuLedger:
    """Takes answers as they are found, and lets them go with what they bear."""

    prices: Sequence[HourlyPrice]
    accounts: dict[str, GpuAccount] = field(default_factory=dict[str, GpuAccount])
    """By upstream; the recorder keeps them."""
    hours: list[GpuHours] = field(default_factory=list[GpuHours])
    """Rows that wait to be written."""
    _answers: dict[str, list[Record]] = field(default_factory=dict[str, list[Record]], init=False)
    _calls: dict[str, list[Comparison]] = field(default_factory=dict[str, list[Comparison]], init=False)

    def begin(self, accounts: dict[str, GpuAccount], tally: Tally, now: float) -> None:
        """Go on with what the last recorder kept, under today's prices."""
        self.accounts = accounts
        stated = {price.upstream: price for price in self.prices}
        for name, account in list(accounts.items()):
            price = stated.get(name)
            if price != account.price:
                self._close(account, tally, account.paid_until, last=True)
                if price is None:
                    del accounts[name]
                else:
                    account.begin_again(account.paid_until, price)
        for name, price in stated.items():
            accounts.setdefault(name, open_account(price, now))

    def takes(self, row: Record) -> bool:
        """Keep an exchange until it is known what it bears; False: it is not paid by the hour."""
        if row.upstream not in self.accounts:
            return False
        self._answers.setdefault(row.upstream, []).append(row)
        return True

    def takes_call(self, row: Comparison, upstream: str) -> bool:
        """Keep a background call until it is known what it bears; False: it is not paid by the hour."""
        if upstream not in self.accounts:
            return False
        self._calls.setdefault(upstream, []).append(row)
        return True

    def settle(self, tally: Tally, now: float) -> Iterator[Record | Comparison]:
        """Pay up to now, and let go what was taken, charged."""
        for name, account in self.accounts.items():
            if now < account.paid_until:  # the clock was set back
                self._close(account, tally, account.paid_until, last=True)
                account.begin_again(now, account.price)
            account.pay(now)
            yield from self._charged(name, account, tally)
            self._close(account, tally, now)

    def finish(self, tally: Tally) -> None:
        """Nothing more comes for now: write down all that was paid."""
        for account in self.accounts.values():
            self._close(account, tally, account.paid_until, last=True)

    def usd_per_answer(self) -> Mapping[str, float | None]:
        """What an answer costs of late, by upstream."""
        return {name: account.usd_per_answer() for name, account in self.accounts.items()}

    def samples(self) -> list[Sample]:
        """What is paid and borne by no answer yet."""
        name = f"{PREFIX}gpu_uncharged_usd"
        return [Sample(name, account.uncharged_usd, (upstream,)) for upstream, account in self.accounts.items()]

    def _charged(self, name: str, account: GpuAccount, tally: Tally) -> Iterator[Record | Comparison]:
        answers, calls = self._answers.pop(name, []), self._calls.pop(name, [])
        for row in answers:
            account.work(row.arrived_us / 1e6, row.arrived_us / 1e6 + row.total_ms / 1000)
        for call in calls:
            account.work(call.compared_us / 1e6 - (call.total_ms or 0.0) / 1000, call.compared_us / 1e6)
        number = sum(row.complete for row in answers) + sum(call.came == "answered" for call in calls)
        share = account.charge(number) if number else 0.0
        if number:
            tally.count("gpu_answers_total", (name,), number)
        for row in answers:
            yield _bearing(row, share) if row.complete else row
        for call in calls:
            yield msgspec.structs.replace(call, cost_usd=share) if call.came == "answered" else call

    def _close(self, account: GpuAccount, tally: Tally, now: float, *, last: bool = False) -> None:
        row = account.row(now, last=last)
        if row is None:
            return
        self.hours.append(row)
        for state, seconds in (("busy", row.busy_s), ("idle", row.idle_s)):
            tally.count("gpu_seconds_total", (row.upstream, state), seconds)
            tally.count("gpu_cost_usd_total", (row.upstream, state), row.paid_usd * seconds / (row.busy_s + row.idle_s))


def _bearing(row: Record, usd: float) -> Record:
    """The row with its part of the hours."""
    counterfactual = row.counterfactual_cost_usd if row.variant == "candidate" else usd
    return msgspec.structs.replace(row, cost_usd=usd, counterfactual_cost_usd=counterfactual, price_version=BY_HOURS)
