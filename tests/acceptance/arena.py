"""What a client is pointed at, and what is behind it."""

from dataclasses import dataclass

from tests.fakes.upstream import FakeUpstream
from tests.rooms.gateway_process import Gateway


@dataclass(frozen=True, slots=True)
class Arena:
    """What a client is pointed at, and the upstream behind it."""

    base_url: str
    upstream: FakeUpstream
    gateway: Gateway | None
