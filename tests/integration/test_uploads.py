"""Bodies that go on to the upstream as they come."""

import asyncio
from pathlib import Path

from tests.fakes.raw_http import App, request
from tests.fakes.raw_upstream import Call, RawUpstream, answer
from tests.rooms.gateway_process import Gateway, table_for
from tests.rooms.waiting import PATIENCE_S

UPLOAD = bytes(200_000)


async def _count_and_close(call: Call) -> None:
    await call.send(answer(b"%d" % len(call.request.body)))
    call.writer.close()


async def test_an_upload_that_outruns_the_connect_leaves_its_connection_usable(tmp_path: Path) -> None:
    """A body that is whole before its upstream is connected arrives, and the app's connection carries more after it."""
    async with RawUpstream(_count_and_close) as upstream:
        with Gateway(tmp_path, table_for(upstream.base_url)) as gateway:
            app = await App.connect(gateway.port)
            for _ in range(10):
                for body in (UPLOAD, b"{}"):
                    message = await asyncio.wait_for(app.ask(request(body, target=b"/v1/files")), PATIENCE_S)
                    assert message.body == b"%d" % len(body)
            app.close()
