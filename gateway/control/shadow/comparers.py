"""A route's comparators, made ready once: what is pure by `shadow.score_pair`, what asks somebody with what it asks."""

import hashlib
import hmac
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from policies.candidates import route_of
from records import pricing
from records.named_file import read_named
from records.record_maker import RecordMaker
from shadow.embedder import Embedder
from shadow.judge import Bench, JudgeScorer, VerdictCost
from shadow.judging.controls import Trust
from shadow.judging.prompt import Style
from shadow.lanes import DailySpend
from shadow.plan import ShadowRoute
from shadow.ports import Model, ModelReply, Scorer
from shadow.score_pair import Comparing, Options
from shadow.scorer import OwnScorer, own


class _JudgeOptions(msgspec.Struct):
    """`policies.language.compare.Judge`, as the plan has it."""

    upstream: str
    model: str
    sample: int
    rubric: str | None = None


class _EmbeddingOptions(msgspec.Struct):
    """`policies.language.compare.Embedding`, as the plan has it."""

    upstream: str
    model: str
    sample: int


LICENCES = 256
"""Most routes whose judges are remembered."""


class Licence(msgspec.Struct, frozen=True, array_like=True):
    """What its hidden controls say of a route's judge: kept across restarts, so that none is a pardon."""

    judge: str
    """A hash of all that it was told: another judge has another."""
    trust: Trust


@dataclass(frozen=True, slots=True)
class Purse:
    """A route's budget, for who spends of it. Implements `shadow.ports.MoneyBudget`."""

    budget: DailySpend
    route: ShadowRoute
    wall: Callable[[], float]

    def has_left(self) -> bool:
        """Whether one more call may be made."""
        return not self.budget.is_spent(self.route, self.wall())

    def spend(self, usd: float) -> None:
        """Take off what a call cost."""
        self.budget.spend(self.route.route, usd, self.wall())


@dataclass(slots=True)
class Comparers:
    """Keeps the comparators of every route that has work."""

    model: Model
    budget: DailySpend
    maker: Callable[[], RecordMaker]
    """Whose prices hold now."""
    wall: Callable[[], float]
    secret: bytes
    """Tags and hidden controls of judges are hashes under it."""
    not_ready: Callable[[str], None] = lambda _: None
    """Told what cannot be used, and so says nothing of any pair."""
    earlier: Mapping[str, Licence] = field(default_factory=dict[str, Licence])
    """By route, of before a restart."""
    _licences: dict[str, Licence] = field(init=False)
    _judges: dict[str, tuple[str, JudgeScorer]] = field(default_factory=dict[str, tuple[str, JudgeScorer]], init=False)
    """By route, each with its hash."""
    _made: dict[str, tuple[object, Comparing]] = field(
        default_factory=dict[str, tuple[object, Comparing]], init=False
    )  # fmt: skip
    _programs: dict[str, list[OwnScorer]] = field(default_factory=dict[str, list[OwnScorer]], init=False)
    """Users' scorers, which have processes, by route."""

    def __post_init__(self) -> None:
        self._licences = dict(self.earlier)

    def of(self, route: ShadowRoute) -> Comparing:
        """The route's comparators; a judge that is told the same stays the one it was.

        Raises:
            OSError, ValueError, msgspec.MsgspecError: they cannot be made ready: a file is missing, or is none.
        """
        told = (route.candidate_key, route.compare, route.metric, route.also, route.folder)
        kept = self._made.get(route.route)
        if kept is not None and kept[0] == told:
            return kept[1]
        self._stop(route.route)
        folder = Path(route.folder)
        scorers = {
            name: scorer
            for each in route.compare
            for name, options in each.items()
            if (scorer := self._scorer(name, options, route)) is not None
        }
        made = Comparing(
            route.compare, route.metric, files=lambda name: read_named(folder / name), scorers=scorers,
            also=route.also,
        )  # fmt: skip
        for problem in made.problems:
            self.not_ready(problem)
        self._made[route.route] = (told, made)
        return made

    def keep(self, routes: Collection[str]) -> None:
        """Let go of every other route, and of the processes it has."""
        for name in [name for name in self._made if name not in routes]:
            del self._made[name]
            self._stop(name)

    async def aclose(self) -> None:
        """Let go of all, and wait until their processes are gone: before the loop that looks after them ends."""
        programs = [program for several in self._programs.values() for program in several]
        self.keep(())
        for program in programs:
            await program.aclose()

    def licences(self) -> dict[str, Licence]:
        """What is known of the judges, by route, those at work last."""
        for route, (judge, at_work) in self._judges.items():
            self._licences.pop(route, None)
            self._licences[route] = Licence(judge, at_work.trust)
        while len(self._licences) > LICENCES:
            del self._licences[next(iter(self._licences))]
        return dict(self._licences)

    def _stop(self, route: str) -> None:
        self.licences()
        self._judges.pop(route, None)
        for program in self._programs.pop(route, ()):
            program.close()

    def _scorer(self, name: str, options: Options, route: ShadowRoute) -> Scorer | None:
        """The scorer that a comparator has to ask; None: it asks nobody."""
        if name in ("python", "promptfoo"):
            program = own(name, options, Path(route.folder), self.not_ready)
            self._programs.setdefault(route.route, []).append(program)
            return program
        if name == "embedding":
            told = msgspec.convert(options, _EmbeddingOptions, strict=False)
            return Embedder(self.model, told.upstream, told.model, told.sample)
        return self._judge(options, route) if name == "judge" else None

    def _judge(self, options: Options, route: ShadowRoute) -> JudgeScorer:
        told = msgspec.convert(options, _JudgeOptions, strict=False)
        rubric = read_named(Path(route.folder) / told.rubric).decode() if told.rubric else ""
        key = hmac.digest(self.secret, f"judge\n{route.route}".encode(), hashlib.sha256)
        salt = route_of(route.route)  # of all candidates the same pairs are judged
        bench = Bench(told.upstream, Style(told.model, rubric), told.sample, key, salt=salt)

        def cost_usd(heard: ModelReply, sent: int) -> VerdictCost:
            if not heard.is_good and heard.usage is None:
                return VerdictCost()
            prices, asked = self.maker().prices, pricing.PricedCall(told.upstream, told.model, self.wall())
            cost = None if heard.usage is None else prices.cost(asked, heard.usage)
            usd = None if cost is None else cost.usd
            charged = prices.charge_usd(told.upstream, usd, heard.usage, sent=sent, got=len(heard.body))
            return VerdictCost(usd or 0.0, charged)

        judge = JudgeScorer(self.model, bench, Purse(self.budget, route, self.wall), cost_usd)
        named = hashlib.sha256(
            msgspec.json.encode((route.candidate_key, route.compare, route.metric, rubric))
        ).hexdigest()
        known = self._licences.get(route.route)
        if known is not None and known.judge == named:
            judge.trust = known.trust
        self._judges[route.route] = named, judge
        return judge
