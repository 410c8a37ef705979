"""The settings of `crossfade readiness`: what an operator states of the business, and where each verdict turns."""

from datetime import date
from typing import Annotated

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from policies.language.amounts import Fraction, Seconds
from records.gpu_hours import HourlyPrice
from records.readiness import ReadinessTerms

_DEFAULT = ReadinessTerms()
"""The numbers stand there, once."""
_Usd = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
_Score = Annotated[float, Field(gt=0.0, le=2.0)]
_Count = Annotated[int, Field(ge=1)]


class ReadinessInputs(msgspec.Struct, frozen=True):
    """What is stated, in a form that a process can be handed."""

    terms: ReadinessTerms = ReadinessTerms()
    routes: dict[str, ReadinessTerms] = {}
    hourly: tuple[HourlyPrice, ...] = ()
    shutdown: dict[str, str] = {}
    policies: str = ""
    """The policies' folder; empty: none."""


class RouteReadiness(BaseModel):
    """Settings for one route."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    window: Seconds = _DEFAULT.window_s
    """How far back to look."""
    revenue_usd_per_month: _Usd | None = None
    """Monthly revenue of the product that the route belongs to."""
    revenue_share: Fraction = _DEFAULT.revenue_share
    """Share of that revenue; a higher spend is a signal."""
    budget_usd_per_month: _Usd | None = None
    """A higher spend is a signal."""
    first_byte_p95: Seconds | None = None
    """The objective for streams: a later first token, at p95, is a signal."""
    total_p95: Seconds | None = None
    """The objective for complete answers, at p95."""
    tokens_per_s: Annotated[float, Field(gt=0.0)] | None = None
    """The objective for streams: a lower median is a signal."""
    turned_away: Fraction = _DEFAULT.turned_away
    """A higher share of requests that the upstream answers with 429 is a signal."""
    improvement: _Score = _DEFAULT.improvement
    """What a new prompt must gain, on a scale of -1 to 1; proved to be less, it is a plateau."""
    examples: _Count = _DEFAULT.examples
    """Different prompts with a complete answer that a fine-tune needs."""
    distinct: Fraction = _DEFAULT.distinct
    """Share of the prompts that must be different."""
    votes: _Count = _DEFAULT.votes
    """Votes and corrections that replace an evaluator."""
    prompt_still: Seconds = _DEFAULT.prompt_still_s
    """How long the system prompt must have been unchanged."""
    eval_rows: _Count = _DEFAULT.eval_rows
    """Questions that an evaluation set must have."""
    training_usd: _Usd | None = None
    """Cost of a fine-tune, to compute when it has paid for itself."""
    finish: Seconds = _DEFAULT.finish_s
    """Time from the start of a fine-tune until it answers everything; compared with the model's retirement."""


class ReadinessSettings(RouteReadiness):
    """When a route is due for a fine-tune. Numbers here hold for every route."""

    routes: dict[str, RouteReadiness] = {}
    """What is otherwise for one route."""
    shutdown: dict[str, date] = {}
    """Model -> the date its provider turns it off; default: what the last recorded `GET /v1/models` said."""

    def inputs(self, hourly: tuple[HourlyPrice, ...], policies: str) -> ReadinessInputs:
        """The inputs of `records.readiness`: these settings, the servers' prices and the policies' folder."""
        routes = {route: self.terms(route) for route in self.routes}
        days = {model: day.isoformat() for model, day in self.shutdown.items()}
        return ReadinessInputs(self.terms(""), routes, hourly, days, policies)

    def terms(self, route: str) -> ReadinessTerms:
        """What holds for a route."""
        own = self.routes.get(route)
        stated = {name: getattr(self, name) for name in RouteReadiness.model_fields}
        if own is not None:
            stated |= {name: getattr(own, name) for name in own.model_fields_set}
        return ReadinessTerms(**{_SECONDS.get(name, name): value for name, value in stated.items()})


_SECONDS = {name: f"{name}_s" for name in ("window", "first_byte_p95", "total_p95", "prompt_still", "finish")}
"""Names in the settings have no unit: the value has."""
