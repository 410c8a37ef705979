"""The admin API: what is in force and what was kept, read from the same files as everything else. Nothing here writes.

Every page declares who may see it (`Access`): `create_app` takes none that does not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException as StarletteHTTPException

from gateway import keys
from gateway.admin.auth import Access, Door
from gateway.datadir import DataDir
from gateway.state import StateError, opened, read_audit
from policies.routing import PPM, Route, RoutingError, Table, Variant, decode

PREFIX = "/api/v1"
_CODES = {401: "admin_refused", 403: "admin_refused", 404: "not_found", 405: "bad_method", 503: "unavailable"}


class _View(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VariantView(_View):
    """One way to answer a route."""

    upstream: str
    model: str | None
    """None: what the app asked for."""
    revision: str | None


class RolloutView(_View):
    """Where a route stands."""

    route: str
    mode: Literal["observe", "apply", "bypass"]
    baseline: VariantView
    candidate: VariantView | None
    weight: float
    """Share of eligible traffic the candidate answers, 0..1."""


class RolloutsView(_View):
    """All routes, in matching order."""

    table_version: int
    lease_renewed_at: float
    killed: bool
    """Whether the kill file is there: then the baseline alone answers, whatever the weights say."""
    rollouts: list[RolloutView]


class KeyView(_View):
    """A gateway key; the key itself is kept nowhere."""

    id: str
    name: str
    scopes: list[str]
    created_at: float
    revoked_at: float | None


class AuditView(_View):
    """Who did what, when, and why."""

    at: float
    actor: str
    action: str
    subject: str
    reason: str


class Problem(_View):
    """What went wrong and what to do."""

    message: str
    type: Literal["crossfade_error"] = "crossfade_error"
    param: None = None
    code: str


class ProblemView(_View):
    """An error, in the shape OpenAI's API gives its own."""

    error: Problem


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
    add("/keys", pages.keys, "viewer")
    add("/audit", pages.audit, "viewer")
    add("/openapi.json", openapi, "viewer")
    app.add_exception_handler(StarletteHTTPException, _on_http_error)
    app.add_exception_handler(StateError, _on_state_error)
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


def _on_state_error(_: Request, error: Exception) -> JSONResponse:
    return _problem(503, str(error))


def _problem(status: int, message: str) -> JSONResponse:
    problem = ProblemView(error=Problem(message=message, code=_CODES.get(status, "bad_request")))
    return JSONResponse(problem.model_dump(), status_code=status)
