"""What stands before a model server in production: one address, behind which the server is replaced unnoticed.

    python -m tests.acceptance.migration.front PORT

Prints its port; then each line on stdin is the port of the server that answers from the next request on. Whoever is
not there is told to callers as a broken connection.
"""

import asyncio
import sys
from dataclasses import dataclass

HEAD_BYTES = 64 * 1024
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class Front:
    """Passes whole requests and whole answers on."""

    target: int
    open: int = 0
    """Callers' connections."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One caller's connection, with one of its own behind it."""
        self.open += 1
        behind: Streams | None = None
        at = 0
        try:
            while True:
                asked = await _message(reader)
                if behind is None or at != self.target or behind[0].at_eof():  # servers end what was idle for seconds
                    if behind is not None:
                        behind[1].close()
                    at = self.target
                    behind = await asyncio.open_connection("127.0.0.1", at, limit=HEAD_BYTES)
                behind[1].write(asked)
                writer.write(await _message(behind[0]))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the caller has gone, or nobody is there: a broken connection says so
        finally:
            for end in (writer, behind[1] if behind else None):
                if end is not None:
                    end.close()
            self.open -= 1


async def _message(reader: asyncio.StreamReader) -> bytes:
    """A request or an answer, head and body, framed by its length."""
    head = await reader.readuntil(b"\r\n\r\n")
    _, _, length = head.lower().partition(b"\r\ncontent-length:")
    return head + await reader.readexactly(int(length.split(b"\r\n")[0] or 0))


async def main(target: int) -> None:
    """Serve until stdin ends."""
    front = Front(target)
    server = await asyncio.start_server(front.serve, "127.0.0.1", 0, limit=HEAD_BYTES)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    told = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(told), sys.stdin)
    while line := await told.readline():
        front.target = int(line)
        sys.stdout.write("now\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
