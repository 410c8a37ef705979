"""Events and evidence as tests need them."""

from dataclasses import replace

from policies.events import Output, PairEvent
from policies.evidence import Evidence, EvidenceKey
from policies.rules import CandidateKey, Gates, Latency, Rules, Validity
from policies.terms import Owner

KEY = CandidateKey("vllm/triage-7b", "2026-11-18")
RULES = Rules("triage", KEY, Gates(validity=Validity(), latency=Latency(warmup=0, limit_s=0.8)))
GOOD = PairEvent("u", 0.0, q=0.0, error_candidate=False, error_baseline=False)


def pair(unit: str = "u", at: float = 0.0, **more: object) -> PairEvent:
    """A pair both of whose answers came; `more` changes fields."""
    return replace(GOOD, unit=unit, at=at, **more)  # pyright: ignore[reportArgumentType]


def own(owner: Owner, unit: str = "u", at: float = 0.0, **more: object) -> PairEvent:
    """A request that only its own variant answered."""
    error = {"error_candidate": False} if owner is Owner.CANDIDATE else {"error_baseline": False}
    return PairEvent(unit, at, owner=owner, **error | more)  # pyright: ignore[reportArgumentType]


def answer(text: str = "a", *flags: str) -> Output:
    """An answer as the guards see it."""
    return Output(text, len(text), flags)


def evidence(rules: Rules = RULES, weight_ppm: int = 0) -> Evidence:
    """Empty evidence of one stage."""
    return Evidence(EvidenceKey(rules.route, rules.key.digest, 1, weight_ppm), rules)


def filled(events: list[PairEvent], rules: Rules = RULES, weight_ppm: int = 0) -> Evidence:
    """Evidence of units that are all over."""
    found = evidence(rules, weight_ppm)
    for event in events:
        found.observe(event)
    found.close_all()
    return found
