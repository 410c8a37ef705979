"""What the lot fell on, for tests."""

from typing import Any

import msgspec

from policies.routing import Variant
from records.comparison import Asked
from shadow.lanes import Drawn
from shadow.plan import ShadowRoute
from tests.fakes.exchanges import exchange

ROUTE = ShadowRoute(
    route="support",
    candidate_key="key-1",
    path=("/v1/chat/completions",),
    baseline=Variant("openai"),
    candidate=Variant("vllm", "tuned"),
    sample_ppm=500_000,
    reverse_ppm=50_000,
    noise_ppm=20_000,
    max_in_flight=2,
    queue=3,
    budget_usd_per_day=1.0,
    engine_waiting=4,
    compare=({"exact": {"normalize": True}},),
    metric="exact",
    folder=".",
)


def drawn(number: int = 1, asked: Asked = "candidate", route: ShadowRoute = ROUTE, **made: Any) -> Drawn:
    """One background call; `made` is of its exchange."""
    request, response = made.pop("request", None), made.pop("response", None)
    return Drawn(exchange(number, request, response, **made), asked, route)


def route(**fields: Any) -> ShadowRoute:
    return msgspec.structs.replace(ROUTE, **fields)
