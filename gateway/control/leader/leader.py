"""The leader: it alone raises weights. Events in, looks and steps out, each move a compare-and-set under its epoch.

One move, in this order; whoever leads next finishes what a crash between two steps left undone:
1. the evidence is kept;
2. the rollout is stored, with its decision and, where one was obeyed, its order;
3. the decision is told: shared state, records, evidence files, webhooks;
4. the table follows, on every node, from the stored rollout.

Longer than a file should be: a move is one course, and what a crash leaves of it is seen in one place.
"""

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from gateway.control.leader import candidates
from gateway.control.leader import persistence as keeping
from gateway.control.leader.announce import Announcement, Announcer
from gateway.control.leader.evaluation import Evaluation
from gateway.control.publish.policy_terms import PolicyTerms
from gateway.control.state.port import (
    Answered,
    QueuedOrder,
    SharedState,
    StateDamagedError,
    StateDownError,
    Stored,
)
from gateway.log import Log
from policies import explain
from policies import rollout as rolling
from policies.review import key_of
from policies.rollout import Decision, Rollout
from policies.rules import Rules
from policies.terms import Move, Outcome, Verb

LEAD_S = 1.0
"""How often the leader's lease is taken or renewed."""
LOOK_S = 1.0
"""How soon after a change the evidence is looked at."""
STEP_S = 15.0
"""How long at most from one step to the next: holds pass by steps."""
SHOW_S = 5.0
"""How often a changed look is shown with its intervals."""
IDLE_SHOW_S = 60.0
"""How often one that did not change is."""
PERSIST_S = 10.0
"""How often the time a stage has lived is stored."""
BATCH = 1000
"""Events taken in at once, of one route."""
HOLD_ROW_S = 60.0
"""How often at most a changed reason to hold becomes a decision's row."""


@dataclass(slots=True)
class _Timing:
    """When what was last done for a route."""

    looked_at: float = 0.0
    shown_at: float = 0.0
    stored_at: float = 0.0
    kept_at: float = 0.0
    kept_taken: int = 0
    kept_bytes: int = 0
    told_at: float = 0.0
    rule: tuple[Outcome, str] | None = None


@dataclass(slots=True)
class Leader:
    """Leads while its lease lasts."""

    node: str
    shared: SharedState
    teller: Announcer
    log: Log
    epoch: int | None = None
    """Of the lease; None: another leads, or nobody knows."""
    evaluations: dict[str, Evaluation] = field(default_factory=dict[str, Evaluation])
    shown: dict[str, Decision] = field(default_factory=dict[str, Decision])
    """What was last seen of each route, with intervals."""
    trouble: dict[str, str] = field(default_factory=dict[str, str])
    """What could not be read at the last tick, and why: a route's name, or `orders`'. Everything else went on."""
    busy: bool = False
    """Whether more events wait than were taken in."""
    _timing: dict[str, _Timing] = field(default_factory=dict[str, _Timing])
    _led_at: float = 0.0

    def tick(self, terms: Mapping[str, PolicyTerms], stored: Mapping[str, Stored], now: float) -> None:
        """Lead, if it is ours to: take orders and events, look, decide. `stored`: the rollouts as they are kept.

        Raises:
            StateDownError: nothing more can be done now.
        """
        if _is_due(self._led_at, LEAD_S, now):
            self._lead(now)
        self.busy, self.trouble = False, {}
        if self.epoch is None:
            return
        orders = self._orders(terms)
        for route, wanted in terms.items():
            if not self.leads:
                return  # another does, since
            mine = [order for order in orders if order.route == route]
            try:
                self._route(route, wanted, stored.get(route), mine, now)
            except StateDamagedError as error:
                self.trouble[f"route {route}"] = str(error)
            except StateDownError:
                raise
            except Exception as error:  # noqa: BLE001 -- the fence of a route: what nobody foresaw in one costs it alone
                self.trouble[f"route {route}"] = mistake(error)
        for gone in self.evaluations.keys() - terms.keys():
            self._drop(gone)

    def _orders(self, terms: Mapping[str, PolicyTerms]) -> list[QueuedOrder]:
        """Operators' words; none while they cannot be read: evidence still decides."""
        try:
            orders = self.shared.orders()
        except StateDamagedError as error:
            self.trouble["orders"] = str(error)
            return []
        for order in orders:
            if order.route not in terms:
                there = ", ".join(sorted(terms)) or "none: `crossfade policy lint` says why a file is not in force"
                text = f"no policy has the route {order.route!r}. hint: there are {there}"
                self.shared.answer(Answered(order.id, taken=False, text=text))
        return orders

    @property
    def leads(self) -> bool:
        """Whether the lease was ours when it was last asked for."""
        return self.epoch is not None

    def resign(self) -> None:
        """Keep everything, and let another lead.

        Raises:
            StateDownError: the lease runs out by itself.
        """
        if self.epoch is not None:
            for route in list(self.evaluations):
                self._keep(route, self._timing[route].kept_at)
            self.shared.resign(self.node)
            self.epoch = None

    def _lead(self, now: float) -> None:
        try:
            epoch = self.shared.lead(self.node, now)
        except StateDownError:
            self._follow()
            raise
        self._led_at = now
        if epoch != self.epoch:
            self._follow()
            self.epoch = epoch
            self.log.info("leader.leads" if epoch is not None else "leader.follows", node=self.node, epoch=epoch)

    def _follow(self) -> None:
        self.epoch, self._led_at = None, 0.0
        self.evaluations.clear()
        self._timing.clear()
        self.shown.clear()

    def _drop(self, route: str) -> None:
        """Forget what we think of a route: it is read again."""
        self.evaluations.pop(route, None)
        self._timing.pop(route, None)

    # One route ----------------------------------------------------------------------------------------------------

    def _route(
        self, route: str, terms: PolicyTerms, stored: Stored | None, orders: list[QueuedOrder], now: float
    ) -> None:
        is_done = False
        try:
            is_done = self._go_on(route, terms, stored, orders, now)
        finally:
            if not is_done:  # what is kept counts, not what we think
                self._drop(route)

    def _go_on(
        self, route: str, terms: PolicyTerms, stored: Stored | None, orders: list[QueuedOrder], now: float
    ) -> bool:
        """Take in, obey, look, keep. False: somebody else wrote the rollout, or leads."""
        ours = self.evaluations.get(route)
        if ours is None or (stored is not None and stored.version > ours.version):
            self._timing[route] = _Timing(kept_at=now, stored_at=now)
            ours = self._load(route, terms, stored, now)
        if ours is None or not self._revise(ours, terms, now):
            return False
        ours.warm.rule = terms.warm if terms.mode == "apply" else None
        self._observe(ours, now)
        if not all(self._obey(ours, terms, order, now) for order in orders):
            return False
        if terms.mode != "bypass" and not self._look(ours, terms, now):
            return False
        return self._keep_due(ours, now)

    def _load(self, route: str, terms: PolicyTerms, stored: Stored | None, now: float) -> Evaluation | None:
        """Take up a route where the last leader left it, or begin it. None: somebody else was first."""
        if stored is None:
            begun = rolling.revise(rolling.start(terms.rules), terms.rules, now=now)
            telling = Announcement(begun, 1, revised=terms.rules)
            rollout, version, decided, order = begun.rollout, 1, self.teller.decided(telling), ""
            history = decided.id
            if not self._store(rollout, keeping.rollout_bytes(rollout, decided, "", history), expected=0, now=now):
                return None
        else:
            found = keeping.read_rollout(stored)
            rollout, version, decided, order = found.rollout, stored.version, found.decided, found.order
            history = found.history
        if decided is not None and decided.id not in {each.id for each in self.shared.decisions(route, 20)}:
            self.teller.retell(decided, terms, self.shared)
        kept = self.shared.snapshot(route)
        ours = keeping.evaluation(terms.rules, rollout, version, kept, now)
        if kept is not None and keeping.unpack(kept) is None:
            self.log.alarm(
                "evidence.unreadable", route=route,
                hint="evidence and detectors begin at 0; `crossfade rebuild` makes them again from the records",
            )  # fmt: skip
        ours.last_order, ours.history = order, history
        if ours.evidence.key != key_of(rollout):  # moved by somebody else, or by who died before it was kept
            self._leave(ours, now)
            ours.stand(rollout)
        self.evaluations[route] = ours
        return ours

    def _revise(self, ours: Evaluation, terms: PolicyTerms, now: float) -> bool:
        """Follow an edited policy. False: somebody else wrote the rollout."""
        rules, before = terms.rules, ours.rollout
        if rules == ours.rules and _follows(before, rules):
            return True
        decision = rolling.revise(before, rules, now=now)
        if not _follows(before, rules):
            ours.judge_by(rules)
            return self._make(ours, terms, decision, now)
        self._leave(ours, now)
        ours.judge_by(rules)
        self.teller.tell(
            Announcement(replace(decision, rollout=before), ours.version, revised=rules), terms, self.shared
        )
        return True

    def _observe(self, ours: Evaluation, now: float) -> None:
        """Take in what nodes told, each event noted as it is counted."""
        events = self.shared.offered(ours.rollout.route, ours.positions, BATCH)
        self.busy |= len(events) >= BATCH // 2
        for event in events:
            row = ours.take(event, now, self.epoch or 0)
            if row is not None:
                self.teller.observed(row)
        ours.advance(now)

    def _leave(self, ours: Evaluation, now: float) -> None:
        """Note up to when conversations are closed: another stage or an edit follows. Twice is once: it is no part of
        what is kept until the move is.
        """
        self.teller.observed(ours.leave(now, self.epoch or 0))

    def _obey(self, ours: Evaluation, terms: PolicyTerms, order: QueuedOrder, now: float) -> bool:
        """Take an operator's word. False: somebody else wrote the rollout; the order waits."""
        if order.id == ours.last_order:  # its obeyer died before it said so
            self.shared.answer(Answered(order.id, taken=True, text=f"{order.by}: {order.reason}"))
            return True
        verb = Verb(order.verb)
        if verb is Verb.PROMOTE and (said := candidates.refusal(self._others(terms), now)):
            self.shared.answer(Answered(order.id, taken=False, text=said))
            return True
        seen = ours.results(now, bounds=False)  # no word raises a weight while harm is seen
        decision = rolling.command(ours.rollout, verb, now=now, by=order.by, reason=order.reason, seen=seen)
        if not decision.refused and not self._make(ours, terms, decision, now, order=order):
            return False
        text = decision.reason if decision.refused else explain.text(decision)
        self.shared.answer(Answered(order.id, taken=not decision.refused, text=text))
        return True

    # Looking ------------------------------------------------------------------------------------------------------

    def _look(self, ours: Evaluation, terms: PolicyTerms, now: float) -> bool:
        """Look and step when it is due. False: somebody else wrote the rollout."""
        timing = self._timing[ours.rollout.route]
        if not _is_due(timing.looked_at, LOOK_S if ours.moved else STEP_S, now):
            return True
        shows = _is_due(timing.shown_at, SHOW_S if ours.unshown else IDLE_SHOW_S, now)
        if terms.others and (resting := self._stand_beside(ours, terms, now)) is not None:
            return self._rest(ours, resting, timing, shows=shows)
        decision = ours.look(now, bounds=shows)
        moves = decision.move is not Move.HOLD
        is_new = (decision.outcome, decision.rule) != timing.rule
        tells = is_new and (moves or _is_due(timing.told_at, HOLD_ROW_S, now))
        if (moves or tells) and not shows:
            decision = ours.look(now, bounds=True)
        timing.looked_at, ours.moved = now, False
        ours.warm.follow(decision, terms.shadow.candidate.upstream, self.teller.notifier, self.log)
        if shows or moves or tells:
            timing.shown_at, ours.unshown = now, False
            self.shown[ours.rollout.route] = decision
            self.shared.keep_look(self.teller.decided(Announcement(decision, ours.version)))
        if moves and terms.mode in ("apply", "split"):
            return self._make(ours, terms, decision, now)
        if moves:  # `observe`: decided and told, and not done
            decision = replace(decision, rollout=replace(decision.before, seen_at=now))
        if tells:
            timing.rule, timing.told_at = (decision.outcome, decision.rule), now
            telling = Announcement(decision, ours.version, ours.evidence.closed(), ours.conditions(now))
            self.teller.tell(telling, terms, self.shared)
        return self._live(ours, decision.rollout, timing, now)

    def _others(self, terms: PolicyTerms) -> candidates.Others:
        """The other candidates of the same route."""
        return {name: self.evaluations.get(name) for name in terms.others}

    def _stand_beside(self, ours: Evaluation, terms: PolicyTerms, now: float) -> Decision | None:
        """Tell it what the others mean to it; the word that it rests, if it does."""
        others = self._others(terms)
        if (resting := candidates.rests(ours, others, now)) is not None:
            return resting
        for each in others.values():  # all have heard of the same exchanges before one is picked
            if each is not None:
                self._observe(each, now)
        candidates.stand_beside(ours, others, now)
        return None

    def _rest(self, ours: Evaluation, resting: Decision, timing: _Timing, *, shows: bool) -> bool:
        """Show a candidate that rests while another one serves; it does not move, and no time passes for it."""
        timing.looked_at, ours.moved = resting.at, False
        if shows or timing.rule != (resting.outcome, resting.rule):
            timing.shown_at, ours.unshown, timing.rule = resting.at, False, (resting.outcome, resting.rule)
            self.shown[ours.rollout.route] = resting
            self.shared.keep_look(self.teller.decided(Announcement(resting, ours.version)))
        return True

    def _live(self, ours: Evaluation, rollout: Rollout, timing: _Timing, now: float) -> bool:
        """Time passes. It is stored now and then, and at once when the rollout is held to something new."""
        rollout = ours.paced(rollout)
        before = ours.rollout
        news = (rollout.held, rollout.baseline_p99, rollout.is_tried, rollout.drawn) != (
            before.held, before.baseline_p99, before.is_tried, before.drawn
        )  # fmt: skip
        ours.rollout = rollout
        if news or _is_due(timing.stored_at, PERSIST_S, now):
            timing.stored_at = now
            data = keeping.rollout_bytes(rollout, None, ours.last_order, ours.history)
            if not self._store(rollout, data, expected=ours.version, now=now):
                return False
            ours.version += 1
        return True

    # Moving -------------------------------------------------------------------------------------------------------

    def _make(
        self, ours: Evaluation, terms: PolicyTerms, decision: Decision, now: float, *, order: QueuedOrder | None = None
    ) -> bool:
        """Make a move. False: somebody else wrote the rollout, or leads."""
        route, timing = ours.rollout.route, self._timing[ours.rollout.route]
        version = ours.version + 1
        revised = ours.rules if decision.rule == "revision" else None
        evidence = ours.evidence.closed() if revised is None else None
        telling = Announcement(decision, version, evidence, ours.conditions(now), order, revised)
        decided = self.teller.decided(replace(telling, evidence=None))
        last_order = ours.last_order if order is None else order.id
        data = keeping.rollout_bytes(decision.rollout, decided, last_order, ours.history)
        # What the move rests on is kept first: whoever goes on has seen all of it.
        if not self._keep(route, now) or not self._store(decision.rollout, data, expected=ours.version, now=now):
            return False
        ours.version, ours.last_order = version, last_order
        if revised is not None or key_of(decision.rollout) != ours.evidence.key:
            self._leave(ours, now)
        timing.stored_at, timing.rule = now, (decision.outcome, decision.rule)
        ours.stand(decision.rollout)
        self.teller.tell(telling, terms, self.shared)
        self.log.info(
            "rollout.moved", route=route, move=decision.move, rule=decision.rule, reason=decision.reason,
            weight=f"{decision.rollout.weight_ppm / 10_000:g}%",
        )  # fmt: skip
        return self._keep(route, now)

    def _store(self, rollout: Rollout, data: bytes, *, expected: int, now: float) -> bool:
        fresh = Stored(expected + 1, self.epoch or 0, rollout.weight_ppm, data, now, self.node)
        return self.shared.store(rollout.route, fresh, expected=expected, epoch=self.epoch or 0)

    # Keeping ------------------------------------------------------------------------------------------------------

    def _keep_due(self, ours: Evaluation, now: float) -> bool:
        timing = self._timing[ours.rollout.route]
        fresh = ours.taken - timing.kept_taken
        if _is_due(timing.kept_at, keeping.keep_after_s(fresh, timing.kept_bytes), now):
            return self._keep(ours.rollout.route, now)
        return True

    def _keep(self, route: str, now: float) -> bool:
        """Keep the evidence; False: we lead no longer."""
        ours, timing = self.evaluations.get(route), self._timing[route]
        if ours is None:
            return True
        page = keeping.pack(ours)
        if not self.shared.keep_snapshot(route, page, epoch=self.epoch or 0):
            self._follow()
            return False
        self.shared.forget_offered(route, page.positions)
        timing.kept_at, timing.kept_taken, timing.kept_bytes = now, ours.taken, len(page.evidence)
        return True


def mistake(error: BaseException) -> str:
    """What is said of an error that nobody foresaw: where it was, and nothing of what it was about."""
    met = traceback.extract_tb(error.__traceback__)[-1] if error.__traceback__ else None
    place = f" at {Path(met.filename).name}:{met.lineno}" if met is not None else ""
    return f"{type(error).__name__}{place}: this is a mistake in Crossfade, please report it"


def _follows(rollout: Rollout, rules: Rules) -> bool:
    """Whether a rollout is what its policy says."""
    return (rollout.key, rollout.ladder, rollout.settings) == (rules.key, rules.ladder, rules.rollback)


def _is_due(last_at: float, every_s: float, now: float) -> bool:
    """Whether it was long enough ago, or in a future that a clock was set back from."""
    return not 0 <= now - last_at < every_s
