"""What holds for every decision, whoever made it."""

from policies.explain import text
from policies.results import Results
from policies.rollout import STOPPED, Decision, Rollout
from policies.rules import PPM, CandidateKey, Ladder, RollbackSettings, Rules, Stage
from policies.terms import Move, Outcome, Phase, Verdict

KEY = CandidateKey("vllm/a", "1")
STAGES = (
    Stage(0, max_units=400),
    Stage(50_000, hold_s=120.0, max_units=400),
    Stage(PPM, holdback_ppm=20_000, approve="manual"),
)
RULES = Rules(
    "r",
    KEY,
    ladder=Ladder(STAGES),
    rollback=RollbackSettings(cooldown_s=180.0, quarantine_after=2, error_after_s=120.0, trial=20, trial_s=180.0),
)


def certified(before: Rollout, found: Results) -> bool:
    """Whether, spelled out anew, everything that advancing needs is there."""
    wanted = [gate for gate in found.gates if gate.required]
    return bool(
        wanted
        and all(gate.verdict is Verdict.PASS for gate in wanted)
        and all(guard.verdict is Verdict.PASS for guard in found.guards if guard.required)
        and not any(gate.verdict is Verdict.FAIL for gate in found.gates)
        and not any(guard.verdict is Verdict.FAIL for guard in found.guards)
        and not any(alarm.raised for alarm in found.alarms)
        and not found.fault
        and not found.unhealthy
        and found.units >= before.at.min_units
    )


def tried(before: Rollout, after: Rollout, found: Results) -> bool:
    """Whether, spelled out anew, everything that coming back from a suspension needs is there."""
    return bool(
        before.phase is Phase.SUSPENDED
        and before.settings.trial
        and found.tried >= before.settings.trial
        and after.suspended_ago_s[-1] >= before.settings.calm_s
        and not any(each.verdict is Verdict.FAIL for each in (*found.gates, *found.guards))
        and not any(alarm.raised for alarm in found.alarms)
        and not found.fault
        and not found.unhealthy
    )


def check_suspension(before: Rollout, decision: Decision, found: Results) -> None:
    """What an alarm may do, and no more than that."""
    after = decision.rollout
    ill = bool(found.unhealthy or any(alarm.raised for alarm in found.alarms))
    if before.weight_ppm and ill:
        assert after.weight_ppm == 0
        assert decision.outcome in {Outcome.ROLLBACK, Outcome.SUSPEND}
    if before.phase is Phase.SUSPENDED and ill:
        assert decision.outcome is Outcome.ROLLBACK
    if decision.outcome is Outcome.SUSPEND:
        assert ill
        assert len(after.suspended_ago_s) <= before.settings.suspensions
        assert (after.stage, after.attempt, after.epoch) == (before.stage, before.attempt, before.epoch)


def check_slices(before: Rollout, decision: Decision, found: Results | None) -> None:
    """Where slices move alone none has traffic without its certificate, and only another attempt takes that back."""
    after, joined = decision.rollout, decision.move is Move.JOIN
    old, new = before.held.moving, after.held.moving
    if after.ladder.moves_by and after.weight_ppm:
        assert new
    if joined:
        assert found is not None
        assert (after.weight_ppm, after.stage, after.phase) == (before.weight_ppm, before.stage, before.phase)
        assert new[: len(old)] == old
        assert len(new) > len(old)
        assert len(set(new)) == len(new)
        assert set(new[len(old) :]) <= set(found.joins) & set(after.drawn)
        assert not found.fault
        assert not found.unhealthy
        assert not any(alarm.raised for alarm in found.alarms)
        assert all(guard.verdict is Verdict.PASS for guard in found.guards if guard.required)
        assert not any(gate.verdict is Verdict.FAIL for gate in found.gates)
        assert before.phase in {Phase.SHADOW, Phase.CANARY, Phase.APPROVING, Phase.PROMOTED}
    elif new != old:
        assert new == ()
        assert after.weight_ppm == 0
        is_other = (after.key, after.attempt) != (before.key, before.attempt)
        assert is_other or after.ladder.moves_by != before.ladder.moves_by
    if before.drawn and after.drawn != before.drawn:
        assert after.held.moving == ()
        assert after.weight_ppm == 0


def check(before: Rollout, decision: Decision, found: Results | None, *, told: bool = True) -> None:
    """What holds for every decision, whoever made it; `told`: that it is explained in its own words, too."""
    after = decision.rollout
    raised = after.weight_ppm > before.weight_ppm
    if raised:
        assert decision.move in {Move.ADVANCE, Move.RETURN}
        assert before.held.moving or not before.ladder.moves_by
        assert after.stage == before.stage + (decision.move is Move.ADVANCE)
        assert decision.rule in ({"certified", "operator"} if decision.move is Move.ADVANCE else {"trial"})
        assert before.phase not in STOPPED
        if decision.move is Move.RETURN:
            assert found is not None
            assert tried(before, after, found)
            assert after.attempt == before.attempt
        if decision.rule == "certified":
            assert found is not None
            assert certified(before, found)
            assert after.at.approve == "auto"
            assert before.phase in {Phase.SHADOW, Phase.CANARY}
    if after.phase in STOPPED or after.phase in {Phase.SHADOW, Phase.SUSPENDED}:
        assert after.weight_ppm == 0
    assert (after.held.watch % 2 == 1) is (after.phase is Phase.SUSPENDED)
    if found is not None and before.phase not in STOPPED:
        harmed = any(each.verdict is Verdict.FAIL for each in (*found.gates, *found.guards))
        if harmed:
            assert after.weight_ppm == 0
            assert decision.outcome in {Outcome.ROLLBACK, Outcome.REJECTED}
        else:
            check_suspension(before, decision, found)
    check_slices(before, decision, found)
    if before.phase in {Phase.REJECTED, Phase.QUARANTINED} and found is not None:
        assert after.phase is before.phase
    assert decision.reason
    assert decision.before == before
    if told:
        explained = text(decision)
        assert str(decision.outcome) in explained
        assert decision.reason in explained
