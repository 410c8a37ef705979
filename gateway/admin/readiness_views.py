"""What the admin API's page on readiness answers: `records.readiness`, as JSON."""

from typing import Literal

from pydantic import ConfigDict

from gateway.admin.views import PageView
from records.readiness import SignUnit


class SignView(PageView):
    """One signal, or one check."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)
    name: str
    reason: str
    value: float | None
    limit: float | None
    before: float | None
    """The same in the window's earlier half, and in its later one."""
    after: float | None
    holds: bool | None
    """Whether the signal is on, or the check holds; None: unknown."""
    unit: SignUnit | None
    """Of all its numbers; None: it has none."""


class ReadinessSavingView(PageView):
    """What servers of one's own would save, every hour charged; None: unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)
    reason: str
    baseline_usd_per_month: float | None
    candidate_usd_per_month: float | None
    saved_usd_per_month: float | None
    break_even_requests_per_month: float | None
    requests_per_month: float | None
    payback_months: float | None
    idle_share: float | None


class RetirementView(PageView):
    """When the provider turns the model off, beside when a fine-tune begun now would have all traffic."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)
    model: str
    shutdown_at: float | None
    days_left: float | None
    finish_at: float
    comes_first: bool


class ReadinessView(PageView):
    """Whether a route should be fine-tuned yet, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)
    route: str
    """`unrouted/` and eight hex digits: a kind of request that no policy has."""
    verdict: Literal["not yet", "prepare", "due"]
    reasons: tuple[str, ...]
    next: str
    """One command, or one thing to write."""
    signals: tuple[SignView, ...]
    checks: tuple[SignView, ...]
    saving: ReadinessSavingView
    retirement: RetirementView
    requests: int
    days: float
    """Of the window, since the first of them."""


class ReadinessListView(PageView):
    """Every route, and the dearest kinds of request without one."""

    routes: list[ReadinessView]
