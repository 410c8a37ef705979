"""The settings of this process: `crossfade.yaml`, read once, checked whole. What should happen to traffic stands in
the policies; nothing here moves any.

No file at all is fine: every field has a default, and the defaults pass everything through to OpenAI.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from gateway.config import otel, policies_home, state_url
from gateway.config.otel import OtelSettings
from gateway.config.quantities import Address, Bytes, Listen, LocalPath, ProxyUrl, Url, size_bytes
from gateway.config.readiness import ReadinessSettings
from gateway.config.warm import WarmSettings
from gateway.config.yaml_file import Loc
from policies.language.amounts import PPM, Seconds, SharePpm
from policies.upstream_kinds import Kind
from records.archive import bucket
from records.archive.bucket import place_of

OPENAI_URL = "https://api.openai.com/v1"
LITELLM_URL = "http://litellm/v1"
HOUR_S = 3600.0
REDACTIONS = ("email", "phone", "card", "iban", "secret")


def _redaction(word: str) -> str:
    """Check an entry of `redact`: a kind, `field:NAME` or `keep:NAME`."""
    how, colon, name = word.partition(":")
    if word not in REDACTIONS and not (how in ("field", "keep") and colon and name.strip()):
        raise ValueError(f"must be one of {', '.join(REDACTIONS)}, field:NAME or keep:NAME")
    return word


Redaction = Annotated[str, AfterValidator(_redaction)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def _state(text: str) -> str:
    """Where the shared state is.

    Raises:
        ValueError: nowhere we know.
    """
    if text != "sqlite":
        state_url.server(text)
    return text


def _name(text: str) -> str:
    """A name that can stand in a policy, a label and a file's name.

    Raises:
        ValueError: it cannot.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", text):
        raise ValueError("a name is made of letters, digits, dot, dash and underscore; at most 64")
    return text


HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
HeaderValue = Annotated[str, Field(pattern=r"^[\t\x20-\x7e]*$")]
Name = Annotated[str, AfterValidator(_name)]


class Tls(_Section):
    """A certificate and its key, both PEM. Renewed files are shown within seconds, without a reload."""

    cert: LocalPath
    """The certificate chain, the server's own certificate first."""
    key: LocalPath


def _is_word(value: object) -> str:
    return "(word)" if isinstance(value, str) else "(files)"


TlsOrStated = Annotated[
    Annotated[Tls, Tag("(files)")] | Annotated[Literal["front-proxy"], Tag("(word)")], Discriminator(_is_word)
]
"""Tags in parentheses are no keys: messages leave them out."""


class ServerSettings(_Section):
    """Ports and processes."""

    listen: Listen = Address("127.0.0.1", 8080)
    """The data plane. A public address needs `tls`."""
    admin: Listen = Address("127.0.0.1", 8081)
    """Admin API, console, /metrics, /healthz. A public address needs `admin_tls` and `admin_token_file`."""
    workers: int = Field(default=1, ge=1, le=256)
    """Processes of the data plane; about one per core."""
    tls: TlsOrStated | None = None
    """TLS on the data port; `front-proxy` states that a proxy or a private network in front takes care of it."""
    admin_tls: Tls | None = None
    """TLS on the admin port."""
    admin_token_file: LocalPath | None = None
    """A file with the token for the admin port: as a bearer token, or to sign in to the console."""
    admin_viewer_token_file: LocalPath | None = None
    """A file with a token for read-only access; needs `admin_token_file`."""
    drain: Seconds = 600.0
    """Longest time that a stopping worker continues with its open requests."""


class Upstream(_Section):
    """A server we call."""

    base_url: Url | None = None
    """`scheme://host[:port][/base]`; a request for `/v1/x` goes to the base + `/x`. Required, but for `litellm`."""
    kind: Kind = "openai"
    """The kind of server. `litellm`: a provider that does not speak OpenAI's API, through a process of its own; needs
    the extra `crossfade[litellm]`."""
    model: str | None = None
    """For `litellm`: the model as litellm names it, `anthropic/…`."""
    base_path: str = Field(default="", pattern=r"^(/[^?#\s]*)?$")
    """Appended to the path of `base_url` (Azure: `/openai/deployments/NAME`)."""
    query: dict[str, str] = {}
    """Added to each request's query (Azure: `api-version`)."""
    headers: dict[HeaderName, HeaderValue] = {}
    """Set on each request; values may come from the environment: `${NAME}`."""
    api_key_file: LocalPath | None = None
    """A file whose content replaces the caller's Authorization; without it the caller's own key is passed through."""
    api_key_env: str | None = None
    """The same from an environment variable."""
    background_key_file: LocalPath | None = None
    """A file with the key for Crossfade's own calls (noise floor, judge, reverse shadow, replay), which never
    use a caller's key."""
    background_key_env: str | None = None
    """The same from an environment variable."""
    proxy: ProxyUrl | None = None
    """A forward proxy, `http://host:port`. Proxy variables of the environment (`HTTPS_PROXY`) are not used."""
    ca_file: LocalPath | None = None
    """Certificates to trust instead of the system's."""
    uds: LocalPath | None = None
    """A Unix socket to connect to instead of the URL's host."""
    connect: Seconds = 5.0
    """Longest wait for a connection."""
    idle: Seconds | None = None
    """Longest time that an unused connection is kept; set it below the server's own time. Unset: `2s` to an
    engine, `50s` to others."""
    max_connections: int = Field(default=1024, ge=1)
    """Most connections of one worker. With all in use the baseline answers for a candidate, which is not charged for
    it; of a baseline apps get 503 `upstream_saturated`."""
    warm: WarmSettings | None = None
    """For servers that scale: what has to answer before a candidate's weight rises. Unset: nothing is waited for."""

    @property
    def url(self) -> str:
        """The URL that requests go to; litellm's process listens on a socket, so its host is only a name."""
        return (
            LITELLM_URL
            if self.kind == "litellm" or self.base_url is None
            else self.base_url + self.base_path.rstrip("/")
        )

    @model_validator(mode="after")
    def _is_reachable(self) -> Self:
        if self.kind != "litellm":
            if self.base_url is None:
                raise ValueError("base_url is missing")
            if self.model is not None:
                raise ValueError("a model is named by a policy; here only for kind: litellm")
            return self
        if self.model is None:
            raise ValueError("model is missing: name it as litellm does, anthropic/…")
        for name in ("base_path", "query", "headers", "proxy", "ca_file", "uds"):
            if getattr(self, name):
                raise ValueError(f"{name} means nothing for kind: litellm")
        return self

    @model_validator(mode="after")
    def _one_source_per_key(self) -> Self:
        for kind in ("api_key", "background_key"):
            if getattr(self, f"{kind}_file") and getattr(self, f"{kind}_env"):
                raise ValueError(f"both {kind}_file and {kind}_env: name one")
        return self


class Keys(_Section):
    """The keys that apps send."""

    mode: Literal["passthrough", "virtual"] = "passthrough"
    """`passthrough`: the caller's own key is passed to the upstream. `virtual`: apps use keys of `crossfade
    keys create`."""
    pepper_file: LocalPath | None = None
    """Keys are kept as HMACs under it, and users are assigned by it. Default: `pepper` in the data directory, made at
    the first start; with a `state` on a server it is made of its key, so that all nodes have the same."""


class CaptureSettings(_Section):
    """What is kept of the traffic."""

    sample: SharePpm = PPM
    """Share of exchanges whose bodies are kept."""
    redact: tuple[Redaction, ...] = REDACTIONS
    """What is replaced before anything gets into the records. `secret` goes by what keys look like and by the names of
    fields (`password`, `api_key`, `authorization` …); `field:NAME` adds a name, `keep:NAME` takes one out."""
    retention: Seconds = 90 * 24 * HOUR_S
    """Age at which records are deleted."""
    journal_retention: Seconds = Field(default=HOUR_S, le=HOUR_S)
    """Age at which raw journal segments are deleted once recorded; at most 1h."""
    journal_key_file: LocalPath | None = None
    """The key that encrypts the journal. Default: `journal.key` in the data directory, made at the first start."""
    disk_budget: Bytes = size_bytes("10GiB")
    """Space for the journal. Above it bodies are left out first, then whole exchanges; all are counted."""
    max_body: Bytes = size_bytes("8MiB")
    """Of longer bodies only size and SHA-256 are kept."""
    binary: Literal["hash_only", "keep"] = "hash_only"
    """What is kept of bodies that are neither JSON nor text."""
    honor_store_false: bool = True
    """Whether an exchange with `store: false` in its request is left out of datasets."""


Usd = Annotated[float, Field(ge=0.0, le=1e6, allow_inf_nan=False)]


class ModelPrice(_Section):
    """What a model costs, in US dollars per million tokens."""

    prompt: Usd
    completion: Usd
    cached: Usd | None = None
    """Prompt tokens read from the cache; default: as `prompt`."""
    cache_write: Usd | None = None
    """Prompt tokens written to the cache; default: as `prompt`."""


class GpuPrice(_Section):
    """The cost of your own servers, busy or idle. Each answer is charged what was paid since the answer before it."""

    gpu_usd_per_hour: Usd
    """Price of one replica with all its GPUs. If several nodes share the servers: each node's part."""
    replicas: int | None = Field(default=None, ge=1)
    """Number of replicas that are paid. If not stated, one is charged, and each page that shows the cost says so."""


class Prices(_Section):
    """Prices that the built-in price book lacks, or has wrong."""

    models: dict[str, dict[str, ModelPrice]] = {}
    """Upstream, then model; `"*"` is every model of that upstream."""
    candidate: dict[str, GpuPrice] = {}
    """Upstream -> what its servers cost by the hour; that holds before `models`."""


class LimitSettings(_Section):
    """What a connection may send, and how long it may take."""

    header_size: Bytes = size_bytes("64KiB")
    """Bytes of a request's head."""
    header_count: int = Field(default=128, ge=1)
    """Header fields of a request."""
    header_time: Seconds = 10.0
    """From a request's first byte to the end of its headers."""
    body_time: Seconds = 60.0
    """Longest pause within a request body."""
    body_size: Bytes = size_bytes("1GiB")
    """Bytes of a request body."""
    routed_body_size: Bytes = size_bytes("32MiB")
    """Longer bodies are streamed to the baseline without being read."""
    keep_alive: Seconds = 75.0
    """Longest time that an app's idle connection is kept."""
    idle_write: Seconds = 120.0
    """Longest time that an app may leave an answer's bytes unread."""
    connections: int = Field(default=8192, ge=1)
    """Most connections of apps, per worker."""
    in_flight: int = Field(default=1024, ge=1)
    """Most open requests, per worker; above it new ones get 503 at once."""
    retry_after: Seconds = 1.0
    """The `retry-after` of such a 503."""


class Settings(_Section):
    """All of `crossfade.yaml`."""

    server: ServerSettings = ServerSettings()
    data: LocalPath = Field(default=Path("crossfade-data"), validate_default=True)
    """The data directory: everything is kept in it. `s3://bucket/prefix`: the default, with that as `archive`."""
    archive: Annotated[str, AfterValidator(place_of)] | None = None
    """Where a copy of this node's records is kept besides: `s3://bucket/prefix`, `gs://…`, `az://…` or `file:///…`. The
    journal stays local. Who may write there is known from the surroundings, as `AWS_ACCESS_KEY_ID`. Needs the extra
    `crossfade[archive]`."""
    state: Annotated[str, AfterValidator(_state)] = "sqlite"
    """Where rollouts are kept: `sqlite` in the data directory, for one node; for several `redis://host:6379/0`,
    `rediss://…` with TLS or `unix:///path`, of Redis or Valkey, a database of their own. Keys and audit stay local."""
    state_key_file: LocalPath | None = None
    """Seals what is kept on the state's server: the same file on every node. Default: `state.key` in the data
    directory, made at the first start; the other nodes need a copy."""
    state_password_file: LocalPath | None = None
    """A file with the password of the state's server; the user's name stands in the URL (`redis://name@host`)."""
    state_password_env: str | None = None
    """The same from an environment variable."""
    state_ca_file: LocalPath | None = None
    """Certificates to trust for `rediss://` instead of the system's."""
    upstreams: dict[Name, Upstream] = Field(default={"openai": Upstream(base_url=OPENAI_URL)}, min_length=1)
    """The servers we call, by name."""
    default_upstream: str = ""
    """The upstream of requests that match no policy. Default: `openai`, or the only upstream."""
    keys: Keys = Keys()
    capture: CaptureSettings = CaptureSettings()
    limits: LimitSettings = LimitSettings()
    prices: Prices = Prices()
    readiness: ReadinessSettings = ReadinessSettings()
    otel: OtelSettings | None = None
    """Unset: nothing is told."""
    policies: LocalPath = Field(default=policies_home.DEFAULT, validate_default=True)
    """The folder of policy files. Not stated and without files: `policies`, the default of earlier versions."""
    expose_variant: bool = True
    """Whether answers say which variant they are (`x-crossfade-variant`)."""
    lease_expired: Literal["baseline", "keep"] = "baseline"
    """What workers do when the control plane has been silent for five minutes: serve the baseline only, or go on.
    `keep` takes effect only while every candidate stands at 100%."""

    @model_validator(mode="before")
    @classmethod
    def _archive_as_data(cls, value: object) -> object:
        """`data: s3://…` names where records are kept in the end; what a process works in is always local."""
        if not isinstance(value, dict):
            return value
        stated = cast("dict[str, object]", value)
        if stated.get("archive") is not None or not str(stated.get("data")).startswith("s3://"):
            return stated
        return {name: found for name, found in stated.items() if name != "data"} | {"archive": stated["data"]}

    @field_validator("data", mode="before")
    @classmethod
    def _local_data(cls, value: object) -> object:
        if isinstance(value, str) and "://" in value:
            raise ValueError("a URL, and no directory. hint: name a local one here, and the URL as `archive`")
        return value

    @model_validator(mode="after")
    def _state_is_whole(self) -> Self:
        if self.state_password_file and self.state_password_env:
            raise ValueError("both state_password_file and state_password_env: name one")
        return self

    @property
    def default_name(self) -> str:
        """The upstream of requests that belong to no route."""
        if self.default_upstream:
            return self.default_upstream
        return "openai" if "openai" in self.upstreams else next(iter(self.upstreams))


def contradictions(settings: Settings) -> Iterator[tuple[Loc, str]]:
    """What no single field is wrong about: where, and what to do."""
    yield from _extras(settings)
    named = settings.default_upstream
    if named and named not in settings.upstreams:
        known = ", ".join(settings.upstreams)
        yield ("default_upstream",), f"no upstream is called {named!r}. hint: there are {known}"
        return
    if not named and "openai" not in settings.upstreams and len(settings.upstreams) > 1:
        yield ("upstreams",), "several upstreams and none is called openai. hint: name one as default_upstream"
        return
    for section in ("models", "candidate"):
        for name in getattr(settings.prices, section):
            if name not in settings.upstreams:
                known = ", ".join(settings.upstreams)
                yield ("prices", section, name), f"no upstream is called {name!r}. hint: there are {known}"
    for upstream, models in settings.prices.models.items():
        for name in models:
            if "*" in name and name != "*":
                hint = 'hint: write its whole name, or "*" for every model of the upstream'
                yield ("prices", "models", upstream, name), f"is the price of no model: no name has a star. {hint}"
    yield from _open_doors(settings)


def _extras(settings: Settings) -> Iterator[tuple[Loc, str]]:
    """What needs an extra that is not installed."""
    if settings.otel is not None and (missing := otel.lacking()):
        yield ("otel",), missing
    if settings.archive is not None and (missing := bucket.lacking()):
        yield ("archive",), missing


def _open_doors(settings: Settings) -> Iterator[tuple[Loc, str]]:
    """What would put an open door on a public address."""
    server = settings.server
    if not server.admin.is_loopback and (server.admin_tls is None or server.admin_token_file is None):
        yield (
            ("server", "admin"),
            f"{server.admin} is public. hint: add admin_tls and admin_token_file, or listen on 127.0.0.1",
        )
    if server.admin_viewer_token_file is not None and server.admin_token_file is None:
        yield ("server", "admin_viewer_token_file"), "without admin_token_file everybody may do all. hint: add it"
    if server.listen.is_loopback:
        return
    if server.tls is None:
        yield (
            ("server", "listen"),
            f"{server.listen} is public and has no TLS. hint: add tls: {{cert: FILE, key: FILE}}, or state with "
            "tls: front-proxy that a proxy or a private network in front takes care of it",
        )
    name = settings.default_name
    own_key = settings.upstreams[name].api_key_file or settings.upstreams[name].api_key_env
    if settings.keys.mode == "passthrough" and own_key:
        yield (
            ("upstreams", name),
            f"{server.listen} is public and this upstream has a key of its own: whoever reaches the port would spend "
            "it. hint: set keys: {mode: virtual}, or leave the key to the callers",
        )
