"""Sends a copy of an app's request, compares both answers, and returns one `Comparison` for each call.

The app has its answer long since: whatever goes wrong here is a word in a row.

    sheds = refusal(drawn)                      # nobody may be asked this in the background
    row = await mirror.compare(drawn)           # asked, compared, priced, redacted
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from policies.candidate_paths import NO_PATH, CandidatePaths
from policies.candidates import is_contender
from policies.failure_words import LONG_ANSWER
from policies.request.body import endpoint_of
from policies.request.engine_fields import named_media
from policies.routing import PPM, Variant
from records import pricing
from records.comparison import Came, Comparison
from records.record import Record
from records.record_maker import ExchangeReading, RecordMaker, redacted
from records.trace_context import traceparent_of
from records.wire.assemble import surface_of
from records.wire.usage import Usage
from shadow.compare import answer
from shadow.compare.answer import AnswerReading
from shadow.compare.pair import AppRequest, ModelAnswer, Pair
from shadow.lanes import Drawn
from shadow.patience import ASK_S, PATIENCE_S, age_s
from shadow.plan import ShadowRoute
from shadow.ports import DEADLINES, NO_SOCKET, NOT_READY, SATURATED, UNFIT, Model, ModelCall, ModelReply
from shadow.repeats import Repeats
from shadow.score_pair import Comparing
from shadow.siblings import Siblings
from shadow.warming import ColdStart, is_cold

COMPARE_S = 300.0
"""Longest that scoring a pair may take; scorers have shorter deadlines of their own."""
KEY_REFUSED = "key_refused"
"""A call's error where its upstream said 401 or 403."""
NOT_FOUND = "not_found"
"""A call's error where its upstream does not know what it has known, or knows nothing at all."""
_SKIPS = frozenset({UNFIT, NO_SOCKET, SATURATED, LONG_ANSWER, NOT_READY, NO_PATH})
"""Errors that say nothing of who was to be asked: it was not, or has said more than we read."""


def refusal(drawn: Drawn) -> str:
    """Why nobody may be asked this in the background; empty: somebody may."""
    meta, body = drawn.exchange.meta, drawn.exchange.request_body
    if path_of(drawn) not in drawn.route.path:
        return "path"
    if len(body) != meta.request_bytes or not body:
        return "not_kept"
    try:
        return named_media(body, drawn.route.media_hosts) or ""
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return "media_url"  # it is not for us to guess what a server makes of it


def path_of(drawn: Drawn) -> str:
    """The endpoint, as `/v1/chat/completions`."""
    return endpoint_of(drawn.exchange.meta.target)


def variant_of(drawn: Drawn) -> Variant:
    """The variant to ask."""
    return drawn.route.candidate if drawn.asked == "candidate" else drawn.route.baseline


def probability(drawn: Drawn) -> float:
    """The probability with which the call was chosen."""
    route = drawn.route
    match drawn.asked:
        case "candidate":
            ppm = route.sample_ppm
        case "baseline":
            ppm = route.reverse_ppm
        case "baseline_again":
            first_ppm = route.reverse_ppm if drawn.exchange.meta.variant == "candidate" else route.sample_ppm
            ppm = first_ppm * route.noise_ppm // PPM
    return ppm / PPM


def row_of(drawn: Drawn, came: Came, reason: str, *, at: float, **found: Any) -> Comparison:
    """The row that says what became of it. `at`: Unix seconds."""
    return Comparison(
        exchange_id=drawn.exchange.meta.id,
        asked=drawn.asked,
        route=drawn.route.route,
        unit=drawn.exchange.meta.unit,
        candidate_key=drawn.route.candidate_key,
        compared_us=int(at * 1_000_000),
        p_mirror=probability(drawn),
        came=came,
        reason=reason,
        traceparent=traceparent_of(drawn.exchange.meta.request_headers),
        endpoint=surface_of(path_of(drawn)),
        **found,
    )


def charged_usd(drawn: Drawn, row: Comparison, prices: pricing.PriceBook) -> float:
    """What a route's budget is charged for the call that came to `row`; nothing for one that broke without a price."""
    if row.cost_usd is None and row.came != "answered":
        return 0.0
    used = None if row.prompt_tokens is None else Usage(row.prompt_tokens, row.completion_tokens or 0)
    asked, got = len(drawn.exchange.request_body), len(drawn.exchange.response_body)
    return prices.charge_usd(variant_of(drawn).upstream, row.cost_usd, used, sent=asked, got=got)


def outcome(heard: ModelReply, said: AnswerReading) -> tuple[Came, str]:
    """What an answer counts as, and why it counts as no answer. `said`: what its body says."""
    if heard.error in DEADLINES:
        return "timed_out", heard.error
    if heard.error in _SKIPS:
        return "skipped", heard.error
    if heard.error == KEY_REFUSED:  # ours, or that there is none: whoever it is, nobody has asked it anything
        return "skipped", "no_background_key"
    if heard.error or not heard.is_good:
        return "failed", heard.error or "status"
    return ("failed", said.reason) if said.reason else ("answered", "")


@dataclass(slots=True)
class Mirror:
    """Makes a comparison of what was drawn."""

    model: Model
    comparing: Callable[[ShadowRoute], Comparing]
    """A route's comparators."""
    maker: RecordMaker
    """Prices and redacts as the records do."""
    wall: Callable[[], float]
    met_error: Callable[[str, BaseException], None]
    """Told of mistakes: of ours, or of a user's own scorer."""
    patience_s: float = PATIENCE_S
    """From an exchange's end: whoever still scores then is waited for no longer. Recorded traffic waits for nobody."""
    _siblings: Siblings = field(default_factory=Siblings, init=False)
    _repeats: Repeats = field(default_factory=Repeats, init=False)
    _starts: dict[str, ColdStart] = field(default_factory=dict[str, ColdStart], init=False)
    """By candidate's key."""
    _paths: dict[tuple[str, str], CandidatePaths] = field(default_factory=dict[tuple[str, str], CandidatePaths])
    """Which endpoints whom we ask has: by candidate's key, and who of its route it is."""

    async def compare(self, drawn: Drawn) -> Comparison:
        """Ask, and say all that is to be known. Never raises."""
        path = path_of(drawn)
        variant = variant_of(drawn)
        again, asked = drawn.asked == "baseline_again", drawn.exchange.request_body
        call = ModelCall(variant.upstream, path, asked, ASK_S, variant, past_caches=again)
        sent_at = self._begun(drawn)
        is_shared, is_asked = again and is_contender(drawn.route.route), True
        if is_shared:
            heard, is_asked = await self._repeats.once(drawn.exchange.meta.id, lambda: self.model.ask(call))
        else:
            heard = await self.model.ask(call)
        heard = self._placed(drawn, path, heard)
        served, said = self.maker.read(drawn.exchange), answer.read(path, heard.body)
        came, reason = self._outcome(drawn, heard, said, sent_at)
        found = self._beside(drawn, heard, said, served) | ({} if is_asked else {"cost_usd": 0.0})
        if came == "answered":
            found |= await self._scored(drawn, served, said)
        if len(drawn.route.asked_beside(drawn.exchange.meta)) > 1:
            other = said.answer if came == "answered" else None
            first = self._siblings.meet(f"{drawn.exchange.meta.id} {drawn.route.route}", other, len(heard.body))
            found["agree_other"] = self._likeness(drawn, served, first, other)
        return row_of(drawn, came, reason, at=self.wall(), **found)

    def _begun(self, drawn: Drawn) -> float:
        """When it is sent; whoever was not asked for a while may have to start up."""
        now = self.wall()
        if drawn.asked == "candidate":
            self._starts.setdefault(drawn.route.candidate_key, ColdStart()).asked(now)
        return now

    def _outcome(self, drawn: Drawn, heard: ModelReply, said: AnswerReading, sent_at: float) -> tuple[Came, str]:
        """What it counts as: of a candidate that starts up, where that may take its time, a failure is none."""
        start = self._starts.get(drawn.route.candidate_key) if drawn.asked == "candidate" else None
        if start is not None and heard.is_good:
            start.answered(self.wall())
        if start is not None and is_cold(heard) and start.excuses(sent_at, drawn.route.cold_s):
            return "skipped", "cold"
        return outcome(heard, said)

    def _placed(self, drawn: Drawn, path: str, heard: ModelReply) -> ModelReply:
        """What was heard; a path that is not there is no excuse for whom it was there before, or who has none."""
        who = (drawn.route.candidate_key, "candidate" if drawn.asked == "candidate" else "baseline")
        paths = self._paths.setdefault(who, CandidatePaths())
        if heard.error == NO_PATH and not paths.refused(path, self.wall()):
            return replace(heard, error=NOT_FOUND)
        if heard.is_good:
            paths.answered(path)
        return heard

    def _beside(self, drawn: Drawn, heard: ModelReply, said: AnswerReading, reading: ExchangeReading) -> dict[str, Any]:
        """Times, tokens and money of both answers, and the new one's text as the records would have it."""
        redaction = self.maker.redactor.begin()
        served = self.maker.record(drawn.exchange, redaction, reading)
        used, cost = heard.usage, self._cost(drawn, heard, said, served)
        return {
            "status": heard.status,
            "first_byte_ms": None if heard.first_byte_s is None else heard.first_byte_s * 1000,
            "total_ms": heard.total_s * 1000 if heard.status else None,
            "timing_void": heard.timing_void,
            "prompt_tokens": used and used.prompt_tokens,
            "completion_tokens": used and used.completion_tokens,
            "cost_usd": cost and cost.usd,
            "cost_served_usd": served.cost_usd,
            "answer_json": redacted(heard.body, redaction) if heard.body and served.request_json is not None else None,
        }

    def _cost(self, drawn: Drawn, heard: ModelReply, said: AnswerReading, served: Record) -> pricing.AnswerCost | None:
        """What the new answer cost; a frontier's by the model and the tier that it names itself."""
        variant = variant_of(drawn)
        used = Usage(0, 0) if self.maker.prices.is_hourly(variant.upstream) else heard.usage
        if used is None:
            return None
        model = variant.model or served.model_requested
        asked = pricing.PricedCall(variant.upstream, model, self.wall())
        if drawn.asked != "candidate":
            tier = said.service_tier or served.service_tier
            asked = pricing.PricedCall(variant.upstream, model, self.wall(), tier, said.model)
        return self.maker.prices.cost(asked, used)

    def _likeness(
        self, drawn: Drawn, served: ExchangeReading, one: ModelAnswer | None, other: ModelAnswer | None
    ) -> float | None:
        """How alike two background answers are; None: there are not two, or they cannot be compared."""
        fields = served.question.fields
        if one is None or other is None or fields is None:
            return None
        try:
            return self.comparing(drawn.route).likeness(Pair(AppRequest(path_of(drawn), fields), one, other)).agree
        except Exception as error:  # noqa: BLE001 -- the fence "compare": one pair nobody foresaw costs its score, no more
            self.met_error("compare", error)
            return None

    async def _scored(self, drawn: Drawn, served: ExchangeReading, said: AnswerReading) -> dict[str, Any]:
        """What the comparators say; nothing where there are not two whole answers."""
        pair = pair_of(drawn, served, said)
        if pair is None:
            return {}
        try:
            comparing = self.comparing(drawn.route)
            left_s = self.patience_s - age_s(drawn.exchange.meta, self.wall())
            async with asyncio.timeout(max(0.0, min(COMPARE_S, left_s))):
                again = drawn.asked == "baseline_again"
                compared = comparing.likeness(pair) if again else await comparing.compare(pair)
        except Exception as error:  # noqa: BLE001 -- the fence "compare": one pair nobody foresaw costs its score, no more
            self.met_error("compare", error)
            return {}
        return compared.columns()


def pair_of(drawn: Drawn, reading: ExchangeReading, said: AnswerReading) -> Pair | None:
    """Both answers to what was asked; None: the app's is not whole. `said`: what the other says."""
    meta, path, got = drawn.exchange.meta, path_of(drawn), reading.answer
    if got is None or meta.outcome != "complete" or not 200 <= meta.status < 300:
        return None
    served, other, fields = answer.read(path, got.body).answer, said.answer, reading.question.fields
    if served is None or other is None or fields is None:
        return None
    baseline, candidate = (other, served) if drawn.asked == "baseline" else (served, other)
    return Pair(AppRequest(path, fields), baseline, candidate, meta.id)
