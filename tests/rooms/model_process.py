"""A scripted model as a process of its own: it prints its port, and ends with its stdin."""

import asyncio
import sys

from gateway.demo.models import Model, ModelServer


async def serve_until_stdin_ends(model: Model) -> None:
    """Serve it; whoever started us holds our stdin open for as long as it is needed."""
    server = ModelServer(model)
    await server.start()
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    told = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(told), sys.stdin)
    await told.read()
