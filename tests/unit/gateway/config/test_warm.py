"""The settings of servers that have to be warm."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from gateway.config.settings import Settings
from gateway.config.surroundings import surroundings
from gateway.config.warm import WarmSettings
from policies.warm_rule import WarmRule


def test_what_is_written_is_what_is_waited_for():
    """Of the one upstream that says so; of all others nothing is."""
    settings = Settings.model_validate(
        {
            "upstreams": {
                "openai": {"base_url": "https://api.openai.com/v1"},
                "tuned": {
                    "kind": "vllm", "base_url": "http://10.0.0.7:8000/v1",
                    "warm": {"replicas": 4, "within": "5m", "answer": "3s", "url": "http://127.0.0.1:9100/scale"},
                },
            }
        }
    )  # fmt: skip
    known = surroundings(settings).upstreams
    assert known["openai"].warm is None
    assert known["tuned"].warm == WarmRule(4, 300.0, 3.0, "http://127.0.0.1:9100/scale")
    assert WarmSettings().rule() == WarmRule()


@pytest.mark.parametrize(
    "wrong", [{"replicas": 0}, {"replicas": 65}, {"within": "0s"}, {"answer": "20m"}, {"urls": ""}]
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, object]):
    """Nobody, more than is sent at once, no time, or another name."""
    with pytest.raises(ValidationError):
        WarmSettings.model_validate(wrong)


def test_the_settings_load_no_decision():
    """Each process and each command reads settings: what decides, and all it needs, is not loaded for a few numbers."""
    told = "import sys, gateway.config.settings; print(*(name for name in sys.modules if name.startswith('policies.')))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert not {"policies.rollout", "policies.rules", "policies.first_sentence"} & set(done.stdout.split())
