"""The admin API in this process."""

import httpx
from fastapi import FastAPI
from fastapi.dependencies import models

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


def app_over(served: Pages, door: Door) -> FastAPI:
    """The API, and none of those before it in memory.

    FastAPI keeps the last thousands of functions that it looked at, and with them forty-five apps of eight megabytes:
    the garbage collector would go through them all again and again, for a second and more each time.
    """
    for kept in vars(models).values():
        if hasattr(kept, "cache_clear"):
            kept.cache_clear()
    return create_app(served, door, version="1")


def connected(data: DataDir, door: Door) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app_over(pages(data), door), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8081/api/v1")
