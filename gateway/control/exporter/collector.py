"""The collector: takes posts of spans, each within one deadline, and says what is to become of them.

Source: OpenTelemetry protocol specification 1.8, "OTLP/HTTP Response" and "OTLP/HTTP Throttling". One thing is done
otherwise: what a collector refuses because of who posts it, or where to, is not the spans' fault. They wait, as the
journal keeps them, until whoever looks after it has mended the key or the address.
"""

import asyncio
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import httpx

from gateway.transport.key_file import FileStamp, file_stamp
from gateway.transport.trust import trusting
from records.named_file import require_file

DEADLINE_S = 5.0
"""For one post, its answer included; whoever ends us waits twice as long."""
ANSWER_BYTES = 64 * 1024
LONGEST_PAUSE_S = 60.0
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_GZIP = 16 + zlib.MAX_WBITS
_LATER = frozenset({301, 302, 303, 307, 308, 401, 403, 404, 405, 407, 408, 429, 502, 503, 504})
"""Statuses that say nothing against the spans."""

Fate = Literal["taken", "later", "refused"]


class HeadersFileError(Exception):
    """The file of headers cannot be used; its text holds nothing of what stands there."""


@dataclass(frozen=True, slots=True)
class PostResult:
    """What came of a post."""

    fate: Fate
    reason: str = ""
    """A status, or the kind of error: nothing of what anybody said."""
    pause_s: float = 0.0
    """How long the collector asks to be left alone."""
    answer: bytes = b""
    """What a collector that takes it says to that; `otlp.rejected` reads it."""


def read_headers(path: Path) -> dict[str, str]:
    """Headers of a file: `name: value` on each line, and lines that begin with `#`.

    Raises:
        HeadersFileError: it cannot be read, or a line is none.
    """
    try:
        require_file(path)
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise HeadersFileError(f"{path}: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from None
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, colon, value = line.partition(":")
        if not colon or not name.strip().isascii() or not value.strip().isprintable() or " " in name.strip():
            raise HeadersFileError(f"{path}:{number}: no header. hint: one `name: value` on each line")
        found[name.strip().lower()] = value.strip()
    return found


@dataclass(slots=True)
class Collector:
    """Where spans go. One connection is kept."""

    endpoint: str
    headers_file: Path | None = None
    ca_file: Path | None = None
    deadline_s: float = DEADLINE_S
    _client: httpx.AsyncClient | None = field(default=None, init=False)
    _read: FileStamp = field(default=(), init=False)
    """The CA file that it trusts."""

    async def post(self, body: bytes) -> PostResult:
        """Post what `otlp.request_body` made. Never raises."""
        try:
            headers = read_headers(self.headers_file) if self.headers_file is not None else {}
            async with asyncio.timeout(self.deadline_s):
                return await self._ask(body, headers)
        except TimeoutError:
            return PostResult("later", "timeout")
        except HeadersFileError as error:
            return PostResult("later", str(error))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return PostResult("later", type(error).__name__)  # its text may hold the address

    async def _ask(self, body: bytes, headers: Mapping[str, str]) -> PostResult:
        client = await self._trusting_client()
        compressor = zlib.compressobj(1, wbits=_GZIP)
        packed = compressor.compress(body) + compressor.flush()
        own = {"content-type": "application/x-protobuf", "content-encoding": "gzip", "user-agent": "crossfade"}
        request = client.build_request("POST", self.endpoint, content=packed, headers={**headers, **own})
        answer = await client.send(request, stream=True)
        try:
            said = b""
            async for piece in answer.aiter_bytes():
                said += piece
                if len(said) > ANSWER_BYTES:
                    break
        finally:
            await answer.aclose()
        return _result(answer, said)

    async def _trusting_client(self) -> httpx.AsyncClient:
        """The client; another one where the CA file was replaced, unless that cannot be read now.

        Raises:
            OSError: the CA file was never read.
        """
        is_tls = self.endpoint.startswith("https:")  # plain HTTP needs no authorities: reading them takes a while
        stamp = file_stamp(self.ca_file) if is_tls and self.ca_file is not None else ()
        if self._client is not None and stamp == self._read:
            return self._client
        try:
            verify = trusting(self.ca_file) if is_tls else _NO_TLS
        except OSError:
            if self._client is None:
                raise
            return self._client  # whoever rotates it may be about to write it
        await self.close()
        # Proxies of the environment are never used: where spans go stands in the settings.
        self._client = httpx.AsyncClient(verify=verify, trust_env=False, timeout=self.deadline_s)
        self._read = stamp
        return self._client

    async def close(self) -> None:
        """Let go of the connection."""
        if self._client is not None:
            await self._client.aclose()


def _result(answer: httpx.Response, said: bytes) -> PostResult:
    if answer.is_success:
        return PostResult("taken", answer=said if len(said) <= ANSWER_BYTES else b"")
    if answer.status_code not in _LATER:
        return PostResult("refused", f"status {answer.status_code}")
    asked = answer.headers.get("retry-after", "")
    pause_s = min(float(asked), LONGEST_PAUSE_S) if asked.isascii() and asked.isdigit() else 0.0
    return PostResult("later", f"status {answer.status_code}", pause_s)
