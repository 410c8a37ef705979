"""From settings, policies and keys to the routing table. Pure: no file is read here."""

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Literal

import msgspec

from gateway.config import settings as files
from policies.routing import Capture, Key, Lease, Route, Table, Upstream
from policies.upstream_kinds import KINDS

LeaseExpired = Literal["baseline", "keep"]


def litellm_socket(sockets: Path, name: str) -> Path:
    """Where the litellm process of upstream `name` listens. Short, and never another upstream's."""
    return sockets / f"litellm-{hashlib.sha256(name.encode()).hexdigest()[:12]}.sock"


def base_table(settings: files.Settings, sockets: Path) -> Table:
    """What the settings alone say: upstreams, capture, keys mode; no route, no key, version 0."""
    return Table(
        version=0,
        lease=Lease(renewed_at=0.0, on_expiry=settings.lease_expired),
        upstreams=tuple(_upstream(name, upstream, sockets) for name, upstream in settings.upstreams.items()),
        default_upstream=settings.default_name,
        keys_mode=settings.keys.mode,
        # Workers journal every exchange: metrics and evidence are made of all. `capture.sample` is the recorder's.
        capture=Capture(
            max_body_bytes=settings.capture.max_body,
            binary=settings.capture.binary,
        ),
        expose_variant=settings.expose_variant,
    )


def _upstream(name: str, upstream: files.Upstream, sockets: Path) -> Upstream:
    if upstream.kind == "litellm":  # its key is known to its process alone
        uds = str(litellm_socket(sockets, name))
        return Upstream(name, upstream.url, kind="litellm", uds=uds, max_connections=upstream.max_connections)
    return Upstream(
        name=name,
        base_url=upstream.url,
        kind=upstream.kind,
        api_key_file=_text(upstream.api_key_file),
        api_key_env=upstream.api_key_env,
        headers=upstream.headers,
        query=upstream.query,
        proxy=upstream.proxy,
        ca_file=_text(upstream.ca_file),
        uds=_text(upstream.uds),
        connect_s=upstream.connect,
        idle_s=_idle_s(upstream),
        max_connections=upstream.max_connections,
    )


def _idle_s(upstream: files.Upstream) -> float:
    """Longest an unused connection is kept.

    An engine busy with other things closes what has been idle for its time, and only then reads what was sent on it
    meanwhile: what is so lost counts against a candidate that has done nothing wrong.
    """
    return KINDS[upstream.kind].idle_s if upstream.idle is None else upstream.idle


def _text(path: object) -> str | None:
    return None if path is None else str(path)


def table_with(base: Table, routes: tuple[Route, ...], keys: tuple[Key, ...], promoted: Collection[str] = ()) -> Table:
    """The whole table. An expired lease is kept to only while no candidate is on its way up.

    `promoted`: routes whose candidate stands at the end of a ladder that ends at 100 %.
    """
    moving = (route for route in routes if route.candidate is not None and route.weight_ppm)
    settled = all(route.name in promoted for route in moving)
    on_expiry: LeaseExpired = base.lease.on_expiry if settled else "baseline"
    lease = msgspec.structs.replace(base.lease, on_expiry=on_expiry)
    return msgspec.structs.replace(base, lease=lease, routes=routes, keys=keys)
