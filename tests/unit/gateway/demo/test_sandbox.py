import asyncio
import contextlib
import sys

import pytest

from gateway.demo.sandbox import House, HouseError, free_port
from gateway.telemetry.metrics import PREFIX, Sample, render


@contextlib.asynccontextmanager
async def _house(folder, *answers):
    """A gateway's folder whose process does nothing; its admin port gives these answers, the last one over and over."""
    said = list(answers)

    async def serve(reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(said.pop(0) if len(said) > 1 else said[0])
        writer.close()

    (folder / "log.jsonl").write_text("\n".join(f"line {number} {'x' * 300}" for number in range(20)))
    server = await asyncio.start_server(serve, "127.0.0.1", 0) if answers else None
    admin = server.sockets[0].getsockname()[1] if server else free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield House(folder, free_port(), admin, process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        if server is not None:
            server.close()


def _answer(status, body=b""):
    return b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)


async def test_a_start_says_what_it_waits_for(tmp_path):
    """Until `/readyz` says 200, what it last said is told with the process that says it."""
    told = []
    not_yet = _answer(b"503 Service Unavailable", b'{"ready": false, "reasons": ["no routing table", "no worker"]}')
    async with _house(tmp_path, not_yet, _answer(b"200 OK")) as house:
        await house.ready(told.append)
    assert told == [
        f"crossfade serve (process {house.process.pid}) is starting; "
        "/readyz on its admin port: 503, no routing table and no worker"
    ]


@pytest.mark.parametrize(
    ("answers", "last"),
    [((), "no answer yet"), ((_answer(b"503 No", b"no JSON"),), "503, without a reason")],
)
async def test_a_start_that_takes_too_long_says_which_process_which_wait_and_the_last_status(tmp_path, answers, last):
    """It names the process, the wait, how long it was and what was last seen, and fits 80 by 24."""
    async with _house(tmp_path, *answers) as house:
        with pytest.raises(HouseError) as error:
            await house.ready(lambda _: None, within_s=1.0)
    text = str(error.value)
    assert f"gave up after 1 s: crossfade serve (process {house.process.pid}) is not ready." in text
    assert f"waited for: 200 from http://127.0.0.1:{house.admin}/readyz" in text
    assert f"last answer: {last}" in text
    assert "not running: its supervisor has not said yet" in text
    assert "line 19" in text
    assert sum(len(line) // 80 + 1 for line in text.splitlines()) <= 18


async def test_a_gateway_that_ended_says_so_with_its_last_lines(tmp_path):
    """One that is gone is no longer waited for: its exit status and its log's end are in the error."""
    async with _house(tmp_path) as house:
        house.process.kill()
        await house.process.wait()
        with pytest.raises(HouseError, match=r"gave up: crossfade serve \(process \d+\) ended with -9") as error:
            await house.ready(lambda _: None)
    assert "line 19" in str(error.value)


async def test_how_far_the_shadow_is_behind_is_what_it_exposes(tmp_path):
    """It is read as the shadow writes it; before it has written there is no lag."""
    async with _house(tmp_path) as house:
        assert house.shadow_lag_s() == 0.0
        house.data.run.mkdir(parents=True)
        said = render([Sample(f"{PREFIX}shadow_queue", 3, ("tickets",)), Sample(f"{PREFIX}shadow_lag_seconds", 4.25)])
        house.data.exposition("shadow").write_text(said, "utf-8")
        assert house.shadow_lag_s() == 4.25
