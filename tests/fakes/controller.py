"""A controller that publishes the table of the settings once, and nothing else: python -m tests.fakes.controller
--boot-fd N. It loads a tenth of what the real one does, for tests that are about the supervisor.
"""

import sys
from pathlib import Path
from typing import Any

import msgspec

from policies.routing import Table, encode
from tests.fakes.idle import main


def publish(boot: dict[str, Any]) -> None:
    """Write the routing table, whole or not at all."""
    routing = Path(boot["routing"])
    fresh = routing.with_suffix(".new")
    fresh.touch(0o600)
    fresh.write_bytes(encode(msgspec.convert(boot["base"], Table)))
    fresh.replace(routing)


if __name__ == "__main__":
    sys.exit(main(publish))
