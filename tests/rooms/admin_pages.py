"""The admin API in this process."""

import httpx

from gateway import clock
from gateway.admin.api import Pages, create_app
from gateway.admin.auth import Door
from gateway.admin.queries import KeptAnswers, RecordQueries
from gateway.admin.rollouts import Operations
from gateway.config.readiness import ReadinessInputs
from gateway.control.operations.orders import OrderClock
from gateway.node.datadir import DataDir
from gateway.node.state_location import StatePlace
from records.store import Store


def pages(data: DataDir, *, keeps: bool = False) -> Pages:
    """The admin API's pages; with `keeps`, slow answers are kept, as the admin process does."""
    waits = OrderClock(clock.wall, clock.monotonic, lambda _: None)
    operations = Operations(data, StatePlace(str(data.state)), waits, "1")
    queries = RecordQueries(Store(data.records), kept=KeptAnswers(clock.wall) if keeps else None)
    return Pages(data, operations, queries, ReadinessInputs())


def connected(data: DataDir, door: Door) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(pages(data), door, version="1"), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8081/api/v1")
