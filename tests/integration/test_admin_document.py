"""The admin API does what its own OpenAPI document says: schemathesis asks each page what it may be asked, and more."""

import contextlib
import importlib
import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

from gateway import clock
from gateway.admin.api import create_app
from gateway.admin.rollouts import Operations
from gateway.control.operations.orders import OrderClock
from gateway.node.state_location import StatePlace
from tests.rooms.admin_pages import pages
from tests.rooms.console_house import OPEN, ORIGIN, ConsoleHouse, house, stand

EXAMPLES = 10
"""Of each page in each mode, the same ones each time."""
SEEN = settings(
    max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
TOLD = {"content-type": "application/json", "origin": ORIGIN}


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleHouse]:
    """A house with something of everything, in which nobody leads."""
    with house(tmp_path_factory.mktemp("house")) as made:
        made.furnish()
        stand(made.data)
        yield made


@pytest.fixture(scope="module")
def app(lived_in: ConsoleHouse) -> FastAPI:
    """Its pages. A wait for a leader passes as fast as somebody looks at the clock."""
    data, seconds = lived_in.data, itertools.count()
    waits = OrderClock(clock.wall, lambda: float(next(seconds)), lambda _: None)
    operations = Operations(data, StatePlace(str(data.state)), waits, "1")
    return create_app(replace(pages(data), operations=operations), OPEN, version="1")


def promised() -> list[Any]:
    """What each answer is held against.

    Not `positive_data_acceptance`: what a word of a filter means (`since=yesterday`) stands in no schema.
    """
    checks = importlib.import_module("schemathesis.specs.openapi.checks")
    return [
        importlib.import_module("schemathesis.checks").not_a_server_error, checks.status_code_conformance,
        checks.content_type_conformance, checks.response_schema_conformance, checks.negative_data_rejection,
    ]  # fmt: skip


@pytest.mark.parametrize(("mode", "seen"), [("POSITIVE", {200, 404, 409}), ("NEGATIVE", {400})])
def test_every_page_keeps_its_word(app: FastAPI, lived_in: ConsoleHouse, mode: str, seen: set[int]) -> None:
    """Whatever a page is asked, it answers with a status, a type and a shape that its document names, and refuses what
    the document does not allow.
    """
    known = {"route": "triage", "exchange_id": lived_in.ids[0], "decision_id": "d1", "key": "k1"}
    schemathesis = importlib.import_module("schemathesis")  # which takes half a second, and every process collects this
    schema, promises = schemathesis.openapi.from_dict(app.openapi()), promised()
    schema.app = app
    told: set[int] = set()
    for operation in (found.ok() for found in schema.get_all_operations()):

        @SEEN
        @given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode[mode]), is_known=st.booleans())
        def ask(case: Any, *, is_known: bool) -> None:
            if is_known and mode == "POSITIVE":
                case.path_parameters |= {name: known[name] for name in case.path_parameters if name in known}
            response = case.call(base_url=ORIGIN, headers=TOLD)
            case.validate_response(response, checks=promises)
            told.add(response.status_code)

        with contextlib.suppress(Unsatisfiable):  # nothing of it could be wrong
            ask()
    assert told >= seen
