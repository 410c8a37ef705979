"""A ladder, its rules, and findings of gates and guards for the tests of rollouts."""

from policies.results import Alarm, GateResult, GuardResult, Results
from policies.rules import PPM, CandidateKey, Ladder, RollbackSettings, Rules, Stage
from policies.terms import Verdict

KEY = CandidateKey("vllm/triage-7b", "2026-11-18")
LADDER = Ladder(
    (
        Stage(0, min_units=100),
        Stage(50_000, min_units=100, hold_s=60.0, max_units=1000, max_s=600.0),
        Stage(500_000, approve="manual", hold_s=60.0),
        Stage(PPM, holdback_ppm=20_000, max_units=1000, max_s=600.0),
    )
)
SETTINGS = RollbackSettings(cooldown_s=100.0, quarantine_after=3, error_after_s=120.0)
RULES = Rules("triage", KEY, ladder=LADDER, rollback=SETTINGS)
PASSES = GateResult("quality", Verdict.PASS, "quality: certified")
WAITS = GateResult("errors", Verdict.INCONCLUSIVE, "errors: not certified yet")
HEALTHY = GuardResult("outputs", Verdict.PASS, "outputs: varied enough")
QUIET = Alarm("errors", 1.0, 4.0, raised=False, reason="detector errors: quiet")
GOOD = Results((PASSES,), (HEALTHY,), (QUIET,), units=100)
UNSURE = Results((PASSES, WAITS), (HEALTHY,), (QUIET,), units=100)
