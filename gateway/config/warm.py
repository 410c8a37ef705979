"""The settings of servers that have to be warm before they get more traffic."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from gateway.config.quantities import Url
from policies.language.amounts import Seconds
from policies.warm_rule import WarmRule

_DEFAULT = WarmRule()
"""The numbers stand there, once."""
MOST = 64
"""Requests that are sent at once to find out."""


class WarmSettings(BaseModel):
    """What must answer before a certificate raises the weight of a candidate served here. An operator's `promote` does
    not wait. While it has no traffic, a server that starts up after a pause is not counted as failing for so long.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    replicas: int = Field(default=_DEFAULT.replicas, ge=1, le=MOST)
    """For all of a route's traffic; a stage asks for its share of them, rounded up. That many small requests are sent
    at once, again and again, until all of them are answered: servers that scale by their load scale by these."""
    within: Annotated[Seconds, Field(gt=0, le=86_400)] = _DEFAULT.within_s
    """Longest wait. Then the weight stays, an alarm says so, and after the same time Crossfade tries once more."""
    answer: Annotated[Seconds, Field(gt=0, le=600)] = _DEFAULT.answer_s
    """Longest time for the answer to each of these requests."""
    url: Url | None = None
    """A URL that is told first, for servers that do not scale by load: it gets a POST of
    `{"upstream": …, "route": …, "replicas": N}`. It may be repeated, with the same meaning."""

    def rule(self) -> WarmRule:
        """The same as decisions go by it."""
        return WarmRule(self.replicas, self.within, self.answer, self.url or "")
