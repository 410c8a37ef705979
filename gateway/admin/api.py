"""The admin API: what is in force, what was kept and why, and an operator's word, as the command line has them.

Every page declares who may see it (`Access`): `create_app` takes none that does not.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, FastAPI, HTTPException, Query, Request

from gateway.admin.auth import Access, Door
from gateway.admin.exchanges import ExchangeReader
from gateway.admin.figure_views import (
    CostView,
    DataView,
    PairListView,
    PoliciesView,
    PolicyView,
    RouteFiguresView,
    UnroutedListView,
    WeightsView,
)
from gateway.admin.figures import Figures
from gateway.admin.filters import RecordFilter, RecordTable, wanted
from gateway.admin.guard import Guard
from gateway.admin.judges import Judges, JudgesView
from gateway.admin.label_pages import LabelPages
from gateway.admin.labels import LabelQueue
from gateway.admin.problems import add_problems
from gateway.admin.queries import MONTH_DEADLINE_S, MONTH_OLDEST_S, RecordQueries
from gateway.admin.readiness_views import ReadinessListView, ReadinessView
from gateway.admin.rollouts import BY, MAX_PAGE, Operations
from gateway.admin.system import SharedAbout, system
from gateway.admin.view_pages import SavedViewPages
from gateway.admin.views import (
    AuditListView,
    AuditView,
    ComparisonsView,
    ExchangesView,
    ExchangeView,
    FeedbackView,
    KeyView,
    OperatedView,
    ProblemView,
    ReasonView,
    RolloutsView,
    RolloutView,
    StandingView,
    SystemView,
    VariantView,
)
from gateway.config.readiness import ReadinessInputs
from gateway.control.controller.status import by_candidate, read_status
from gateway.control.operations.readiness import look
from gateway.control.operations.standings import Standing
from gateway.node import keys
from gateway.node.database import first_broken, opened, read_audit, read_policies
from gateway.node.datadir import DataDir
from gateway.node.keys import Actor, KeyRefusedError, StoredKey
from policies.candidates import route_of
from policies.routing import PPM, Route, RoutingError, Table, Variant, decode

PREFIX = "/api/v1"


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of the API over one data directory."""

    data: DataDir
    operations: Operations
    queries: RecordQueries
    stated: ReadinessInputs
    """What readiness is held against."""

    def rollouts(self) -> RolloutsView:
        """Where each route stands: its weight as workers serve it, its stage as the shared state has it."""
        table, found = self._table(), self.operations.standings()
        return RolloutsView(
            table_version=table.version,
            lease_renewed_at=table.lease.renewed_at,
            killed=self.data.kill.exists(),
            leader=found.leader,
            nodes=found.nodes,
            killed_nodes=found.killed_nodes,
            state_problem=found.problem,
            rollouts=[
                _rollout(route, found.rollouts.get(route.name))
                for route in by_candidate(table.routes, read_status(self.data.controller_status))
            ],
        )

    def keys(self) -> list[KeyView]:
        """The gateway's keys, oldest first."""
        with opened(self.data.state) as state:
            found = keys.stored(state)
        return [_key(key) for key in found]

    def audit(self) -> list[AuditView]:
        """What was changed by hand, oldest first."""
        with opened(self.data.state) as state:
            found = read_audit(state)
        return [
            AuditView(at=entry.at, actor=entry.actor, action=entry.action, subject=entry.subject, reason=entry.reason)
            for entry in found
        ]

    def audit_list(self) -> AuditListView:
        """The same newest first, and whether the log's chain of hashes is whole."""
        with opened(self.data.state) as state:
            found = read_audit(state)
        views = [
            AuditView(at=each.at, actor=each.actor, action=each.action, subject=each.subject, reason=each.reason)
            for each in reversed(found)
        ]
        return AuditListView(entries=views, n=len(views), broken_at=first_broken(found))

    def system(self) -> SystemView:
        """This node: who runs, what is behind or lost, what does not load."""
        found = self.operations.standings()
        about = SharedAbout(found.leader, found.nodes, found.killed_nodes, found.problem)
        return system(self.data, table_version=self._table().version, shared=about)

    def revoke(self, key: str, body: ReasonView) -> KeyView:
        """End a gateway key's life; to end it twice changes nothing."""
        return self.end_key(key, body.reason, by=BY)

    def end_key(self, key: str, reason: str, *, by: str) -> KeyView:
        """The same, in somebody's name."""
        try:
            with opened(self.data.state) as state:
                found = keys.revoke(state, key, actor=Actor(by, self.operations.clock.wall(), reason))
        except KeyRefusedError as error:
            raise HTTPException(404, str(error)) from error
        return _key(found)

    def exchanges(
        self,
        request: Request,
        before: UUID | None = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    ) -> ExchangesView:
        """What was recorded, newest first, without content. Any word of `filters` narrows it, `q` several at once."""
        asked = self._wanted("exchanges", request)
        return self.recorded.lines(wanted=asked, before=None if before is None else str(before), limit=limit)

    def exchange(self, exchange_id: UUID) -> ExchangeView:
        """All that is kept of one exchange, redacted as its record is."""
        found = self.recorded.show(str(exchange_id))
        if found is None:
            raise HTTPException(404, "no exchange has that id; it may be too new to be recorded, or too old")
        return found

    def comparisons(
        self,
        request: Request,
        before: UUID | None = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    ) -> ComparisonsView:
        """What the shadow found beside exchanges, newest first, without content; narrowed as exchanges are."""
        asked = self._wanted("comparisons", request)
        return self.recorded.comparisons(wanted=asked, before=None if before is None else str(before), limit=limit)

    def comparison(self, exchange_id: UUID) -> PairListView:
        """All that was put beside one exchange, with both answers, redacted as the records are."""
        found = self.recorded.pair(str(exchange_id))
        if not found.pairs:
            raise HTTPException(404, "nothing was put beside that exchange; it may be too new, or was not drawn")
        return found

    def route_figures(self, route: str, since: str = "24h") -> RouteFiguresView:
        """Who reaches the candidate, how fast both answer, and for how much."""
        now = self.operations.clock.wall()
        asked = wanted("exchanges", {"since": since}, now=now)
        beside = wanted("comparisons", {"since": since, "route": route}, now=now)

        def read() -> RouteFiguresView:
            found = self.figures.route(route_of(route), asked)
            return found.model_copy(update={"shadow": self.figures.shadow(beside)})

        return self.figures.queries.together(("route", route, repr(asked), repr(beside)), read)

    def policies(self) -> PoliciesView:
        """This node's policy files as they were last read whole, and what is wrong with them since."""
        with opened(self.data.state) as state:
            texts = read_policies(state)
        status = read_status(self.data.controller_status)
        said = {policy.file: policy for policy in (status.policies if status is not None else ())}
        found = [
            PolicyView(
                file=file, route=None if file not in said else said[file].route, text=texts.get(file, (None, None))[0],
                loaded_at=texts.get(file, (None, None))[1], error=None if file not in said else said[file].error,
            )
            for file in sorted({*texts, *said})
        ]  # fmt: skip
        return PoliciesView(policies=found)

    def weights(self, request: Request) -> WeightsView:
        """How weights moved; `since` is 14d unless it says else."""
        return self.figures.weights(self._wanted("exchanges", request, usual="14d"))

    def cost(self, request: Request) -> CostView:
        """Money by day, route, variant and model, and what the shadow and the judge cost; 30d unless it says else."""
        asked = self._wanted("exchanges", request, usual="30d")
        return self.figures.cost(asked, self._wanted("comparisons", request, usual="30d"))

    def unrouted(self, request: Request, limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50) -> UnroutedListView:
        """Kinds of requests that no policy has, the dearest first: `crossfade routes`."""
        return self.figures.unrouted(self._wanted("exchanges", request, usual="30d"), limit)

    def kept(self, request: Request) -> DataView:
        """What is kept, and what was taken out of it; 30d unless it says else."""
        return self.figures.data(self._wanted("exchanges", request, usual="30d"))

    def feedback(
        self, before: UUID | None = None, limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50
    ) -> FeedbackView:
        """What was last said of each exchange, newest exchange first."""
        return self.recorded.feedback(before=None if before is None else str(before), limit=limit)

    def readiness(self, route: str | None = None) -> ReadinessListView:
        """Which routes are due for a fine-tune, and why; reads the whole window."""
        ask = functools.partial(self.queries.rows, deadline_s=MONTH_DEADLINE_S, oldest_s=MONTH_OLDEST_S)
        found = look(ask, self.data, self.stated, now=self.operations.clock.wall(), route=route)
        return ReadinessListView(routes=[ReadinessView.model_validate(each) for each in found])

    def judges(self, request: Request) -> JudgesView:
        """Each route's judge: trusted or not, and whether people agree with it; 30d unless it says else."""
        return self.judged(self._wanted("comparisons", request, usual="30d"))

    def judged(self, asked: RecordFilter) -> JudgesView:
        """The same of a window."""
        return Judges(LabelQueue(self.data, self.queries)).found(asked, self.operations.guard_words("judge_bias"))

    @property
    def recorded(self) -> ExchangeReader:
        """The records, row by row."""
        return ExchangeReader(self.queries)

    @property
    def labelling(self) -> LabelPages:
        """Pairs for people to judge, and what they said."""
        return LabelPages(LabelQueue(self.data, self.queries), self.operations.clock.wall)

    @property
    def saved(self) -> SavedViewPages:
        """Pages with their filters, by name."""
        return SavedViewPages(self.data, self.operations.clock.wall)

    @property
    def figures(self) -> Figures:
        """The records, added up."""
        return Figures(self.queries)

    def _wanted(self, table: RecordTable, request: Request, usual: str | None = None) -> RecordFilter:
        """What of the records the URL asks for; words that are the page's own are no filters."""
        given = {name: value for name, value in request.query_params.items() if name not in ("before", "limit")}
        return wanted(table, given, now=self.operations.clock.wall(), usual=usual)

    def _table(self) -> Table:
        try:
            return decode(self.data.routing.read_bytes())
        except (OSError, RoutingError) as error:
            raise HTTPException(503, f"there is no routing table to read: {error}") from error


def _key(key: StoredKey) -> KeyView:
    return KeyView(
        id=key.id, name=key.name, scopes=list(key.scopes), created_at=key.created_at, revoked_at=key.revoked_at
    )


def _rollout(route: Route, standing: Standing | None) -> RolloutView:
    return RolloutView(
        route=route.name,
        mode=route.mode,
        baseline=_variant(route.baseline),
        candidate=None if route.candidate is None else _variant(route.candidate),
        weight=route.weight_ppm / PPM,
        standing=None if standing is None else StandingView.model_validate(standing),
    )


def _variant(variant: Variant) -> VariantView:
    return VariantView(upstream=variant.upstream, model=variant.model, revision=variant.revision)


_REFUSALS: dict[Access, tuple[int, ...]] = {
    "viewer": (400, 401, 403, 404, 503),
    "operator": (400, 401, 403, 404, 409, 415, 503),
}
"""With which a page may say no."""
_PROBLEM: dict[str, Any] = {
    "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{ProblemView.__name__}"}}}
}
"""What stands in a refusal, by its place in the document, where the one conflict that may be something else puts it.

Given as a model it would be built anew for each of two hundred refusals: half the time that the pages take to be made.
"""


class _DocumentedApi(FastAPI):
    """An app whose document names what it answers: a bad request gets our 400, and never FastAPI's own 422."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            made = super().openapi()
            for operation in (each for path in made["paths"].values() for each in path.values()):
                operation["responses"].pop("422", None)
            for name in ("HTTPValidationError", "ValidationError"):
                made["components"]["schemas"].pop(name, None)
        return super().openapi()


def create_app(pages: Pages, door: Door, *, version: str) -> FastAPI:
    """The API, every page behind the door its access asks for."""
    # No pages of documentation: they would load scripts from elsewhere. The document itself is a page like the others.
    app = _DocumentedApi(title="Crossfade", version=version, docs_url=None, redoc_url=None, openapi_url=None)

    def openapi() -> dict[str, object]:
        """This API as an OpenAPI document."""
        return app.openapi()

    def add(path: str, page: Callable[..., object], access: Access, *, conflict: object = None) -> None:
        """A page to look at, or for an operator one that changes something. `conflict`: what else stands in its 409."""
        told: dict[int | str, dict[str, Any]] = dict.fromkeys(_REFUSALS[access], _PROBLEM)
        told |= {409: {"model": conflict}} if conflict is not None else {}
        app.add_api_route(
            f"{PREFIX}{path}",
            page,
            methods=["POST" if access == "operator" else "GET"],
            dependencies=[Depends(Guard(door, access))],
            responses=told,
        )

    for path, page in _looked_at(pages).items():
        add(path, page, "viewer")
    add("/openapi.json", openapi, "viewer")
    add("/rollouts/{route}/{verb}", pages.operations.operate, "operator", conflict=OperatedView | ProblemView)
    add("/kill", pages.operations.kill, "operator")
    add("/labels", pages.labelling.vote, "operator")
    add("/views", pages.saved.keep, "operator")
    add("/views/{name}/remove", pages.saved.remove, "operator")
    add("/keys/{key}/revoke", pages.revoke, "operator")
    add_problems(app)
    return app


def _looked_at(pages: Pages) -> dict[str, Callable[..., object]]:
    """The pages that change nothing."""
    operations, labelling = pages.operations, pages.labelling
    return {
        "/rollouts": pages.rollouts,
        "/rollouts/{route}": operations.rollout,
        "/rollouts/{route}/gates": operations.gate_path,
        "/decisions": operations.decisions,
        "/decisions/{decision_id}": operations.decision,
        "/comparisons": pages.comparisons,
        "/comparisons/{exchange_id}": pages.comparison,
        "/feedback": pages.feedback,
        "/readiness": pages.readiness,
        "/judges": pages.judges,
        "/labels": labelling.labels,
        "/labels/queue": labelling.next_pair,
        "/exchanges": pages.exchanges,
        "/exchanges/{exchange_id}": pages.exchange,
        "/figures/{route}": pages.route_figures,
        "/policies": pages.policies,
        "/weights": pages.weights,
        "/cost": pages.cost,
        "/unrouted": pages.unrouted,
        "/data": pages.kept,
        "/keys": pages.keys,
        "/views": pages.saved.views,
        "/audit": pages.audit,
        "/system": pages.system,
    }
