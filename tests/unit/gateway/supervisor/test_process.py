"""The supervisor outlives whatever a reload meets."""

from typing import Any, cast

import pytest

from gateway.log import Log
from gateway.node.datadir import DataDirError
from gateway.supervisor.process import Supervisor
from gateway.supervisor.programs import Programs
from gateway.supervisor.sockets import BindError


@pytest.mark.parametrize(
    "trouble", [DataDirError("no"), BindError("no"), OSError(24, "no"), UnicodeDecodeError("utf-8", b"x", 0, 1, "no")]
)
async def test_a_reload_that_meets_anything_is_refused(trouble: Exception) -> None:
    """Foreseen or not, what is wrong with the new settings is told, and what runs goes on."""

    def read_again() -> Programs:
        raise trouble

    supervisor = Supervisor(cast(Any, None), read_again, Log("test"), "1")
    refused = await supervisor._replace_all()
    assert refused is not None
    assert "no" in refused or type(trouble).__name__ in refused
