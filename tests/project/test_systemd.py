"""The unit for systemd: what systemd itself says of it, and what it has to fit."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.config.settings import Settings
from gateway.supervisor.process import CONTROL_STOP_S, KILL_AFTER_DRAIN_S

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "crossfade.service"


def stated(name: str) -> list[str]:
    """What the unit states under a name, in order."""
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text("utf-8"), re.MULTILINE)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze is here")
def test_systemd_finds_nothing_to_say_of_it(tmp_path: Path) -> None:
    """`systemd-analyze verify` is silent, once the commands are ones that this machine has; keys are given, too."""
    text = UNIT.read_text("utf-8").replace("/opt/crossfade/bin/crossfade", sys.executable)
    copy = tmp_path / UNIT.name
    copy.write_text(text.replace("#LoadCredential", "LoadCredential"), "utf-8")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_service_has_the_time_to_drain() -> None:
    """Systemd kills it later than the drain and the control plane's own end take together; until then it asks once."""
    [minutes] = re.findall(r"^(\d+)min$", "\n".join(stated("TimeoutStopSec")), re.MULTILINE)
    assert int(minutes) * 60 > Settings().server.drain + KILL_AFTER_DRAIN_S + CONTROL_STOP_S
    assert stated("KillMode") == ["mixed"], "the supervisor itself tells its processes"


def test_it_is_told_and_asked_as_the_gateway_does() -> None:
    """The gateway notifies from its main process, reloads at SIGHUP, and reads the settings that the docs speak of."""
    assert (stated("Type"), stated("NotifyAccess")) == (["notify"], ["main"])
    assert stated("ExecReload") == ["/bin/kill -HUP $MAINPID"]
    assert stated("Environment") == ["CROSSFADE_CONFIG=/etc/crossfade/crossfade.yaml"]
    assert (stated("DynamicUser"), stated("ProtectSystem")) == (["yes"], ["strict"])
    assert stated("StateDirectory") == [Path("/var/lib/crossfade").name]
