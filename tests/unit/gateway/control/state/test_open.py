import subprocess
import sys

from tests.rooms.waiting import PATIENCE_S

LOADED = "import sys, gateway.control.controller.process, gateway.console.server\nprint('redis' in sys.modules)"


def test_a_node_on_its_own_loads_no_client_of_a_server() -> None:
    """Controller and admin process load a server's client only where the state is on one: it makes starts slow."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, timeout=PATIENCE_S
    )
    assert done.stdout == "False\n"
