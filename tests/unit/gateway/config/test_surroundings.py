"""What the settings say that a policy depends on."""

from gateway.config.settings import Settings
from gateway.config.surroundings import surroundings
from policies.surroundings import KnownUpstream


def test_settings_say_who_has_a_key_and_a_price():
    """A key of our own or an engine of our own may be asked unseen; an engine's price only the settings know."""
    url = "http://127.0.0.1/v1"
    settings = Settings.model_validate(
        {
            "upstreams": {
                "openai": {"base_url": url},
                "keyed": {"base_url": url, "background_key_env": "K"},
                "own": {"base_url": url, "api_key_env": "K"},
                "vllm": {"base_url": url, "kind": "vllm"},
                "priced": {"base_url": url, "kind": "vllm"},
            },
            "prices": {"candidate": {"priced": {"gpu_usd_per_hour": 1.0}}},
        }
    )

    assert not surroundings(settings).has_keys
    assert surroundings(settings).upstreams == {
        "openai": KnownUpstream(has_background_key=False, is_priced=True, can_be_candidate=False, is_engine=False),
        "keyed": KnownUpstream(has_background_key=True, is_priced=True, can_be_candidate=False, is_engine=False),
        "own": KnownUpstream(has_background_key=True, is_priced=True, is_engine=False),
        "vllm": KnownUpstream(has_background_key=True, is_priced=False),
        "priced": KnownUpstream(has_background_key=True, is_priced=True, is_hourly=True),
    }
