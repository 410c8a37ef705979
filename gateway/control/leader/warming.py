"""One rollout's wait for servers that have to be warm. What is said of it: `policies.warmth`.

It begins when nothing else stands between a rollout and its next weight, and ends with the first look at which
something does. It is kept nowhere: whoever leads next asks anew.
"""

from dataclasses import dataclass, replace
from typing import Protocol

import msgspec

from gateway.log import Log
from policies import warmth
from policies.rollout import Decision, Rollout
from policies.terms import Move
from policies.warm_rule import WarmRule
from policies.warmth import NOT_ASKED, Warmth
from shadow.warming import WarmReport, WarmWish


class Poster(Protocol):
    """Tells somebody, in the background."""

    def post(self, url: str, body: bytes) -> None:
        """At once back."""
        ...


class WantedReplicas(msgspec.Struct, frozen=True):
    """What is posted to whoever makes servers more."""

    upstream: str
    route: str
    replicas: int


@dataclass(slots=True)
class WarmWait:
    """How far one rollout's servers are."""

    rule: WarmRule | None = None
    """None: nothing is waited for."""
    warmth: Warmth = NOT_ASKED
    has_given_up: bool = False

    def cold(self, rollout: Rollout, now: float) -> str:
        """Why its weight may not rise yet; empty: it may."""
        if self.rule is None or not (wanted := warmth.wanted(self.rule, rollout)):
            return ""
        return self._of(wanted).cold(self.rule, now)

    def wish(self, now: float) -> WarmWish | None:
        """What the shadow is to find out; None: nothing."""
        if self.rule is None or not self.warmth.is_asking(self.rule, now):
            return None
        return WarmWish(self.warmth.wanted, self.rule.answer_s)

    def hear(self, report: WarmReport) -> bool:
        """Take in what the shadow found; whether that is new."""
        if report.asked != self.warmth.wanted:
            return False
        before, self.warmth = self.warmth, self.warmth.heard(report.answered, report.at, report.why)
        return self.warmth != before

    def follow(self, decision: Decision, upstream: str, poster: Poster, log: Log) -> None:
        """Ask, if it is all that is waited for; say so if it took too long; else ask no more."""
        rollout, now = decision.before, decision.at
        if self.rule is None or decision.rule != "warm":
            if decision.move is Move.HOLD:  # a move is made by what was found before it
                self.warmth, self.has_given_up = NOT_ASKED, False
            return
        wanted = warmth.wanted(self.rule, rollout)
        if self._of(wanted).is_due(self.rule, now):
            self.warmth, self.has_given_up = Warmth(wanted, now), False
            log.info("warm.asked", route=rollout.route, upstream=upstream, replicas=wanted)
            if self.rule.url:
                poster.post(self.rule.url, msgspec.json.encode(WantedReplicas(upstream, rollout.route, wanted)))
        elif not self.has_given_up and not self.warmth.is_asking(self.rule, now):
            self.has_given_up = True
            reason, _, hint = self.warmth.cold(self.rule, now).partition(". hint: ")
            log.alarm("warm.given_up", route=rollout.route, upstream=upstream, reason=reason, hint=hint)

    def _of(self, wanted: int) -> Warmth:
        """What is known of so many replicas: of another number nothing is."""
        return self.warmth if self.warmth.wanted == wanted else replace(NOT_ASKED, wanted=wanted)
