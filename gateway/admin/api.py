"""The admin API: what is in force and what was kept, read from the same files as everything else. Nothing here writes.

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

from gateway import keys
from gateway.admin.auth import Access, Door
from gateway.admin.exchanges import Exchanges
from gateway.admin.views import (
    AuditView,
    ExchangesView,
    ExchangeView,
    KeyView,
    Problem,
    ProblemView,
    RolloutsView,
    RolloutView,
    VariantView,
)
from gateway.datadir import DataDir
from gateway.state import StateError, opened, read_audit
from policies.routing import PPM, Route, RoutingError, Table, Variant, decode
from records.store import Store

PREFIX = "/api/v1"
MAX_PAGE = 200
_CODES = {401: "admin_refused", 403: "admin_refused", 404: "not_found", 405: "bad_method", 503: "unavailable"}


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of the API over one data directory."""

    data: DataDir

    def rollouts(self) -> RolloutsView:
        """Where each route stands, from the routing table the workers serve from."""
        table = self._table()
        return RolloutsView(
            table_version=table.version,
            lease_renewed_at=table.lease.renewed_at,
            killed=self.data.kill.exists(),
            rollouts=[_rollout(route) for route in table.routes],
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

    def _records(self) -> Exchanges:
        return Exchanges(Store(self.data.records))

    def _table(self) -> Table:
        try:
            return decode(self.data.routing.read_bytes())
        except (OSError, RoutingError) as error:
            raise HTTPException(503, f"there is no routing table to read: {error}") from error


def _rollout(route: Route) -> RolloutView:
    return RolloutView(
        route=route.name,
        mode=route.mode,
        baseline=_variant(route.baseline),
        candidate=None if route.candidate is None else _variant(route.candidate),
        weight=route.weight_ppm / PPM,
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
        app.add_api_route(
            f"{PREFIX}{path}", page, methods=["GET"], dependencies=[Depends(Guard(door, access))], responses=responses
        )

    add("/rollouts", pages.rollouts, "viewer")
    add("/exchanges", pages.exchanges, "viewer")
    add("/exchanges/{exchange_id}", pages.exchange, "viewer")
    add("/keys", pages.keys, "viewer")
    add("/audit", pages.audit, "viewer")
    add("/openapi.json", openapi, "viewer")
    app.add_exception_handler(StarletteHTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_bad_request)
    for kind in (StateError, duckdb.Error):
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
    problem = ProblemView(error=Problem(message=message, code=_CODES.get(status, "bad_request")))
    return JSONResponse(problem.model_dump(), status_code=status)
