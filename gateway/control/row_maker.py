"""How rows are made of exchanges here: by which prices, redacted how. The recorder and the shadow share it."""

from collections.abc import Mapping

from gateway.control.row_inputs import RowInputs
from policies import routing
from policies.upstream_kinds import ENGINES
from records.pricing import Override, PriceBook
from records.record_maker import RecordMaker, RoutePrices
from records.redact import redactor_for
from shadow.plan import ShadowPlan


def maker_for(
    terms: RowInputs,
    table: routing.Table | None,
    usd_per_answer: Mapping[str, float | None] | None = None,
    plan: ShadowPlan | None = None,
) -> RecordMaker:
    """The maker of rows; without a table nobody's prices are known but the overrides'.

    `usd_per_answer`: of upstreams that are paid by the hour, what an answer costs of late; who is not there is unknown.
    `plan`: whom the shadow asks, by rollout: of several candidates the table knows the one that serves, at most.
    """
    overrides = tuple(
        Override(one.upstream, one.model, one.prompt_usd, one.completion_usd, one.cached_usd, one.cache_write_usd)
        for one in terms.prices
    )
    urls = {upstream.name: upstream.base_url for upstream in table.upstreams} if table else {}
    return RecordMaker(
        pepper=bytes.fromhex(terms.pepper),
        redactor=redactor_for(terms.redact),
        prices=PriceBook(
            urls,
            overrides,
            {one.upstream: (usd_per_answer or {}).get(one.upstream) for one in terms.hourly},
            {upstream.name for upstream in table.upstreams if upstream.kind in ENGINES} if table else (),
        ),
        route_prices={**_plan_prices(plan), **_route_prices(table)} if table else {},
        sample_ppm=terms.sample_ppm,
        honor_store_false=terms.honor_store_false,
    )


def _plan_prices(plan: ShadowPlan | None) -> dict[str, RoutePrices]:
    return {
        each.route: RoutePrices(
            each.baseline.upstream, each.baseline.model, each.candidate.model, each.candidate.upstream
        )
        for each in (plan.routes if plan is not None else ())
    }


def _route_prices(table: routing.Table) -> dict[str, RoutePrices]:
    found = {"": RoutePrices(table.default_upstream)}
    for route in table.routes:
        candidate = route.candidate
        found[route.name] = RoutePrices(
            route.baseline.upstream,
            route.baseline.model,
            candidate.model if candidate is not None else None,
            candidate.upstream if candidate is not None else "",
        )
    return found
