"""What each process is told, worked out from the settings: nothing here starts anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from gateway.adapters.boot import LitellmBoot
from gateway.admin.auth import Door, digest
from gateway.admin.boot import AdminBoot
from gateway.config.otel import OtelSettings
from gateway.config.settings import LimitSettings, Prices, Settings, Tls
from gateway.config.surroundings import surroundings
from gateway.control.archiver.boot import ArchiverBoot
from gateway.control.controller.boot import ControllerBoot
from gateway.control.exporter.boot import ExporterBoot
from gateway.control.prices import PriceOverride
from gateway.control.publish.table import base_table, litellm_socket
from gateway.control.recorder.boot import RecorderBoot
from gateway.control.row_inputs import RowInputs
from gateway.control.shadow.boot import ShadowBoot
from gateway.node import state_location as state_place
from gateway.node.datadir import DataDir, DataDirError, secret
from gateway.node.pepper import pepper_of
from gateway.node.state_location import StatePlace
from gateway.proxy.boot import Boot
from gateway.supervisor.child import BOOT_BYTES, BootTooLargeError, Program
from gateway.supervisor.upstream_keys import background_keys, key_files, names_a_key, own_key
from gateway.transport.limits import Limits
from records.gpu_hours import HourlyPrice
from records.named_file import require_file

PLAIN_VARIABLES = frozenset(
    {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "PYTHONPATH", "SSL_CERT_FILE", "SSL_CERT_DIR"}
)
"""What a process may know of the environment that must see no other provider's key."""

CONTROLLER_NICE = 5
"""What serves traffic comes first, yet not so far that a controller on a full machine could not act."""
BACKGROUND_NICE = 10
"""No app waits for these: they yield the processor from their start on, imports included."""


@dataclass(frozen=True, slots=True)
class Modules:
    """Which modules are the processes; tests put others in their place."""

    worker: str = "gateway.proxy.app"
    controller: str = "gateway.control.controller.process"
    recorder: str = "gateway.control.recorder.process"
    shadow: str = "gateway.control.shadow.process"
    exporter: str = "gateway.control.exporter.process"
    archiver: str = "gateway.control.archiver.process"
    admin: str = "gateway.console.server"
    litellm: str = "gateway.adapters.litellm"


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the processes share and no file of theirs may show. Its repr shows nothing either."""

    journal_key: bytes
    pepper: bytes
    admin_token: str | None
    admin_viewer_token: str | None
    state: StatePlace
    """With the password of its server and the key of its records."""

    def __repr__(self) -> str:
        return "Secrets(***)"


def read_secrets(settings: Settings, data: DataDir, environment: Mapping[str, str]) -> Secrets:
    """The secrets' files; those in the data directory are made at the first start.

    Raises:
        DataDirError: one cannot be read, or holds something else.
    """
    return Secrets(
        journal_key=secret(settings.capture.journal_key_file or data.root / "journal.key"),
        pepper=pepper_of(settings, data),
        admin_token=_admin_token(settings.server.admin_token_file),
        admin_viewer_token=_admin_token(settings.server.admin_viewer_token_file),
        state=state_place.find(settings, data, environment),
    )


def _admin_token(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        require_file(path)
        token = path.read_text("utf-8").strip()
    except OSError as error:
        raise DataDirError(f"{path}: {error.strerror}. hint: let this user read the admin token") from error
    except ValueError as error:
        raise DataDirError(f"{path}: the admin token is no text. hint: openssl rand -hex 32") from error
    if len(token) < 16:
        raise DataDirError(f"{path}: the admin token is shorter than 16 characters. hint: openssl rand -hex 32")
    return token


@dataclass(frozen=True, slots=True)
class Programs:
    """The settings, and all that follows from them for the processes."""

    settings: Settings
    data: DataDir
    secrets: Secrets
    modules: Modules
    environment: Mapping[str, str] = field(repr=False)
    sockets: Path
    """Where processes listen for each other."""

    @property
    def admin_socket(self) -> Path:
        """Where the admin process listens."""
        return self.sockets / "admin.sock"

    @property
    def door(self) -> Door:
        """Who may use the admin port."""
        tokens = (self.secrets.admin_token, self.secrets.admin_viewer_token)
        return Door(*(None if token is None else digest(token) for token in tokens))

    def control(self) -> dict[str, Program]:
        """The processes of the control plane, by name, and those that stand for an upstream."""
        doors = [name for name, upstream in self.settings.upstreams.items() if upstream.kind == "litellm"]
        return {
            "controller": self.controller(),
            "recorder": self.recorder(),
            "shadow": self.shadow(),
            "admin": self.admin(),
            **({"exporter": self.exporter(self.settings.otel)} if self.settings.otel is not None else {}),
            **({"archiver": self.archiver(self.settings.archive)} if self.settings.archive is not None else {}),
            **{f"litellm-{name}": self.litellm(name) for name in doors},
        }

    def worker(self, name: str, fds: Sequence[int], live: Path | None = None) -> Program:
        """One worker, serving from the inherited sockets `fds`. `live`: where its counters are; None: in their file."""

        def boot(ready_fd: int) -> bytes:
            return msgspec.json.encode(self._worker_boot(name, list(fds), ready_fd, live or self.data.live(name)))

        # Workers alone may see the environment's upstream keys; they do not know the shared state.
        environment = {
            name: value for name, value in self.environment.items() if name != self.settings.state_password_env
        }
        return Program(self.modules.worker, boot, fds=tuple(fds), environment=environment)

    def controller(self) -> Program:
        """The controller."""
        readiness = self.settings.readiness

        def boot(ready_fd: int) -> bytes:
            return msgspec.json.encode(
                ControllerBoot(
                    base=base_table(self.settings, self.sockets),
                    surroundings=surroundings(self.settings),
                    policies=str(self.settings.policies),
                    data=str(self.data.root),
                    journal_key=self.secrets.journal_key.hex(),
                    state=self.secrets.state,
                    routing=str(self.data.routing),
                    status=str(self.data.controller_status),
                    shadow_plan=str(self.data.shadow_plan),
                    exposition=str(self.data.exposition("controller")),
                    warm=str(self.data.warm),
                    finish_s={route: readiness.terms(route).finish_s for route in ("", *readiness.routes)},
                    ready_fd=ready_fd,
                )
            )

        return Program(self.modules.controller, boot, environment=self._without_keys(), nice=CONTROLLER_NICE)

    def recorder(self) -> Program:
        """The recorder."""

        def boot(ready_fd: int) -> bytes:
            return msgspec.json.encode(self._recorder_boot(ready_fd))

        return Program(self.modules.recorder, boot, environment=self._without_keys(), nice=BACKGROUND_NICE)

    def shadow(self) -> Program:
        """The shadow; the gateway's own keys are handed to it, and no other process of the control plane has them."""

        def boot(ready_fd: int) -> bytes:
            return msgspec.json.encode(self._shadow_boot(ready_fd))

        return Program(self.modules.shadow, boot, environment=self._without_keys(), nice=BACKGROUND_NICE)

    def exporter(self, otel: OtelSettings) -> Program:
        """The exporter, which runs only if the settings name a collector."""

        def boot(ready_fd: int) -> bytes:
            return msgspec.json.encode(self._exporter_boot(otel, ready_fd))

        return Program(self.modules.exporter, boot, environment=self._without_keys(), nice=BACKGROUND_NICE)

    def archiver(self, archive: str) -> Program:
        """The archiver, which runs only if the settings name an archive."""

        def boot(ready_fd: int) -> bytes:
            told = ArchiverBoot(
                records=str(self.data.records),
                archive=archive,
                exposition=str(self.data.exposition("archiver")),
                ready_fd=ready_fd,
            )
            return msgspec.json.encode(told)

        return Program(self.modules.archiver, boot, environment=self._without_keys(), nice=BACKGROUND_NICE)

    def litellm(self, name: str) -> Program:
        """The process that speaks for the litellm upstream `name`; it sees that provider's key and no other."""
        upstream = self.settings.upstreams[name]

        def boot(ready_fd: int) -> bytes:
            door = LitellmBoot(
                model=upstream.model or "",
                uds=str(litellm_socket(self.sockets, name)),
                api_key=own_key(upstream, self.environment),
                api_key_file=str(upstream.api_key_file or ""),
                api_base=upstream.base_url,
                ready_fd=ready_fd,
            )
            return msgspec.json.encode(door)

        environment = {name: value for name, value in self.environment.items() if name in PLAIN_VARIABLES}
        return Program(self.modules.litellm, boot, environment=environment)

    def admin(self) -> Program:
        """The admin process, behind the front's socket."""
        door = self.door

        def boot(ready_fd: int) -> bytes:
            return msgspec.json.encode(
                AdminBoot(
                    data=str(self.data.root),
                    state=self.secrets.state,
                    socket=str(self.admin_socket),
                    token_sha256=door.token_sha256,
                    viewer_sha256=door.viewer_sha256,
                    tls=self.settings.server.admin_tls is not None,
                    ready_fd=ready_fd,
                    readiness=self.settings.readiness.inputs(
                        hourly_prices(self.settings.prices), str(self.settings.policies)
                    ),
                )
            )

        return Program(self.modules.admin, boot, environment=self._without_keys(), nice=BACKGROUND_NICE)

    def _worker_boot(self, name: str, fds: list[int], ready_fd: int, live: Path) -> Boot:
        tls = self.settings.server.tls
        files = tls if isinstance(tls, Tls) else None
        return Boot(
            worker=name,
            listen_fds=fds,
            routing=str(self.data.routing),
            kill=str(self.data.kill),
            journal=str(self.data.journal),
            journal_key=self.secrets.journal_key.hex(),
            pepper=self.secrets.pepper.hex(),
            live=str(live),
            ready_fd=ready_fd,
            limits=worker_limits(self.settings.limits),
            disk_budget_bytes=self.settings.capture.disk_budget,
            drain_s=self.settings.server.drain,
            tls_cert=None if files is None else str(files.cert),
            tls_key=None if files is None else str(files.key),
        )

    def _row_inputs(self) -> dict[str, Any]:
        """What each process that makes rows is told of how, by the names of its fields."""
        capture = self.settings.capture
        return msgspec.structs.asdict(
            RowInputs(
                pepper=self.secrets.pepper.hex(),
                prices=price_overrides(self.settings.prices),
                hourly=hourly_prices(self.settings.prices),
                redact=capture.redact,
                sample_ppm=capture.sample,
                honor_store_false=capture.honor_store_false,
            )
        )

    def _recorder_boot(self, ready_fd: int) -> RecorderBoot:
        capture = self.settings.capture
        return RecorderBoot(
            journal=str(self.data.journal),
            journal_key=self.secrets.journal_key.hex(),
            records=str(self.data.records),
            exposition=str(self.data.exposition("recorder")),
            routing=str(self.data.routing),
            plan=str(self.data.shadow_plan),
            readers=str(self.data.readers),
            gpu=str(self.data.gpu),
            shutdown={model: day.isoformat() for model, day in self.settings.readiness.shutdown.items()},
            retention_s=capture.retention,
            journal_retention_s=capture.journal_retention,
            ready_fd=ready_fd,
            **self._row_inputs(),
        )

    def _shadow_boot(self, ready_fd: int) -> ShadowBoot:
        capture = self.settings.capture
        known = surroundings(self.settings).upstreams
        keys, _ = background_keys(self.settings, self.environment)
        lacking = {name for name, found in self.settings.upstreams.items() if names_a_key(found)} - keys.keys()
        return ShadowBoot(
            journal=str(self.data.journal),
            journal_key=self.secrets.journal_key.hex(),
            plan=str(self.data.shadow_plan),
            routing=str(self.data.routing),
            kill=str(self.data.kill),
            readers=str(self.data.readers),
            exposition=str(self.data.exposition("shadow")),
            keys=keys,
            key_files={name: path for name, path in key_files(self.settings, self.environment).items() if name in keys},
            background=tuple(name for name, found in known.items() if found.has_background_key and name not in lacking),
            gpu=str(self.data.gpu),
            warm=str(self.data.warm),
            journal_retention_s=capture.journal_retention,
            ready_fd=ready_fd,
            **self._row_inputs(),
        )

    def _exporter_boot(self, otel: OtelSettings, ready_fd: int) -> ExporterBoot:
        capture = self.settings.capture
        return ExporterBoot(
            journal=str(self.data.journal),
            journal_key=self.secrets.journal_key.hex(),
            records=str(self.data.records),
            routing=str(self.data.routing),
            plan=str(self.data.shadow_plan),
            readers=str(self.data.readers),
            exposition=str(self.data.exposition("exporter")),
            endpoint=otel.endpoint,
            service_name=otel.service_name,
            version=version("crossfade"),
            headers_file=str(otel.headers_file or ""),
            ca_file=str(otel.ca_file or ""),
            conventions=otel.conventions,
            content=otel.content,
            trace_ppm=otel.sample,
            gpu=str(self.data.gpu),
            journal_retention_s=capture.journal_retention,
            ready_fd=ready_fd,
            **self._row_inputs(),
        )

    def check(self) -> None:
        """See that every process can be told what it is to know, before the first is.

        Raises:
            BootTooLargeError: it is too much.
        """
        for program in (self.worker("", []), self.controller(), self.recorder(), self.shadow(), self.admin()):
            size = len(program.boot(-1))
            if size > BOOT_BYTES:
                raise BootTooLargeError(f"{program.module}: the settings take {size} bytes of at most {BOOT_BYTES}")

    def problems(self) -> list[str]:
        """What is wrong with single upstreams, which the others are not to suffer for."""
        return background_keys(self.settings, self.environment)[1]

    def _without_keys(self) -> dict[str, str]:
        upstreams = self.settings.upstreams.values()
        names = {name for each in upstreams for name in (each.api_key_env, each.background_key_env)}
        names.add(self.settings.state_password_env)
        return {name: value for name, value in self.environment.items() if name not in names}


def price_overrides(prices: Prices) -> tuple[PriceOverride, ...]:
    """The settings' prices as the recorder takes them."""
    return tuple(
        PriceOverride(
            upstream=upstream,
            model="" if model == "*" else model,
            prompt_usd=price.prompt,
            completion_usd=price.completion,
            cached_usd=price.cached,
            cache_write_usd=price.cache_write,
        )
        for upstream, models in prices.models.items()
        for model, price in models.items()
    )


def hourly_prices(prices: Prices) -> tuple[HourlyPrice, ...]:
    """Which upstreams are paid by the hour, as the recorder takes them."""
    return tuple(HourlyPrice(name, paid.gpu_usd_per_hour, paid.replicas) for name, paid in prices.candidate.items())


def worker_limits(limits: LimitSettings) -> Limits:
    """The settings' limits as a worker takes them."""
    return Limits(
        header_bytes=limits.header_size,
        header_count=limits.header_count,
        header_s=limits.header_time,
        body_s=limits.body_time,
        body_bytes=limits.body_size,
        routed_body_bytes=limits.routed_body_size,
        keep_alive_s=limits.keep_alive,
        idle_write_s=limits.idle_write,
        connections=limits.connections,
        in_flight=limits.in_flight,
        retry_after_s=limits.retry_after,
    )
