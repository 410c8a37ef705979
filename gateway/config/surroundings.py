"""What the settings say that a policy depends on. Light: the supervisor, who reads no policy, hands it on."""

from gateway.config.settings import Settings
from policies.surroundings import KnownUpstream, Surroundings
from policies.upstream_kinds import KINDS


def surroundings(settings: Settings) -> Surroundings:
    """What the settings say that a policy depends on."""
    known = {name: _known(settings, name) for name in settings.upstreams}
    return Surroundings(known, has_keys=settings.keys.mode == "virtual")


def _known(settings: Settings, name: str) -> KnownUpstream:
    upstream, prices = settings.upstreams[name], settings.prices
    serving_key = upstream.api_key_file or upstream.api_key_env
    own_key = serving_key or upstream.background_key_file or upstream.background_key_env
    is_frontier = KINDS[upstream.kind].is_frontier  # others ask for no key, and only the settings know their price
    return KnownUpstream(
        has_background_key=bool(own_key) or not is_frontier,
        is_priced=is_frontier or name in prices.models or name in prices.candidate,
        is_hourly=name in prices.candidate,
        can_be_candidate=bool(serving_key) or not is_frontier,
        is_engine=KINDS[upstream.kind].is_engine,
        warm=upstream.warm and upstream.warm.rule(),
    )
