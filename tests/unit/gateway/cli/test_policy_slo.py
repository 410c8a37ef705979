"""`crossfade policy slo`, called as the command line calls it."""

import json
from pathlib import Path

import pytest
import yaml

from tests.rooms.cli_policies import ran
from tests.rooms.policy_files import written

pytestmark = pytest.mark.usefixtures("place")


def test_it_prints_a_rules_file(capsys: pytest.CaptureFixture[str]):
    """YAML with one objective, the same bytes each time; what promises no time is said beside it."""
    code, out, err = ran(capsys, "slo")

    assert code == 0
    assert ran(capsys, "slo")[1] == out
    groups = yaml.safe_load(out)["groups"]
    assert [group["name"].removeprefix("sloth-slo-") for group in groups] == [
        f"{kind}-crossfade-support-triage-availability" for kind in ("sli-recordings", "meta-recordings", "alerts")
    ]
    assert err.splitlines() == [
        "support-triage: ttft_p95 of 1.2x the baseline's is no objective: it promises apps no time",
        "1 objective",
    ]
    assert json.loads(ran(capsys, "slo", "--json")[1]) == {"groups": groups}


def test_a_limit_between_two_buckets_is_refused(capsys: pytest.CaptureFixture[str]):
    """With its place and the edges beside it; `--nearest` counts at the nearest, and says so."""
    Path("policies/triage.yaml").write_text(written("gates: {latency: {ttft_p95: 800ms}}"))

    code, out, err = ran(capsys, "slo")

    assert (code, out) == (1, "")
    assert "triage.yaml:7:" in err and "no bucket of the histogram ends at 0.8s" in err
    assert "hint: `--nearest` counts at 0.75s, and says so; or state 0.75s or 1s" in err

    code, out, err = ran(capsys, "slo", "--nearest")

    assert code == 0
    assert 'le="0.75"' in out and "later than 0.75s" in out
    assert "support-triage: ttft-p95 is counted at 0.75s, the policy says 0.8s" in err
