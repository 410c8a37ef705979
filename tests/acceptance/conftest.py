"""Real clients, unchanged but for their base URL, in front of a fake frontier: directly, and through the gateway.

What holds directly and not through the gateway is the gateway's fault.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.arena import Arena
from tests.fakes.thread import in_thread
from tests.fakes.upstream import FakeUpstream
from tests.rooms.gateway_process import Gateway, table_for


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    with in_thread(FakeUpstream()) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def gateway(upstream: FakeUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    directory: Path = tmp_path_factory.mktemp("gateway")
    with Gateway(directory, table_for(upstream.base_url)) as gateway:
        yield gateway


@pytest.fixture(scope="module", params=["direct", "gateway"])
def arena(request: pytest.FixtureRequest, upstream: FakeUpstream) -> Arena:
    if request.param == "direct":
        return Arena(upstream.base_url, upstream, None)
    gateway: Gateway = request.getfixturevalue("gateway")
    return Arena(gateway.base_url, upstream, gateway)
