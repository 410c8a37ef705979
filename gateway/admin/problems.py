"""Errors of the admin API, in the shape of OpenAI's errors."""

import duckdb
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from gateway.admin.filters import FilterError
from gateway.admin.queries import TooSlowError
from gateway.admin.views import ProblemDetails, ProblemView
from gateway.control.state.port import StateDownError
from gateway.node.database import StateError
from records.evaluation.sets import EvalSetError

_CODES = {
    401: "admin_refused", 403: "admin_refused", 404: "not_found",
    405: "bad_method", 409: "conflict", 503: "unavailable",
}  # fmt: skip


def add_problems(app: FastAPI) -> None:
    """Let an app say so what goes wrong in it."""
    app.add_exception_handler(StarletteHTTPException, on_http_error)
    app.add_exception_handler(RequestValidationError, _on_bad_request)
    app.add_exception_handler(FilterError, _on_bad_filter)
    for kind in (StateError, StateDownError, TooSlowError, EvalSetError, duckdb.Error):
        app.add_exception_handler(kind, _on_unreadable)


def on_http_error(_: Request, error: Exception) -> JSONResponse:
    """An error in the shape OpenAI's API gives its own."""
    status = error.status_code if isinstance(error, StarletteHTTPException) else 500
    detail = error.detail if isinstance(error, StarletteHTTPException) else ""
    return _problem(status, detail)


def _on_bad_request(_: Request, error: Exception) -> JSONResponse:
    found = error.errors() if isinstance(error, RequestValidationError) else ()
    return _problem(400, "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in found))


def _on_bad_filter(_: Request, error: Exception) -> JSONResponse:
    return _problem(400, str(error))


def _on_unreadable(_: Request, error: Exception) -> JSONResponse:
    return _problem(503, f"cannot be read now: {error}")


def _problem(status: int, message: str) -> JSONResponse:
    problem = ProblemView(error=ProblemDetails(message=message, code=_CODES.get(status, "bad_request")))
    return JSONResponse(problem.model_dump(), status_code=status)
