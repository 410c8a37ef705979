"""The routing table as settings, routes and keys make it."""

from pathlib import Path

import pytest

from gateway.config.settings import Settings, Upstream
from gateway.control.publish.table import base_table, litellm_socket, table_with
from policies.routing import IDLE_S, PPM, Key, Route, Table, Variant
from policies.upstream_kinds import ENGINE_IDLE_S

SOCKETS = Path("/run/crossfade")
OPENAI = Upstream(base_url="https://api.openai.com/v1")
LITELLM = Upstream(kind="litellm", model="anthropic/a", api_key_env="SECRET")
KEYS = (Key("a" * 64, "k1", "app"),)


def base(lease_expired: str = "keep", **upstreams: Upstream) -> Table:
    settings = Settings(upstreams={"openai": OPENAI, **upstreams}, lease_expired=lease_expired)
    return base_table(settings, SOCKETS)


def route(name: str, weight_ppm: int) -> Route:
    return Route(name, Variant("openai"), candidate=Variant("vllm", "tuned"), weight_ppm=weight_ppm)


def test_settings_alone_route_nothing() -> None:
    """Every upstream is there by its name, and no route, key or version yet."""
    found = base(vllm=Upstream(kind="vllm", base_url="http://127.0.0.1:8000/v1"))
    assert [(each.name, each.kind) for each in found.upstreams] == [("openai", "openai"), ("vllm", "vllm")]
    assert (found.version, found.routes, found.keys, found.default_upstream) == (0, (), (), "openai")


@pytest.mark.parametrize(
    ("fields", "idle_s"),
    [({"kind": "vllm"}, ENGINE_IDLE_S), ({"kind": "vllm", "idle": "9s"}, 9.0), ({"kind": "openai"}, IDLE_S)],
)
def test_an_engines_connections_are_given_up_before_it_closes_them(fields: dict[str, object], idle_s: float) -> None:
    """An engine's default is shorter than its own; what is set counts; others keep theirs."""
    other = Upstream.model_validate({"base_url": "http://127.0.0.1:8000/v1"} | fields)
    assert base(other=other).upstreams[1].idle_s == idle_s


def test_a_litellm_upstream_is_a_socket_of_its_own() -> None:
    """It is reached by a short path that no other name has, and its key is not in the table."""
    found = base(claude=LITELLM).upstreams[1]
    assert found.uds == str(litellm_socket(SOCKETS, "claude")) != str(litellm_socket(SOCKETS, "claude2"))
    assert len(litellm_socket(SOCKETS, "n" * 500).name) < 30
    assert (found.api_key_env, found.api_key_file) == (None, None)


@pytest.mark.parametrize(
    ("weights", "promoted", "on_expiry"),
    [
        ({"a": PPM}, {"a"}, "keep"),
        ({"a": PPM, "b": 10_000}, {"a"}, "baseline"),
        ({"a": PPM, "b": 0}, {"a"}, "keep"),
        ({"a": PPM}, set(), "baseline"),
        ({}, set(), "keep"),
    ],
)
def test_an_expired_lease_is_kept_to_only_where_nothing_climbs(
    weights: dict[str, int], promoted: set[str], on_expiry: str
) -> None:
    """With one candidate on its way up, a table that is no longer vouched for means the baseline."""
    routes = tuple(route(name, weight_ppm) for name, weight_ppm in weights.items())
    found = table_with(base("keep"), routes, KEYS, promoted)
    assert (found.lease.on_expiry, found.routes, found.keys) == (on_expiry, routes, KEYS)
    assert table_with(base("baseline"), routes, KEYS, promoted).lease.on_expiry == "baseline"
