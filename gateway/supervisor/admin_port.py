"""The admin port as the supervisor holds it: its socket, its TLS, and what it answers by itself."""

import asyncio
import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.config.quantities import Address
from gateway.log import Log
from gateway.supervisor.front import Front, FrontAnswer, Page
from gateway.supervisor.programs import Programs
from gateway.supervisor.sockets import BindError, bound, listen
from gateway.telemetry.metrics import PREFIX, Sample, render
from gateway.transport.server_certificate import NOT_RENEWED, ServerCertificate

EXPOSITION_BYTES = 4 * 1024 * 1024
"""A part of `/metrics` longer than this is not ours."""


@dataclass(frozen=True, slots=True)
class AdminChange:
    """How the admin port is to be served next."""

    front: Front
    address: Address
    server: asyncio.Server | None
    """None: that of before, on the same address."""


@dataclass(slots=True)
class AdminPort:
    """Serves the admin port over every change of its settings.

    An address keeps its server: one that ends drops, with a reset, what it has accepted in this pass of the event loop,
    and a probe during a reload would fail.
    """

    pages: Mapping[str, Page]
    log: Log
    _front: Front | None = field(default=None, init=False)
    _address: Address | None = field(default=None, init=False)
    _server: asyncio.Server | None = field(default=None, init=False)

    @property
    def where(self) -> Address | None:
        """Where it really listens."""
        return None if self._server is None else bound(self._server.sockets[0])

    async def serve(self, plan: Programs) -> None:
        """Serve as `plan` says, from now on; what was served before ends once the new is there.

        Raises:
            BindError: the address cannot be listened on, or its certificate cannot be read; all is as before.
        """
        await self.switch(await self.prepare(plan))

    async def prepare(self, plan: Programs) -> AdminChange:
        """All that serving as `plan` says needs, with nothing changed yet.

        Raises:
            BindError: as for `serve`.
        """
        front = Front(
            pages=dict(self.pages),
            door=plan.door,
            admin_socket=plan.admin_socket,
            log=self.log,
            tls=_certificate(plan),
        )
        server, address = None, plan.settings.server.admin
        if self._server is None or address != self._address:
            server = await asyncio.start_server(self._serve, sock=listen(address), start_serving=False)
        return AdminChange(front, address, server)

    async def switch(self, change: AdminChange) -> None:
        """Serve as was prepared."""
        self._front, self._address = change.front, change.address
        if change.server is not None:
            old, self._server = self._server, change.server
            await change.server.start_serving()
            if old is not None:
                old.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._front is not None:  # always: nothing is accepted before the first `switch`
            await self._front.serve(reader, writer)

    def renew_certificate(self) -> None:
        """Show the certificate as it stands in its files. To be called every few seconds."""
        certificate = None if self._front is None else self._front.tls
        if certificate is None:
            return
        if certificate.renew():
            self.log.notice("admin_tls.renewed")
        elif problem := certificate.news():
            self.log.alarm("admin_tls.not_renewed", reason=problem, hint=NOT_RENEWED)

    def give_up(self, change: AdminChange) -> None:
        """Forget what was prepared."""
        if change.server is not None:
            change.server.close()

    def close(self) -> None:
        """Stop serving."""
        if self._server is not None:
            self._server.close()


def _certificate(plan: Programs) -> ServerCertificate | None:
    files = plan.settings.server.admin_tls
    if files is None:
        return None
    try:
        return ServerCertificate(files.cert, files.key)
    except OSError as error:
        raise BindError(
            f"admin_tls: {files.cert}, {files.key}: {error}. hint: both are PEM and fit each other"
        ) from error


def health(version: str) -> FrontAnswer:
    """`/healthz`: the supervisor is there to say so."""
    return _json(200, {"status": "ok", "version": version})


def readiness(*, workers: int, stopping: bool, has_table: bool) -> FrontAnswer:
    """`/readyz`: whether new traffic may come."""
    reasons = [
        reason
        for reason, holds in (
            ("shutting down", stopping),
            ("no worker accepts requests", workers == 0),
            ("no routing table", not has_table),
        )
        if holds
    ]
    return _json(503 if reasons else 200, {"ready": not reasons, "workers": workers, "reasons": reasons})


def exposed_ages(parts: Mapping[str, Path], now: float) -> list[Sample]:
    """How old each process's part of `/metrics` is: one that hangs has said its last. `now`: Unix seconds."""
    found: list[Sample] = []
    for process, path in parts.items():
        with contextlib.suppress(OSError):  # none yet
            found.append(Sample(f"{PREFIX}exposed_age_seconds", max(0.0, now - path.stat().st_mtime), (process,)))
    return found


def metrics(samples: Sequence[Sample], expositions: Iterable[Path]) -> FrontAnswer:
    """`/metrics`: our own samples, and what other processes left as files."""
    texts = [render(samples), *(_exposition(path) for path in expositions)]
    return FrontAnswer(200, "".join(texts).encode(), "text/plain; version=0.0.4; charset=utf-8")


def _exposition(path: Path) -> str:
    """A process's part; nothing where it has written none, or nothing that is whole."""
    try:
        with path.open("rb") as file:
            text = file.read(EXPOSITION_BYTES + 1).decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    return text if len(text) <= EXPOSITION_BYTES and (not text or text.endswith("\n")) else ""


def _json(status: int, content: object) -> FrontAnswer:
    return FrontAnswer(status, json.dumps(content).encode() + b"\n")
