"""What the tests of `crossfade policy` have in common: a folder of policies, pairs, and a decision that is kept."""

import json

import pytest

from gateway.cli.main import main
from policies import explain
from policies.compile import decision_rules
from policies.evidence import Evidence, EvidenceKey
from policies.pairs import read
from policies.review import Conditions, review
from policies.rollout import start, step
from tests.rooms.policy_files import READY, policy

SETTINGS = """\
upstreams:
  openai: {base_url: https://api.openai.com/v1, background_key_env: K}
  vllm: {kind: vllm, base_url: http://127.0.0.1:8000/v1}
prices: {candidate: {vllm: {gpu_usd_per_hour: 3.95}}}
"""


def ran(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """The exit code, data and talk of `crossfade policy …`."""
    code = main(["policy", *words])
    told = capsys.readouterr()
    return code, told.out, told.err


def pairs(count: int, *, q: float = 0.0, error: bool = False, **more: object) -> str:
    return "\n".join(
        json.dumps({"unit": f"u{n}", "q": q, "error_baseline": False, "error_candidate": error, **more})
        for n in range(count)
    )


def record(count: int) -> explain.DecisionRecord:
    """A decision on so many pairs of equal answers, as it is kept."""
    rules = decision_rules(policy(), READY)
    rollout = start(rules)
    evidence = Evidence(EvidenceKey(rules.route, rules.key.digest, 1, 0), rules)
    for line in pairs(count).splitlines():
        evidence.observe(read(line.encode())[0])
    evidence.close_all()
    seen = Conditions()
    decision = step(rollout, review(evidence, rollout, now=0.0, seen=seen), now=0.0)
    return explain.record(decision, evidence, seen, version="1")
