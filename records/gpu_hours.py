"""Money for servers that are paid by the hour: every hour is charged, busy or idle, to what was answered in it.

Rules:
1. An answer bears what has been paid since the answer before it, background calls included: what all answers cost
   together is what was paid, to the cent. An hour without an answer is borne by the next one, and shown until then.
2. A replica is busy while it has a request; so many requests keep at most so many replicas busy. The rest is idle.
3. What one answer costs "of late" is the dearer of the last hour or two and the last day: what is decided by it must
   not be cheap for the time of day. Until ten minutes are known it is unknown.
4. How many replicas there are is stated, or unknown: then one is charged, and wherever the money is shown it says so.
5. Time in which no gateway ran was paid, too. A clock that was set back charges nothing twice.
"""

import math
from typing import Annotated

import msgspec

HOUR_S = 3600.0
SLICE_S = 300.0
"""A row of hours is so long, unless the recorder stops or the price changes."""
LATE_S = 120.0
"""A row waits so long for the answers of its time: they are known when they end."""
KNOWN_S = 600.0
"""Less time says nothing of what an answer costs."""
DAY_HOURS = 24


class HourlyPrice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an upstream's servers cost, whether they answer or not."""

    upstream: str
    usd_per_hour: float
    """Of one replica."""
    replicas: int | None = None
    """None: nobody said."""

    @property
    def counted_replicas(self) -> int:
        """How many are charged: as many as are stated, else one, which whoever shows the money has to say."""
        return self.replicas or 1

    @property
    def usd_per_s(self) -> float:
        """Of all replicas."""
        return self.usd_per_hour * self.counted_replicas / HOUR_S


class GpuHours(msgspec.Struct, frozen=True, kw_only=True):
    """Some minutes of one upstream that is paid by the hour (`prices.candidate`)."""

    upstream: Annotated[str, msgspec.Meta(description="whose servers")]
    since_us: Annotated[int, msgspec.Meta(description="beginning, UTC")]
    until_us: Annotated[int, msgspec.Meta(description="end, UTC")]
    replicas: Annotated[int | None, msgspec.Meta(description="that were paid; null: not stated, and counted as one")]
    usd_per_hour: Annotated[float, msgspec.Meta(description="of one replica")]
    paid_usd: Annotated[float, msgspec.Meta(description="for this time, busy or idle")]
    busy_s: Annotated[float, msgspec.Meta(description="replica-seconds with a request")]
    idle_s: Annotated[float, msgspec.Meta(description="replica-seconds without")]
    answers: Annotated[int, msgspec.Meta(description="whole answers, background calls included, that were charged")]
    charged_usd: Annotated[float, msgspec.Meta(description="to those answers: all that was paid since the one before")]


class _Hour(msgspec.Struct, array_like=True):
    """What was paid and answered in one hour of the clock."""

    hour: int
    paid_usd: float = 0.0
    answers: int = 0


class GpuAccount(msgspec.Struct):
    """What one upstream's hours come to, between one moment and the next."""

    price: HourlyPrice
    begun_at: float
    paid_until: float
    """Up to here everything was paid."""
    since: float
    """Where the next row begins."""
    uncharged_usd: float = 0.0
    """Paid, and borne by no answer yet."""
    answers_at: dict[int, int] = {}
    """Second of the clock, rounded up -> answers that were charged then, and told by no row yet."""
    charged_usd: float = 0.0
    """To answers, and told by no row yet."""
    seconds: dict[int, float] = {}
    """Second of the clock -> seconds that requests had in it, of the time that no row tells of yet."""
    hours: list[_Hour] = []
    """The last day's."""

    def pay(self, now: float) -> None:
        """Time passes, and costs. `now`: Unix seconds."""
        usd = max(0.0, now - self.paid_until) * self.price.usd_per_s
        self.paid_until = max(self.paid_until, now)
        self.uncharged_usd += usd
        self._hour(now).paid_usd += usd

    def charge(self, answers: int) -> float:
        """What each of so many answers bears."""
        share = self.uncharged_usd / answers
        self.charged_usd += self.uncharged_usd
        self.uncharged_usd = 0.0
        second = math.ceil(self.paid_until)
        self.answers_at[second] = self.answers_at.get(second, 0) + answers
        self._hour(self.paid_until).answers += answers
        return share

    def work(self, since: float, until: float) -> None:
        """A request was under way from one moment to the other."""
        since, until = max(since, self.since), min(until, self.paid_until)
        for second in range(math.floor(since), math.ceil(until)):
            part = min(until, second + 1.0) - max(since, float(second))
            self.seconds[second] = self.seconds.get(second, 0.0) + part

    def begin_again(self, now: float, price: HourlyPrice) -> None:
        """Go on from another moment, or under another price, once the last row was taken."""
        self.price, self.paid_until, self.since, self.seconds = price, now, now, {}

    def row(self, now: float, *, last: bool = False) -> GpuHours | None:
        """The next row; None: it is not time for it. `last`: nothing more comes under this price.

        What was paid after the row's end, and is charged already, is the next row's, like the answers that bear it.
        """
        until = self.paid_until if last else math.floor(now - LATE_S)
        if until <= self.since or (not last and until - self.since < SLICE_S):
            return None
        price, length_s = self.price, until - self.since
        told = [second for second in self.seconds if second < until]
        busy_s = sum(min(float(price.counted_replicas), self.seconds.pop(second)) for second in told)
        busy_s = min(busy_s, length_s * price.counted_replicas)
        charged = [second for second in self.answers_at if last or second <= until]
        ahead_usd = max(0.0, (self.paid_until - until) * price.usd_per_s - self.uncharged_usd)
        row = GpuHours(
            upstream=price.upstream, since_us=round(self.since * 1e6), until_us=round(until * 1e6),
            replicas=price.replicas, usd_per_hour=price.usd_per_hour, paid_usd=length_s * price.usd_per_s,
            busy_s=busy_s, idle_s=length_s * price.counted_replicas - busy_s,
            answers=sum(map(self.answers_at.pop, charged)), charged_usd=self.charged_usd - ahead_usd,
        )  # fmt: skip
        self.since, self.charged_usd = until, ahead_usd
        return row

    def usd_per_answer(self) -> float | None:
        """What one answer costs of late; None: too little is known."""
        if self.paid_until - self.begun_at < KNOWN_S:
            return None
        return max(_mean_usd(self.hours), _mean_usd(self.hours[-2:]))

    def _hour(self, now: float) -> _Hour:
        at = int(now // HOUR_S)
        if not self.hours or self.hours[-1].hour < at:
            self.hours.append(_Hour(at))
            self.hours = [hour for hour in self.hours if at - DAY_HOURS <= hour.hour]
        return self.hours[-1]


def open_account(price: HourlyPrice, now: float) -> GpuAccount:
    """An account that begins now."""
    return GpuAccount(price, begun_at=now, paid_until=now, since=now)


def _mean_usd(hours: list[_Hour]) -> float:
    """What an answer cost in these hours; where there was none, the next one bears them all."""
    return sum(hour.paid_usd for hour in hours) / max(1, sum(hour.answers for hour in hours))
