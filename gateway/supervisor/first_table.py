"""The wait for the routing table before the first worker starts."""

import asyncio
from collections.abc import Callable
from typing import Final

from gateway.log import Log

POLL_S: Final = 0.05
PATIENCE_S: Final = 10.0
"""A controller that takes longer to come up does not keep the workers from serving the table there is."""


async def await_table(
    is_written: Callable[[], bool], is_there: Callable[[], bool], log: Log, now: Callable[[], float]
) -> None:
    """Wait until the controller has written it; an older one will do if the controller does not come up.

    `is_written`: it is this controller's. `now`: monotonic.
    """
    since, told = now(), False
    while not (is_written() and is_there()):
        late = now() - since > PATIENCE_S
        if late and is_there():
            log.notice("table.old", hint="the controller is not ready; workers serve from the table there is")
            return
        if late and not told:
            log.alarm("table.missing", hint="the controller is starting, or its own lines above say why not")
            told = True
        await asyncio.sleep(POLL_S)
