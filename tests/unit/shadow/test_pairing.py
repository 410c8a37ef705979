"""What an exchange, and what was asked beside it, tell the core."""

import math
from dataclasses import replace

import msgspec
import pytest

from policies.events import AlsoScored, Output, PairEvent
from policies.liveness import AssignedOutcome, ServiceReport
from policies.terms import Owner
from records.comparison import Asked, Comparison
from records.exchange import Attempt
from shadow.pairing import BEHIND, event_of, joined, service_of
from tests.fakes.exchanges import AT, exchange

KEY = "0123456789ab"
UNIT = "ab" * 8


ASKED = Attempt("candidate", "vllm", error="first_byte_timeout")
WAITED = Attempt("candidate", "vllm", error="app_gone_waiting")
DRIPPED = Attempt("candidate", "vllm", 200, "too_slow")


def alone(**meta: object) -> PairEvent:
    found = event_of(exchange(1, unit=UNIT, first_byte_s=0.25, total_s=0.5, **meta).meta)
    assert found is not None
    return found


def row(asked: Asked = "candidate", **fields: object) -> Comparison:
    made: dict[str, object] = {
        "exchange_id": "x", "asked": asked, "route": "support", "unit": UNIT, "candidate_key": KEY, "compared_us": 1,
        "p_mirror": 1.0, "came": "answered",
    }  # fmt: skip
    return msgspec.convert({**made, **fields}, Comparison)


SCORED = {
    "q": 0.5, "p_sample": 0.25, "agree": 0.75, "valid_candidate": True, "valid_baseline": False, "abstained": False,
    "first_byte_ms": 100.0, "total_ms": 300.0, "cost_usd": 0.01, "cost_served_usd": 0.02,
    "output_candidate_json": '{"digest":"c","length":3,"flags":["loop"]}',
    "output_baseline_json": '{"digest":"b","length":2}',
}  # fmt: skip
OUTPUTS = {"output_candidate": Output("c", 3, ("loop",)), "output_baseline": Output("b", 2)}


def test_what_is_no_evidence() -> None:
    """An app's repeat, a pinned request, a mistake of the app's, one the candidate was to answer and could not."""
    gone = {"outcome": "app_gone"}
    for fields in (
        gone | {"retry_count": 1},
        gone | {"why": "pinned"},
        gone | {"why": "killed"},
        {"why": "pinned"},
        {"status": 400},
        {"retry_count": 2},
    ):
        assert event_of(exchange(1, unit=UNIT, **fields).meta) is None


BASE = PairEvent(UNIT, AT, exchange(1).meta.id)


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ({}, {"error_baseline": False, "ttft_baseline_s": 0.25, "total_baseline_s": 0.5}),
        ({"why": "slice"}, {"error_baseline": False, "ttft_baseline_s": 0.25, "total_baseline_s": 0.5, "stays": True}),
        ({"why": "tool_loop"}, {"error_baseline": False, "ttft_baseline_s": 0.25, "total_baseline_s": 0.5}),
        ({"status": 500}, {"error_baseline": True}),
        ({"status": 429}, {"error_baseline": True}),
        ({"outcome": "upstream_broken"}, {"error_baseline": True}),
        ({"outcome": "upstream_error", "variant": "gateway", "status": 502}, {"error_baseline": True}),
        (
            {"variant": "candidate"},
            {"owner": Owner.CANDIDATE, "error_candidate": False, "ttft_candidate_s": 0.25, "total_candidate_s": 0.5},
        ),
        ({"variant": "candidate", "outcome": "upstream_broken"}, {"owner": Owner.CANDIDATE, "error_candidate": True}),
        (
            {"why": "fallback", "reason": "timeout"},
            {
                "owner": Owner.CANDIDATE, "error_candidate": True, "error_baseline": False, "ttft_candidate_s": 0.25,
                "total_candidate_s": 0.5,
            },
        ),
        (
            {"why": "fallback", "status": 503},
            {"owner": Owner.CANDIDATE, "error_candidate": True, "error_baseline": True},
        ),
        *[
            ({"why": why}, {"owner": Owner.CANDIDATE, "error_baseline": False})
            for why in ("unverified", "reverify", "killed", "lease", "observe")
        ],
        ({"why": "busy"}, {"owner": Owner.CANDIDATE, "error_baseline": False, "busy": True}),
        *[
            (
                {"why": "breaker", "status": status},
                {"owner": Owner.CANDIDATE, "error_candidate": True, "error_baseline": status >= 400},
            )
            for status in (200, 500)
        ],
        (
            {"outcome": "upstream_error", "variant": "gateway", "status": 504, "attempts": [ASKED]},
            {"owner": Owner.CANDIDATE, "error_candidate": True},
        ),
        (
            {"outcome": "app_gone", "variant": "candidate", "status": 0, "attempts": [WAITED]},
            {"owner": Owner.CANDIDATE, "error_candidate": True},
        ),
        (
            {"outcome": "app_gone", "why": "fallback", "reason": "first_byte_timeout", "attempts": [ASKED]},
            {"owner": Owner.CANDIDATE, "error_candidate": True},
        ),
    ],
)  # fmt: skip
def test_an_exchange_by_itself(meta: dict[str, object], expected: dict[str, object]) -> None:
    """Whose it was, who failed, and how long the app waited for whom."""
    assert alone(**meta) == replace(BASE, **expected)


@pytest.mark.parametrize(
    ("meta", "left", "first_s"),
    [
        ({}, "reading", 0.25),
        ({"first_byte_s": None}, "waiting", 0.5),
        ({"status": 0, "first_byte_s": None}, "waiting", 0.5),
    ],
)
def test_an_app_that_hung_up_tells_how_long_it_stayed(meta: dict[str, object], left: str, first_s: float) -> None:
    """Nobody failed: before the first byte it waited at least so long, and while it read the first byte was there."""
    gone = {"outcome": "app_gone", "first_byte_s": 0.25, "total_s": 0.5} | meta
    found = event_of(exchange(1, unit=UNIT, **gone).meta)
    assert found == replace(BASE, left=left, ttft_baseline_s=first_s, total_baseline_s=0.5)  # pyright: ignore[reportArgumentType]
    asked = Attempt("candidate", "vllm", error="app_gone")
    found = event_of(exchange(1, unit=UNIT, variant="candidate", attempts=[asked], **gone).meta)
    owned = replace(BASE, owner=Owner.CANDIDATE, left=left, ttft_candidate_s=first_s, total_candidate_s=0.5)  # pyright: ignore[reportArgumentType]
    assert found == owned


@pytest.mark.parametrize(
    ("came", "expected"),
    [
        ("skipped", {"skipped": "budget"}),
        ("dropped", {"error_candidate": False, "dropped": True, "unasked": True}),
        ("failed", {"error_candidate": True}),
        ("timed_out", {"error_candidate": True}),
    ],
)
def test_a_mirror_without_an_answer(came: str, expected: dict[str, object]) -> None:
    """Failures are the candidate's errors, a lost one its loss, and one that was not asked says why."""
    (event,) = joined(alone(), ("candidate",), {"candidate": row(came=came, reason="budget", **SCORED)}, KEY)
    assert event == replace(alone(), **expected)


def test_a_mirror_that_answered() -> None:
    """Scores, validity, costs and outputs come from the comparison, the candidate's times beside the app's own."""
    (event,) = joined(alone(), ("candidate",), {"candidate": row(**SCORED)}, KEY)
    assert event == replace(
        alone(), error_candidate=False, q=0.5, p_sample=0.25, agree=0.75, valid_candidate=True, valid_baseline=False,
        ttft_candidate_s=0.1, total_candidate_s=0.3, cost_candidate_usd=0.01, cost_baseline_usd=0.02, **OUTPUTS,
    )  # fmt: skip


def test_a_reverse_shadow() -> None:
    """Beside the candidate's own exchange the baseline is the one that was asked: its times and cost are the row's."""
    own = alone(variant="candidate")
    (event,) = joined(own, ("baseline",), {"baseline": row("baseline", **SCORED)}, KEY)
    assert event == replace(
        own, error_baseline=False, q=0.5, p_sample=0.25, agree=0.75, valid_candidate=True, valid_baseline=False,
        ttft_baseline_s=0.1, total_baseline_s=0.3, cost_candidate_usd=0.02, cost_baseline_usd=0.01, **OUTPUTS,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("came", "expected"),
    [
        ("failed", {"error_baseline": True}),
        ("timed_out", {"error_baseline": True}),
        ("dropped", {"dropped": True}),
        ("skipped", {"skipped": "budget"}),
    ],
)
def test_a_reverse_shadow_without_an_answer(came: str, expected: dict[str, object]) -> None:
    """A baseline that fails in the background is the baseline's failure; one that was lost is nobody's."""
    own = alone(variant="candidate")
    (event,) = joined(own, ("baseline",), {"baseline": row("baseline", came=came, reason="budget")}, KEY)
    assert event == replace(own, **expected)


def test_what_never_came() -> None:
    """What nobody heard of is lost, and held against nobody."""
    assert joined(alone(), ("candidate", "baseline_again"), {}, KEY) == (replace(alone(), dropped=True, again=True),)
    own = alone(variant="candidate")
    assert joined(own, ("baseline",), {}, KEY) == (replace(own, dropped=True),)


def test_another_candidates_comparison() -> None:
    """A comparison of an earlier revision says nothing of this one."""
    rows = {"candidate": row(**{**SCORED, "candidate_key": "other"}, control=True)}
    assert joined(alone(), ("candidate",), rows, KEY) == (alone(),)


def test_the_noise_floor_rides_along() -> None:
    """The likeness of the baseline to itself joins the pair's own."""
    rows = {"candidate": row(**SCORED), "baseline_again": row("baseline_again", agree=0.9)}
    (event,) = joined(alone(), ("candidate", "baseline_again"), rows, KEY)
    assert (event.agree, event.agree_again, event.q) == (0.75, 0.9, 0.5)


@pytest.mark.parametrize("last", ["candidate", "baseline_again"])
def test_likeness_of_all_three_answers(last: str) -> None:
    """Whichever background answer came last knows how alike it is to the other; what asking twice cost is known too."""
    rows: dict[Asked, Comparison] = {
        "candidate": row(agree=0.75, agree_other=0.25 if last == "candidate" else None),
        "baseline_again": row(
            "baseline_again", agree=0.5, cost_usd=0.01, agree_other=0.25 if last != "candidate" else None
        ),
    }
    (event,) = joined(alone(), ("candidate", "baseline_again"), rows, KEY)
    assert (event.again, event.agree, event.agree_again, event.agree_cross) == (True, 0.75, 0.5, 0.25)
    assert event.cost_again_usd == 0.01


def test_likeness_beside_the_candidates_own_answer() -> None:
    """Both of the baseline's answers came in the background: how alike they are is the floor."""
    own = alone(variant="candidate", attempts=[Attempt("candidate", "vllm")])
    rows: dict[Asked, Comparison] = {
        "baseline": row("baseline", agree=0.75),
        "baseline_again": row("baseline_again", agree=0.5, agree_other=0.9),
    }
    (event,) = joined(own, ("baseline", "baseline_again"), rows, KEY)
    assert (event.again, event.agree, event.agree_again, event.agree_cross) == (True, 0.75, 0.9, 0.5)


def test_a_second_answer_that_was_not_asked_for_was_not_drawn() -> None:
    """Skipped for want of a key or of money, it says nothing; failed, it leaves the pair without a verdict."""
    for came, again in (("skipped", False), ("failed", True)):
        rows: dict[Asked, Comparison] = {
            "candidate": row(agree=1.0),
            "baseline_again": row("baseline_again", came=came),
        }
        (event,) = joined(alone(), ("candidate", "baseline_again"), rows, KEY)
        assert (event.again, event.agree_again) == (again, None)


def test_a_hidden_control_is_an_event_of_its_own() -> None:
    """Whether the judge knew what is known is told apart from the pair it rode along with."""
    event, control = joined(alone(), ("candidate",), {"candidate": row(**SCORED, control=False)}, KEY)
    assert event.control is None
    assert (control.control, control.unit, control.paired, control.q) == (False, UNIT, False, None)


@pytest.mark.parametrize(
    ("fields", "times"),
    [
        ({"timing_void": True}, (None, None)),
        ({"first_byte_ms": None}, (0.3, 0.3)),
        ({"first_byte_ms": None, "total_ms": None}, (None, None)),
        ({"first_byte_ms": math.nan, "total_ms": math.inf}, (None, None)),
    ],
)
def test_times_of_a_background_answer(fields: dict[str, object], times: tuple[float | None, float | None]) -> None:
    """Times taken while the shadow was busy do not count; an answer in one piece has its first byte with its last."""
    (event,) = joined(alone(), ("candidate",), {"candidate": row(**{**SCORED, **fields})}, KEY)
    assert (event.ttft_candidate_s, event.total_candidate_s) == times


def test_numbers_that_are_none() -> None:
    """What is no number, or no output, is not measured."""
    odd = {**SCORED, "q": math.nan, "cost_usd": math.inf, "output_candidate_json": "{", "output_baseline_json": ""}
    (event,) = joined(alone(), ("candidate",), {"candidate": row(**odd)}, KEY)
    assert (event.q, event.cost_candidate_usd, event.output_candidate, event.output_baseline) == (None,) * 4


BY_CANDIDATE = {"variant": "candidate", "attempts": [Attempt("candidate", "vllm", 200)]}


@pytest.mark.parametrize(
    ("meta", "service", "word", "is_failed_baseline"),
    [
        ({}, None, "", False),
        ({"status": 500}, None, "", True),
        ({"outcome": "app_gone"}, None, "", None),
        ({"status": 400}, None, "", None),
        (BY_CANDIDATE, AssignedOutcome.ANSWERED, "", None),
        (BY_CANDIDATE | {"retry_count": 2}, AssignedOutcome.ANSWERED, "", None),
        (BY_CANDIDATE | {"outcome": "app_gone"}, AssignedOutcome.ANSWERED, "", None),
        ({"variant": "candidate", "attempts": [DRIPPED]}, AssignedOutcome.FAILED, "too_slow", None),
        (BY_CANDIDATE | {"outcome": "app_gone", "first_byte_s": None}, AssignedOutcome.LEFT, "app_gone", None),
        (BY_CANDIDATE | {"outcome": "lost_worker"}, None, "", None),
        (BY_CANDIDATE | {"outcome": "upstream_broken"}, AssignedOutcome.FAILED, "upstream_broken", None),
        (
            {"variant": "candidate", "outcome": "app_gone", "status": 0, "attempts": [WAITED]},
            AssignedOutcome.FAILED, "app_gone_waiting", None,
        ),
        (
            {"variant": "gateway", "outcome": "upstream_error", "status": 504, "attempts": [ASKED]},
            AssignedOutcome.FAILED, "first_byte_timeout", None,
        ),
        ({"why": "fallback", "reason": "refused"}, AssignedOutcome.FAILED, "refused", False),
        ({"why": "fallback", "reason": "refused", "status": 502}, AssignedOutcome.FAILED, "refused", True),
        ({"why": "breaker"}, AssignedOutcome.FAILED, "breaker", False),
        ({"why": "breaker", "outcome": "app_gone"}, AssignedOutcome.FAILED, "breaker", None),
        ({"why": "busy"}, AssignedOutcome.BUSY, "busy", False),
        ({"why": "busy", "reason": "saturated"}, AssignedOutcome.BUSY, "saturated", False),
        ({"why": "busy", "reason": "no_socket"}, None, "", False),
        ({"why": "killed"}, None, "", False),
        ({"why": "unverified"}, None, "", False),
    ],
)  # fmt: skip
def test_who_served(
    meta: dict[str, object], service: AssignedOutcome | None, word: str, is_failed_baseline: object
) -> None:
    """Whoever was asked is charged with what came of it, and what the candidate was not to be asked is nobody's."""
    told = service_of(exchange(1, unit=UNIT, **{"first_byte_s": 0.25, "total_s": 0.5, **meta}).meta)
    assert told is not None
    assert (told.service, told.word, told.is_failed_baseline) == (service, word, is_failed_baseline)


@pytest.mark.parametrize("is_empty", [True, False])
def test_an_answer_with_nothing_in_it_is_told(*, is_empty: bool) -> None:
    """It counts as an answer, and the leader hears that there was nothing in it."""
    answered = Attempt("candidate", "vllm", 200, is_empty=is_empty)
    told = service_of(exchange(1, unit=UNIT, **BY_CANDIDATE | {"attempts": [answered]}).meta)
    assert told is not None
    assert (told.service, told.is_empty) == (AssignedOutcome.ANSWERED, is_empty)


def test_how_fast_the_baseline_is() -> None:
    """Only its own good answers tell, and streams apart: a fallback's time holds the wait for the candidate."""

    def told(**meta: object) -> ServiceReport:
        found = service_of(exchange(1, unit=UNIT, first_byte_s=0.25, total_s=0.5, **meta).meta)
        assert found is not None
        return found

    assert (told().first_s, told().total_s, told().is_stream) == (0.25, 0.5, False)
    assert told(streamed=True).is_stream
    assert told(streamed=True, response_bytes=700).sent_bytes == 700
    for meta in ({"why": "fallback"}, {"status": 500}, {"outcome": "app_gone"}, BY_CANDIDATE):
        assert told(**meta).first_s is None


@pytest.mark.parametrize("meta", [{"why": "pinned"}, {"why": "ineligible"}, {"unit": ""}, {"route": ""}])
def test_what_nobody_assigned_tells_of_no_service(meta: dict[str, object]) -> None:
    """A pinned or unfit request says nothing of what the route's assignment is served with."""
    assert service_of(exchange(1, **{"unit": UNIT, **meta}).meta) is None


def test_further_scores_ride_along() -> None:
    """What other gates rest on is the event's, too; what cannot be read is missing."""
    also = '[{"metric":"python","q":0.25,"p_sample":1.0,"abstained":false}]'
    said, broken = (
        joined(alone(), ("candidate",), {"candidate": row(**SCORED, also_json=text)}, KEY)[0] for text in (also, "[{")
    )
    assert said.also == (AlsoScored("python", 0.25),)
    assert broken == replace(said, also=())


@pytest.mark.parametrize("owner", ["baseline", "candidate"])
def test_what_we_were_too_late_for_is_nobodys_loss(owner: str) -> None:
    """What was too old when the shadow read it is lost like what never came: it blocks, and convicts nobody."""
    served, asked = alone(variant=owner), "candidate" if owner == "baseline" else "baseline"
    (event,) = joined(served, (asked,), {asked: row(asked, came="dropped", reason=BEHIND)}, KEY)
    assert event == replace(served, dropped=True)
    assert not event.paired
