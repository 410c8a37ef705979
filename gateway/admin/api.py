"""The admin API: what is in force, what was kept and why, and an operator's word, as the command line has them.

Every page declares who may see it (`Access`): `create_app` takes none that does not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import duckdb
from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from gateway.admin.auth import Access, Door, is_elsewhere
from gateway.admin.exchanges import ExchangeReader
from gateway.admin.rollouts import MAX_PAGE, Operations
from gateway.admin.views import (
    AuditView,
    ComparisonsView,
    ExchangesView,
    ExchangeView,
    FeedbackView,
    KeyView,
    ProblemDetails,
    ProblemView,
    ReadinessListView,
    ReadinessView,
    RolloutsView,
    RolloutView,
    StandingView,
    VariantView,
)
from gateway.config.readiness import ReadinessInputs
from gateway.control.operations.readiness import look
from gateway.control.operations.standings import Standing
from gateway.control.state.port import StateDownError
from gateway.node import keys
from gateway.node.database import StateError, opened, read_audit
from gateway.node.datadir import DataDir
from policies.routing import PPM, Route, RoutingError, Table, Variant, decode
from records.evaluation.sets import EvalSetError
from records.store import Store

PREFIX = "/api/v1"
_CODES = {
    401: "admin_refused",
    403: "admin_refused",
    404: "not_found",
    405: "bad_method",
    409: "conflict",
    503: "unavailable",
}


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of the API over one data directory."""

    data: DataDir
    operations: Operations
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
            state_problem=found.problem,
            rollouts=[_rollout(route, found.rollouts.get(route.name)) for route in table.routes],
        )

    def keys(self) -> list[KeyView]:
        """The gateway's keys, oldest first."""
        with opened(self.data.state) as state:
            found = keys.stored(state)
        return [
            KeyView(
                id=key.id, name=key.name, scopes=list(key.scopes), created_at=key.created_at, revoked_at=key.revoked_at
            )
            for key in found
        ]

    def audit(self) -> list[AuditView]:
        """What was changed by hand, oldest first."""
        with opened(self.data.state) as state:
            found = read_audit(state)
        return [
            AuditView(at=entry.at, actor=entry.actor, action=entry.action, subject=entry.subject, reason=entry.reason)
            for entry in found
        ]

    def exchanges(
        self,
        route: str | None = None,
        before: UUID | None = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    ) -> ExchangesView:
        """What was recorded, newest first, without content."""
        return self._records().lines(route=route, before=None if before is None else str(before), limit=limit)

    def exchange(self, exchange_id: UUID) -> ExchangeView:
        """All that is kept of one exchange, redacted as its record is."""
        found = self._records().show(str(exchange_id))
        if found is None:
            raise HTTPException(404, "no exchange has that id; it may be too new to be recorded, or too old")
        return found

    def comparisons(
        self,
        route: str | None = None,
        before: UUID | None = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    ) -> ComparisonsView:
        """What the shadow found beside exchanges, newest first, without content."""
        return self._records().comparisons(route=route, before=None if before is None else str(before), limit=limit)

    def feedback(
        self, before: UUID | None = None, limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50
    ) -> FeedbackView:
        """What was last said of each exchange, newest exchange first."""
        return self._records().feedback(before=None if before is None else str(before), limit=limit)

    def readiness(self, route: str | None = None) -> ReadinessListView:
        """Which routes are due for a fine-tune, and why; reads the whole window."""
        found = look(self.data, self.stated, now=self.operations.clock.wall(), route=route)
        return ReadinessListView(routes=[ReadinessView.model_validate(each) for each in found])

    def _records(self) -> ExchangeReader:
        return ExchangeReader(Store(self.data.records))

    def _table(self) -> Table:
        try:
            return decode(self.data.routing.read_bytes())
        except (OSError, RoutingError) as error:
            raise HTTPException(503, f"there is no routing table to read: {error}") from error


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


def create_app(pages: Pages, door: Door, *, version: str) -> FastAPI:
    """The API, every page behind the door its access asks for."""
    # No pages of documentation: they would load scripts from elsewhere. The document itself is a page like the others.
    app = FastAPI(title="Crossfade", version=version, docs_url=None, redoc_url=None, openapi_url=None)
    responses: dict[int | str, dict[str, object]] = {status: {"model": ProblemView} for status in (401, 403, 503)}

    def openapi() -> dict[str, object]:
        """This API as an OpenAPI document."""
        return app.openapi()

    def add(path: str, page: Callable[..., object], access: Access) -> None:
        """A page to look at, or for an operator one that changes something."""
        app.add_api_route(
            f"{PREFIX}{path}",
            page,
            methods=["POST" if access == "operator" else "GET"],
            dependencies=[Depends(Guard(door, access))],
            responses=responses,
        )

    operations = pages.operations
    add("/rollouts", pages.rollouts, "viewer")
    add("/rollouts/{route}", operations.rollout, "viewer")
    add("/rollouts/{route}/{verb}", operations.operate, "operator")
    add("/kill", operations.kill, "operator")
    add("/decisions", operations.decisions, "viewer")
    add("/decisions/{decision_id}", operations.decision, "viewer")
    add("/comparisons", pages.comparisons, "viewer")
    add("/feedback", pages.feedback, "viewer")
    add("/readiness", pages.readiness, "viewer")
    add("/exchanges", pages.exchanges, "viewer")
    add("/exchanges/{exchange_id}", pages.exchange, "viewer")
    add("/keys", pages.keys, "viewer")
    add("/audit", pages.audit, "viewer")
    add("/openapi.json", openapi, "viewer")
    app.add_exception_handler(StarletteHTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_bad_request)
    for kind in (StateError, StateDownError, EvalSetError, duckdb.Error):
        app.add_exception_handler(kind, _on_unreadable)
    return app


@dataclass(frozen=True, slots=True)
class Guard:
    """Lets through who may pass, for pages of one access class."""

    door: Door
    access: Access

    def __call__(self, request: Request) -> None:
        """Refuse, or do nothing.

        Raises:
            HTTPException: the caller may not see this.
        """
        if self.access == "probe":
            return
        headers = request.headers
        reason = self.door.refusal(authorization=headers.get("authorization", ""), host=headers.get("host", ""))
        if reason is not None:
            raise HTTPException(401 if self.door.token_sha256 is not None else 403, reason)
        if self.access == "operator":
            self._check_operator(request)

    def _check_operator(self, request: Request) -> None:
        """Refuse what another site's page can send without being asked first.

        Raises:
            HTTPException: it is not one of ours, or says nothing in JSON.
        """
        headers = request.headers
        if is_elsewhere(origin=headers.get("origin", ""), host=headers.get("host", "")):
            raise HTTPException(403, "a page of another site changes nothing here")
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise HTTPException(415, "send JSON: content-type: application/json")


def _on_http_error(_: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, StarletteHTTPException) else 500
    detail = error.detail if isinstance(error, StarletteHTTPException) else ""
    return _problem(status, detail)


def _on_bad_request(_: Request, error: Exception) -> JSONResponse:
    found = error.errors() if isinstance(error, RequestValidationError) else ()
    return _problem(400, "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in found))


def _on_unreadable(_: Request, error: Exception) -> JSONResponse:
    return _problem(503, f"cannot be read now: {error}")


def _problem(status: int, message: str) -> JSONResponse:
    problem = ProblemView(error=ProblemDetails(message=message, code=_CODES.get(status, "bad_request")))
    return JSONResponse(problem.model_dump(), status_code=status)
