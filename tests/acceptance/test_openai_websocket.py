"""Realtime and Responses over WebSocket with the official SDK, directly and through the gateway."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import InvalidStatus
from websockets.http11 import Request, Response

from tests.rooms.gateway_process import Gateway, table_for
from tests.rooms.waiting import PATIENCE_S

FRAME = "é" * 70_000
"""Longer than any buffer on the way."""


def refuse(connection: ServerConnection, request: Request) -> Response | None:
    """A junk key gets its 401 at the upgrade, as OpenAI gives it."""
    if "sk-junk" in request.headers.get("authorization", ""):
        return connection.respond(HTTPStatus.UNAUTHORIZED, '{"error":{"message":"Incorrect API key provided"}}')
    return None


async def frontier(connection: ServerConnection) -> None:
    """Says what it was asked for, answers each response.create, and closes with a code of its own on `bye`."""
    assert connection.request is not None
    await connection.send(json.dumps({"type": "session.created", "event_id": "e1", "path": connection.request.path}))
    async for text in connection:
        event = json.loads(text)
        if event["type"] == "bye":
            await connection.close(4001, "as asked")
            return
        said = {"event_id": "e2", "response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}
        await connection.send(
            json.dumps(said | {"type": "response.output_text.delta", "delta": FRAME}, ensure_ascii=False)
        )


@asynccontextmanager
async def arena(directory: Path, way: str) -> AsyncIterator[str]:
    """The base URL of a WebSocket frontier, or of a gateway in front of it."""
    async with serve(frontier, "127.0.0.1", 0, process_request=refuse) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        base_url = f"http://127.0.0.1:{port}/v1"
        if way == "direct":
            yield base_url
            return
        with Gateway(directory, table_for(base_url)) as gateway:
            yield gateway.base_url


@pytest.mark.parametrize("way", ["direct", "gateway"])
async def test_realtime(tmp_path: Path, way: str):
    """Events both ways, long ones too, the query unchanged, and the upstream's close code at the app."""
    async with (
        arena(tmp_path, way) as base_url,
        AsyncOpenAI(base_url=base_url, api_key="sk-app") as client,
        asyncio.timeout(PATIENCE_S),
        client.realtime.connect(model="gpt-realtime") as connection,
    ):
        first: Any = await connection.recv()
        assert (first.type, first.path) == ("session.created", "/v1/realtime?model=gpt-realtime")
        await connection.send({"type": "response.create"})
        delta: Any = await connection.recv()
        assert delta.delta == FRAME
        await connection.send({"type": "bye"})  # type: ignore[typeddict-item, misc] -- the fake's own word
        raw: Any = connection._connection
        await raw.wait_closed()
        assert (raw.close_code, raw.close_reason) == (4001, "as asked")


@pytest.mark.parametrize("way", ["direct", "gateway"])
async def test_responses_over_a_websocket(tmp_path: Path, way: str):
    """The Responses API's own socket is carried like any other."""
    async with (
        arena(tmp_path, way) as base_url,
        AsyncOpenAI(base_url=base_url, api_key="sk-app") as client,
        asyncio.timeout(PATIENCE_S),
        client.responses.connect() as connection,
    ):
        raw: Any = connection._connection
        assert json.loads(await raw.recv())["path"].startswith("/v1/responses")
        await raw.send('{"type":"response.create","model":"gpt-4o","input":"hi"}')
        assert json.loads(await raw.recv())["delta"] == FRAME


@pytest.mark.parametrize("way", ["direct", "gateway"])
async def test_a_refused_upgrade_keeps_its_status(tmp_path: Path, way: str):
    """What the upstream says instead of 101 is what the app gets."""
    async with (
        arena(tmp_path, way) as base_url,
        AsyncOpenAI(base_url=base_url, api_key="sk-junk") as client,
        asyncio.timeout(PATIENCE_S),
    ):
        with pytest.raises(InvalidStatus) as caught:
            async with client.realtime.connect(model="gpt-realtime"):
                pass
        assert caught.value.response.status_code == 401
        assert b"Incorrect API key" in (caught.value.response.body or b"")
