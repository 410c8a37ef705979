"""What the admin API's pages answer."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict


class View(BaseModel):
    """What a page answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class VariantView(View):
    """One way to answer a route."""

    upstream: str
    model: str | None
    """None: what the app asked for."""
    revision: str | None


class RolloutView(View):
    """Where a route stands."""

    route: str
    mode: Literal["observe", "apply", "bypass"]
    baseline: VariantView
    candidate: VariantView | None
    weight: float
    """Share of eligible traffic the candidate answers, 0..1."""


class RolloutsView(View):
    """All routes, in matching order."""

    table_version: int
    lease_renewed_at: float
    killed: bool
    """Whether the kill file is there: then the baseline alone answers, whatever the weights say."""
    rollouts: list[RolloutView]


class KeyView(View):
    """A gateway key; the key itself is kept nowhere."""

    id: str
    name: str
    scopes: list[str]
    created_at: float
    revoked_at: float | None


class AuditView(View):
    """Who did what, when, and why."""

    at: float
    actor: str
    action: str
    subject: str
    reason: str


class Problem(View):
    """What went wrong and what to do."""

    message: str
    type: Literal["crossfade_error"] = "crossfade_error"
    param: None = None
    code: str


class ProblemView(View):
    """An error, in the shape OpenAI's API gives its own."""

    error: Problem


class ExchangeLine(View):
    """An exchange without its content."""

    id: str
    arrived_at: datetime
    """UTC."""
    route: str
    variant: str
    why: str
    reason: str
    upstream: str
    model_requested: str
    status: int
    outcome: str
    total_ms: float
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: float | None


class ExchangesView(View):
    """A page of exchanges, newest first."""

    exchanges: list[ExchangeLine]
    next_before: str | None
    """What `before` is for the next page; None: this is the last."""


class ExchangeView(View):
    """All that is kept of an exchange; the columns are those of docs/reference/records.md."""

    record: dict[str, str | int | float | bool | None]
