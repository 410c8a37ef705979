"""What the settings say of an upstream that has to be warm before it gets more traffic. Light: settings load it."""

import math
from dataclasses import dataclass

from policies.language.amounts import PPM


@dataclass(frozen=True, slots=True)
class WarmRule:
    """How many replicas are wanted, and how long they are waited for."""

    replicas: int = 1
    """For all of the route's traffic."""
    within_s: float = 600.0
    """Longest wait for them."""
    answer_s: float = 10.0
    """How soon each of the small requests has to be answered."""
    url: str = ""
    """Who is told how many are wanted; empty: the requests themselves are what scales it."""

    def wanted(self, served_ppm: int) -> int:
        """Replicas for this share of the traffic; one at least."""
        return max(1, math.ceil(self.replicas * served_ppm / PPM))

    def cold_s(self, weight_ppm: int) -> float:
        """How long its servers may take to start up before a failure counts: no time at all once apps are answered."""
        return 0.0 if weight_ppm else self.within_s
